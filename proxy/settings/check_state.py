"""What replicas share, as configured: whether others could read it on its way, or guess what it is sealed with.
Finds; changes nothing."""

from importlib.util import find_spec
from typing import Final

from proxy.core.addresses import names_loopback
from proxy.settings.findings import Findings
from proxy.settings.schema import Settings

_AT: Final = ("state",)


def look_at_state(findings: Findings, settings: Settings) -> None:
    """The store of `state.url`, and its key."""
    state = settings.state
    if state.url is None:
        for key in sorted(state.model_fields_set - {"url"}):
            if getattr(state, key) is not None:
                findings.warn((*_AT, key), "has no effect without state.url; write both, or leave it out")
        return
    if find_spec("redis") is None:
        what = "this needs the redis library; install it: pip install 'arcgis-resource-proxy[redis]'"
        findings.error((*_AT, "url"), what)
    if not state.url.is_tls and not names_loopback(state.url.host):
        what = "what goes there is not encrypted on its way, a password among it; write rediss:// where the network"
        findings.warn((*_AT, "url"), f"{what} is not yours alone")
    if state.key is None:
        what = "without it, who reads the store can try to guess the credentials' passwords by what is in it"
        findings.warn((*_AT, "key"), f"{what}; write ${{STATE_KEY}}, made with: openssl rand -hex 32")
    if state.caBundle is not None:
        findings.authorities(state.caBundle, (*_AT, "caBundle"))
        if not state.url.is_tls:
            findings.warn((*_AT, "caBundle"), "has no effect without rediss://; write that, or leave it out")

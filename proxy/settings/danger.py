"""Settings that are good one by one, and together let strangers do what nobody meant. Finds; changes nothing."""

from ipaddress import ip_network
from typing import Final

from proxy.settings.check_credentials import is_signed
from proxy.settings.document import KeyPath
from proxy.settings.findings import Findings
from proxy.settings.schema import RuleSettings, Settings

_EDITS: Final = ("edit", "all")
_INSIDE: Final = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "127.0.0.0/8"))
)


def look_for_danger(findings: Findings, settings: Settings) -> None:
    """What `check` fails for, though it could be served."""
    server = settings.server
    for index, network in enumerate(server.trustedProxies):
        if settings.users.source == "forwarded" and network.prefixlen == 0:
            what = "every client can say of itself who it is; list the proxy that signs users in"
            findings.danger(("server", "trustedProxies", index), what)
    if not settings.mustMatch:
        for index, network in enumerate(settings.allowAddresses):
            if network.version == 4 and any(network.overlaps(inside) for inside in _INSIDE):
                what = "with mustMatch: false whoever may use the proxy reaches every server in this network"
                findings.danger(("allowAddresses", index), f"{what}; list the network at the rule that needs it")
    for index, rule in enumerate(settings.serverUrls):
        _rule(findings, settings, rule, ("serverUrls", index))


def _rule(findings: Findings, settings: Settings, rule: RuleSettings, path: KeyPath) -> None:
    if not is_signed(rule):
        return
    pages = settings.allowedReferers if rule.allowedReferers is None else rule.allowedReferers
    anyone = "*" in pages or settings.allowMissingReferer
    if rule.access in _EDITS and rule.users is None and anyone:
        who = 'any page in the world ("*")' if "*" in pages else "any program (allowMissingReferer)"
        what = f"{who} may change data with the proxy's credential; write access: read, users, or list your pages"
        findings.danger((*path, "access"), what)
    elif rule.access == "all" and rule.users is None:
        what = "anonymous visitors reach the administrator's pages and the token service with the proxy's credential"
        findings.danger((*path, "access"), f"{what}; write access: edit, or users")
    if rule.allowJsonp and rule.users is not None:
        what = "any page that a user looks at can read the answers by `callback=`, in the user's name"
        findings.danger((*path, "allowJsonp"), f"{what}; leave it out")
    elif rule.allowJsonp:
        what = "any page can read what the credential opens, by `callback=` and without CORS; leave it out unless meant"
        findings.warn((*path, "allowJsonp"), what)
    if rule.allowDataLayers:
        what = "clients can name any table that the server reaches; leave it out unless meant"
        findings.warn((*path, "allowDataLayers"), what)

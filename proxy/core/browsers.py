"""What browsers say about who asks, and what we tell them about who may look. Decides by headers alone.

None of it keeps out a program that is no browser: anyone can write these headers, or leave them out.
"""

from typing import Final

from proxy import names
from proxy.core import admit
from proxy.errors import NotAllowed
from proxy.model import AdmitPolicy, RefererEntry, Rule
from proxy.traffic import Headers
from proxy.urls import Origin

# As one of these the answer would run with the rights of the page, whatever CSP the page has: the proxy is 'self'.
_RUNS: Final = frozenset(("script", "worker", "sharedworker", "serviceworker", "audioworklet", "paintworklet"))
_FOREIGN: Final = frozenset(("cross-site", "same-site"))
_OWN: Final = "same-origin"


def needs_look(headers: Headers) -> bool:
    """Whether `check` may have something to say; most requests are fetches and images."""
    return headers.get(names.SEC_FETCH_MODE) == "navigate" or headers.get(names.SEC_FETCH_DEST) in _RUNS


def check(headers: Headers, rule: Rule, policy: AdmitPolicy) -> None:
    """Raises NotAllowed (slug `referer`).

    A page that may use the proxy says so by its Referer. One that hides it may be taken for a program where those
    are let in; but programs do not navigate, and a hidden page must not show what a credential or a login opens.
    """
    if headers.get(names.SEC_FETCH_DEST) in _RUNS and not rule.allow_jsonp:
        raise NotAllowed(
            "Answers of the proxy are not run as scripts.", "allowJsonp: true on the rule allows it.", slug="referer"
        )
    if (
        (rule.credential or rule.users is not None)
        and headers.get(names.SEC_FETCH_MODE) == "navigate"
        and headers.get(names.SEC_FETCH_SITE) in _FOREIGN
        and not headers.get(names.REFERER)
        and not headers.get(names.ORIGIN)
        and not any(entry.anyone for entry in policy.referers)
    ):
        raise NotAllowed(
            "A page that hides its address may not open this.",
            "Its links need a Referer: no rel=noreferrer, no Referrer-Policy: no-referrer.",
            slug="referer",
        )


def answer_headers(policy: AdmitPolicy, own_origin: Origin | None, *, origin: str, is_theirs: bool) -> dict[str, str]:
    """What any answer to a request with this Origin header tells a browser about pages. `is_theirs`: it came from
    behind the proxy; what is our own (errors, health) no other page needs to embed."""
    said = admit.cors_headers(policy, origin)
    said[names.CROSS_ORIGIN_RESOURCE_POLICY] = "cross-origin" if is_theirs and _embeds(policy, own_origin) else _OWN
    return said


def _embeds(policy: AdmitPolicy, own_origin: Origin | None) -> bool:
    """Whether other pages than ours may embed answers without CORS, in an `<img>` above all. By policy and not by
    request: answers are cached."""
    entries = (*policy.referers, *policy.origins)
    return policy.allow_missing or not all(_is_own(entry, own_origin) for entry in entries)


def _is_own(entry: RefererEntry, own: Origin | None) -> bool:
    return (
        own is not None
        and not entry.anyone
        and not entry.wildcard
        and entry.host == own.host
        and entry.scheme in (None, own.scheme)
        and entry.port in (None, own.port)
    )

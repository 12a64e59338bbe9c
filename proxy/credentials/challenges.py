"""What a 401 of the web server in front means: which login it wants, or what is wrong with ours. Sends nothing."""

from typing import Final

from proxy import names
from proxy.core.challenge import offered_logins
from proxy.errors import CredentialMisconfigured, CredentialRefused, NotAllowed, ProxyError, UpstreamFailed
from proxy.identity import HttpLogin, Scheme
from proxy.traffic import Reply
from proxy.urls import Server

WEB_LOGIN: Final = "web_login"
NO_TICKET: Final = "no_ticket"
CORRECT_IT: Final = (
    "Correct the credential in proxy.yaml; until then it is not tried again at once, since accounts lock."
)


def challenged(reply: Reply, *, with_headers: bool) -> ProxyError | None:
    """What a 401 means on a rule whose credential is no HTTP login: a web server asks for one, or does not take the
    static headers; None where it says nothing of the kind."""
    offered = _offered(reply)
    if offered:
        return wants_login(offered)
    if with_headers:
        return CredentialRefused(
            "The server in front refuses the headers that the credential sends.", "Correct them in proxy.yaml."
        )
    return None


def wants_login(offered: tuple[Scheme, ...]) -> CredentialMisconfigured:
    """A web server asks for one of these, and the credential is none of them. `offered` has the strongest first."""
    return CredentialMisconfigured(
        f"The web server in front asks for a login of its own ({_listed(offered)}).", _advice(offered), slug=WEB_LOGIN
    )


def in_front_of(portal: Server, error: CredentialMisconfigured) -> CredentialMisconfigured:
    """`wants_login` of a portal's web server: it then gives its servers' tokens to whom it has let in."""
    return CredentialMisconfigured(
        error.message.replace("in front", "in front of the portal", 1),
        *error.details,
        f"Set portalUrl to {portal} besides: its servers' tokens then come from there.",
        slug=error.slug,
        retry_after=error.retry_after,
    )


def closed(status: int) -> CredentialMisconfigured:
    """Something refuses, and does not say what it wants."""
    return CredentialMisconfigured(
        f"Something in front of the server refuses the proxy (HTTP status {status}): does it want headers?",
        "Write what it wants as `headers` of the rule, such as an API key; where rest/info alone is closed, set "
        "tokenServiceUri.",
        slug="gateway",
    )


def nowhere() -> CredentialMisconfigured:
    """The server says that there is no site at the rule's URL."""
    return CredentialMisconfigured(
        "The server knows no site at this URL (Invalid URL).",
        "Check the url of the rule: ids of ArcGIS Online's organisations have a letter case, too.",
        slug="wrong_url",
    )


def not_taken(login: HttpLogin, reply: Reply) -> ProxyError | None:
    """What a 401 means that offers nothing this login could do; None where it does, and so refuses the login."""
    offered, scheme = _offered(reply), login.scheme
    if not offered or scheme in offered:
        return None
    if scheme.is_windows and any(each.is_windows for each in offered):
        if login.username:
            return None  # the one does without the other
        return CredentialMisconfigured(
            "The web server offers NTLM and no Negotiate: the machine's own Kerberos ticket is of no use there.",
            "Give username and password (type ntlm), or have the server offer Negotiate.",
            slug=WEB_LOGIN,
        )
    return CredentialMisconfigured(
        f"The web server does not take {scheme.value}; it offers {_listed(offered)}.", _advice(offered), slug=WEB_LOGIN
    )


def _offered(reply: Reply) -> tuple[Scheme, ...]:
    return offered_logins(reply.headers.get(names.WWW_AUTHENTICATE, ""))


def _listed(offered: tuple[Scheme, ...]) -> str:
    return ", ".join(sorted(each.value for each in offered))


def _advice(offered: tuple[Scheme, ...]) -> str:
    return f"Set the type of the credential to {offered[0].value.lower()}."


def wanted_again() -> UpstreamFailed:
    """A challenge came for a body that cannot be sent a second time."""
    return UpstreamFailed("The server wanted a fresh login; send the request again.", slug="not_replayable")


def refused() -> CredentialRefused:
    """The server looked at the login, and it is wrong."""
    return CredentialRefused("The web server refuses the proxy's user name or password.", CORRECT_IT)


def denied() -> NotAllowed:
    """The login is good, and not for this."""
    return NotAllowed(
        "The server denies this to the proxy's credential.",
        "The credential is good: its user lacks a right on this service.",
        slug="denied",
    )

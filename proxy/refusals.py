"""What an upstream's refusal of our credential becomes: an error that says what to do about it. Sends nothing."""

from proxy import names
from proxy.core.classify import Finding, Verdict
from proxy.credentials.challenges import challenged
from proxy.errors import CredentialMisconfigured, CredentialRefused, NotAllowed, ProxyError
from proxy.identity import AppCredential, Credential, WebCredential
from proxy.model import Rule
from proxy.traffic import Reply, Token
from proxy.upstream.failures import certificate_refused


def of_token(finding: Finding, reply: Reply, rule: Rule, credential: Credential) -> ProxyError | None:
    """A refusal that no other token would change; None where one might."""
    if finding.verdict is Verdict.DENIED:
        return denied(finding, credential)
    if finding.verdict is Verdict.CERTIFICATE:
        return certificate()
    if finding.verdict is Verdict.LOGIN and reply.status == names.CODE_UNAUTHORIZED:
        # The web server in front, not ArcGIS: it has its own words for a token that is not good
        has_headers = rule.route.identity is not None and bool(rule.route.identity.headers)
        return challenged(reply, with_headers=has_headers)
    return None


def of_web_credential(finding: Finding, reply: Reply, credential: Credential) -> ProxyError | None:
    """A refusal on a rule without a token; None where the answer passes."""
    match finding.verdict:
        case Verdict.PASS:
            return None
        case Verdict.DENIED:
            return denied(finding, credential)
        case Verdict.CERTIFICATE:
            return certificate()
        case Verdict.LOGIN:
            kind = credential.kind if isinstance(credential, WebCredential) else credential.name
            return challenged(reply, with_headers=kind == "headers") or CredentialRefused(
                f"The server shows its sign-in page: {kind} is not what it asks for.",
                "`resource-proxy check --live` says what it does ask for.",
            )
        case Verdict.TOKEN_REQUIRED | Verdict.TOKEN_INVALID:
            return CredentialMisconfigured(
                "The server asks for an ArcGIS token besides, and the credential has none.",
                "Give user and password (type arcgis), or portalUrl where a portal gives the tokens.",
                slug="token_wanted",
            )


def rejected(token: Token) -> CredentialRefused:
    """Every token that the credential gets, or the only one it has, was rejected."""
    if not token.is_renewable:
        return CredentialRefused(
            "The server rejects the configured token.",
            "It has ended, was revoked, or is bound to another referer: put a new one in accessToken.",
            slug="token_rejected",
        )
    return CredentialRefused(
        "The server accepts no token that the proxy's credential gets.",
        "Check the user's rights on this service, and the referer setting of the rule.",
        slug="token_rejected",
    )


def denied(finding: Finding, credential: Credential) -> NotAllowed:
    """The credential is good, and not for this."""
    advice = "The credential is good: its user lacks a right on this service."
    if isinstance(credential, AppCredential):
        advice = "An app opens only what is shared with it: share the item with the app, or use a user (type arcgis)."
    return NotAllowed(finding.message or "The server denies this to the proxy's credential.", advice, slug="denied")


def certificate() -> CredentialRefused:
    """The TLS handshake was good, but the web server wants another client certificate, or one at all."""
    return certificate_refused("The web server does not take the client certificate, or wants one.")

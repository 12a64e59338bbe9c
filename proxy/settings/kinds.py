"""Which keys each kind of credential needs and takes, and what kind a rule has in place."""

from typing import Final

from proxy.settings.schema import CredentialKeys, CredentialSettings, RuleSettings

_TOKENS: Final = frozenset(("tokenParamName", "expiration"))
_PORTAL: Final = frozenset(("portalUrl", *_TOKENS))
STACKED: Final = frozenset(("headers", "clientCertificate"))  # these stand beside any kind

NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "arcgis": ("username", "password"),
    "oauth": ("clientId", "clientSecret"),
    "token": ("accessToken",),
    "basic": ("username", "password"),
    "digest": ("username", "password"),
    "ntlm": ("username", "password"),
    "negotiate": (),
    "certificate": ("clientCertificate",),
    "headers": ("headers",),
}
TAKEN: Final[dict[str, frozenset[str]]] = {
    "arcgis": frozenset(("tokenServiceUri",)) | _PORTAL,
    "oauth": frozenset(("oauth2Endpoint",)) | _PORTAL,
    "token": frozenset(("tokenParamName",)),
    "basic": _PORTAL,
    "digest": frozenset(("domain",)) | _PORTAL,
    "ntlm": frozenset(("domain",)) | _PORTAL,
    "negotiate": frozenset(("username", "password", "domain")) | _PORTAL,
    "certificate": _PORTAL,
    "headers": frozenset(),
}
LOGINS: Final = ("basic", "digest", "ntlm", "negotiate")
IN_PLACE: Final = (
    *("username", "password", "domain", "clientId", "clientSecret", "oauth2Endpoint", "accessToken"),
    *("tokenServiceUri", "portalUrl", "tokenParamName", "expiration"),
)


def written(keys: CredentialKeys) -> list[str]:
    """The keys of a credential that are there and say something, in the order of the schema."""
    return [name for name in CredentialKeys.model_fields if name in keys.model_fields_set and getattr(keys, name)]


def kind_in_place(rule: RuleSettings) -> str | None:
    """What a rule's own keys make: Esri's names, and so Esri's meanings; None where there is none.

    A rule that names a credential has none in place: headers and a certificate then stand beside it.
    """
    keys = frozenset(written(rule))
    if rule.credential is not None or not keys:
        return None
    if "accessToken" in keys:
        return "token"
    if keys & {"clientId", "clientSecret", "oauth2Endpoint"}:
        return "oauth"
    if "domain" in keys:
        return "negotiate"  # what the .NET proxy did with a domain
    if keys - STACKED:
        return "arcgis"
    return "certificate" if "clientCertificate" in keys else "headers"


def kind_of(keys: CredentialSettings | RuleSettings) -> str | None:
    """The kind of a named credential, or of the one that a rule has in place."""
    return keys.type if isinstance(keys, CredentialSettings) else kind_in_place(keys)

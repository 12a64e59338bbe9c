"""Which servers a credential belongs to: asked before anything of it is sent. Sends nothing itself."""

from typing import Final

from proxy.core.servers import is_bound
from proxy.errors import CredentialMisconfigured
from proxy.identity import TokenCredential
from proxy.traffic import Audience
from proxy.urls import Origin

_ONLINE: Final = ".arcgis.com"


def see_to_it(credential: TokenCredential, audience: Audience) -> None:
    """Raises CredentialMisconfigured where `audience` is none of the credential's: a request that outlives a reload
    asks for a server that may be another's by now, and a new secret must not go there."""
    origin = audience.server.origin
    if is_bound(credential, origin):
        return
    # The portal of ArcGIS Online's servers is on another of its hosts
    if is_online(origin) and any(f".{scope.host}".endswith(_ONLINE) for scope in credential.scopes):
        return
    raise CredentialMisconfigured("The credential is for another server.", slug="foreign_credential")


def is_online(origin: Origin) -> bool:
    """Whether this is ArcGIS Online: its hosts are one site, and one token is good for all of them."""
    return origin.scheme == "https" and f".{origin.host}".endswith(_ONLINE)

"""Client id and secret of an app (OAuth 2 client credentials), exchanged where the server is federated.

The wire differs from RFC 6749: `expiration` is asked for in minutes, and failures are ArcGIS error objects with HTTP
200. An app has no user: it reaches what is shared with the app, and services that bill it.
"""

from dataclasses import dataclass

from proxy.credentials.binding import is_online, see_to_it
from proxy.credentials.service import TokenService
from proxy.errors import CredentialRefused, TokenRejected
from proxy.identity import AppCredential
from proxy.ports import TokenSource
from proxy.secret import fingerprint
from proxy.traffic import Audience, Token
from proxy.urls import Target


@dataclass(frozen=True, slots=True)
class AppProvider:
    """Implements `ports.TokenProvider` for one `AppCredential`."""

    credential: AppCredential
    service: TokenService

    def fingerprint(self) -> str:
        return fingerprint(self.credential)

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        """See `ports.TokenProvider.fetch`. The portal's own token for the portal, an exchanged one for its servers."""
        see_to_it(self.credential, audience)
        portal = self.credential.portal
        if audience.server == portal or (is_online(portal.origin) and is_online(audience.server.origin)):
            return await self._log_in(audience)
        return await self.service.through_portal(portal, audience, tokens)

    async def _log_in(self, audience: Audience) -> Token:
        base = self.credential.endpoint
        endpoint = Target(base.origin, f"{base.path.rstrip('/')}/token")
        fields = {"client_id": self.credential.client_id, "grant_type": "client_credentials"}
        secret = self.credential.client_secret
        answer = await self.service.post(endpoint, fields, {"client_secret": secret}, referer=audience.referer)
        try:
            return self.service.read(
                answer, audience, secret, at=endpoint, what="client id or client secret", setting="oauth2Endpoint"
            )
        except TokenRejected:
            raise CredentialRefused("The token service wants a token to give one.") from None

"""Tokens of a federated server, from a portal whose web server does the login (Windows, Basic, Digest, PKI).

Such a portal gives a server's token to whom its web server has let in, without a token of its own.
"""

from dataclasses import dataclass

from proxy.credentials.binding import see_to_it
from proxy.credentials.service import TokenService
from proxy.errors import CredentialMisconfigured, TokenRejected
from proxy.identity import ExchangeCredential
from proxy.ports import TokenSource
from proxy.secret import fingerprint
from proxy.traffic import Audience, Token


@dataclass(frozen=True, slots=True)
class ExchangeProvider:
    """Implements `ports.TokenProvider` for one `ExchangeCredential`."""

    credential: ExchangeCredential
    service: TokenService

    def fingerprint(self) -> str:
        return fingerprint(self.credential)

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        """See `ports.TokenProvider.fetch`."""
        see_to_it(self.credential, audience)
        if audience.is_guess:
            await self.service.site(audience)
        try:
            return await self.service.exchange(self.credential.portal, audience, None)
        except TokenRejected:
            raise CredentialMisconfigured(
                "The portal asks for a token: its web server did not do the login.",
                "Use type arcgis for a portal that knows the user itself.",
            ) from None

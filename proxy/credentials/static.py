"""An API key or a long-lived token: used as it is. Nothing can renew it, so a rejected one is the operator's."""

import math
from dataclasses import dataclass

from proxy.credentials.binding import see_to_it
from proxy.identity import StaticCredential
from proxy.ports import Clock, TokenSource
from proxy.secret import fingerprint
from proxy.traffic import Audience, Token


@dataclass(frozen=True, slots=True)
class StaticProvider:
    """Implements `ports.TokenProvider` for one `StaticCredential`."""

    credential: StaticCredential
    clock: Clock

    def fingerprint(self) -> str:
        return fingerprint(self.credential)

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        """See `ports.TokenProvider.fetch`. How long it lives nobody tells us."""
        see_to_it(self.credential, audience)
        return Token(self.credential.value, audience, self.clock(), math.inf, is_renewable=False)

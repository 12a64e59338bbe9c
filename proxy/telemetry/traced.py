"""The parts of a process with spans around them. Stands in their place where traces are on, and does what they do."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from proxy.identity import Route
from proxy.ports import Lane, TokenProvider, Tokens, TokenSource, Transport
from proxy.traffic import Audience, Outgoing, Reply, Token
from proxy.urls import Origin

if TYPE_CHECKING:
    from proxy.telemetry.spans import Tracing

_NOTABLE: Final = 0.001  # seconds of waiting for a token


class TracedTransport:
    """Implements `ports.Transport`. A span for each request that is sent, and the headers that name it."""

    def __init__(self, tracing: "Tracing", transport: Transport) -> None:
        self._tracing, self._transport = tracing, transport

    async def send(self, outgoing: Outgoing) -> Reply:
        return await self._tracing.sent(self._transport, outgoing)

    async def lane(self, origin: Origin, route: Route, client: str) -> Lane:
        return TracedLane(self._tracing, await self._transport.lane(origin, route, client))


class TracedLane:
    """Implements `ports.Lane`."""

    def __init__(self, tracing: "Tracing", lane: Lane) -> None:
        self._tracing, self._lane = tracing, lane

    async def send(self, outgoing: Outgoing) -> Reply:
        return await self._tracing.sent(self._lane, outgoing)

    @property
    def is_signed_in(self) -> bool:
        return self._lane.is_signed_in

    @is_signed_in.setter
    def is_signed_in(self, value: bool) -> None:
        self._lane.is_signed_in = value

    @property
    def connection(self) -> int:
        return self._lane.connection

    def peer_certificate(self) -> bytes | None:
        return self._lane.peer_certificate()

    def hang_up(self) -> None:
        self._lane.hang_up()

    def release(self) -> None:
        self._lane.release()


class TracedTokens:
    """Implements `ports.Tokens`. The request's span tells of waits and rejections."""

    def __init__(self, tracing: "Tracing", tokens: Tokens) -> None:
        self._tracing, self._tokens = tracing, tokens
        self.at_hand, self.accepted = tokens.at_hand, tokens.accepted
        self.place, self.learn = tokens.place, tokens.learn

    async def get(self, audience: Audience) -> Token:
        began = time.monotonic()
        try:
            return await self._tokens.get(audience)
        finally:
            if (waited := time.monotonic() - began) >= _NOTABLE:
                self._tracing.waited(audience, round(waited, 3))

    def reject(self, token: Token) -> None:
        self._tracing.rejected(token)
        self._tokens.reject(token)


class TracedProvider:
    """Implements `ports.TokenProvider`. A span for each login; `has_token` says whether the old token is still good, so
    that nobody waits."""

    def __init__(self, tracing: "Tracing", provider: TokenProvider, has_token: Callable[[Audience], bool]) -> None:
        self._tracing, self._provider, self._has_token = tracing, provider, has_token
        self.fingerprint = provider.fingerprint

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        with self._tracing.login(audience, is_ahead=self._has_token(audience)):
            return await self._provider.fetch(audience, tokens)

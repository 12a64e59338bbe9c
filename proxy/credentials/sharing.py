"""One login for all replicas, and one refused password: stands around the providers, which know nothing of others.

What one obtained the others take, each bound to the credential as it is configured; static tokens are nobody's login.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from cachetools import LRUCache

from proxy.core import lifetime
from proxy.credentials.words import error_of, fields_of, seconds_in
from proxy.errors import CredentialRefused
from proxy.ports import Clock, Commons, TokenProvider, TokenSource
from proxy.secret import Secret
from proxy.traffic import Audience, Token, Topic, Turn, Word

_MOST: Final = 10_000  # audiences
_LONGEST_LIFE: Final = 366 * 86400.0  # seconds


class DroppingCommons(Commons, Protocol):
    """Where a word can be taken back, too."""

    async def drop(self, topic: Topic, mark: str) -> None:
        """That word holds no more, for nobody."""
        ...


class Sharing:
    """Outlives reloads: it knows which words the tokens in hand came from. `withdrawn(audience)` is told of tokens that
    another replica found rejected."""

    def __init__(self, commons: DroppingCommons, clock: Clock, withdrawn: Callable[[Audience], None]) -> None:
        self._commons, self._clock, self._withdrawn = commons, clock, withdrawn
        self._given: LRUCache[Topic, tuple[Audience, str]] = LRUCache(_MOST)
        self._topics: LRUCache[Audience, Topic] = LRUCache(_MOST)
        self._refusals: LRUCache[Topic, int] = LRUCache(_MOST)
        self._dropping: set[asyncio.Task[None]] = set()

    def around(self, provider: TokenProvider) -> TokenProvider:
        """`provider`, asked only where no other replica has a token that is as good."""
        return _Shared(self, provider)

    async def fetch(self, provider: TokenProvider, audience: Audience, tokens: TokenSource) -> Token:
        """See `ports.TokenProvider.fetch`."""
        topic = ("token", provider.fingerprint(), audience.credential, str(audience.server), audience.referer)
        given = self._given.get(topic)
        found = await self._commons.turn(topic, but=given[1] if given is not None else "")
        token = self._token(audience, found) if isinstance(found, Word) else None
        if token is None:
            turn = found if isinstance(found, Turn) else Turn(found.mark)
            token = await self._found_out(provider, audience, tokens, topic, turn)
        self._given[topic], self._topics[audience] = (audience, found.mark), topic
        return token

    def rejected(self, audience: Audience) -> None:
        """A server rejected the token in hand: the others need not find that out, each for itself."""
        topic = self._topics.get(audience)
        given = self._given.get(topic) if topic is not None else None
        if topic is not None and given is not None:
            task = asyncio.create_task(self._commons.drop(topic, given[1]), name=f"drop {audience.credential}")
            self._dropping.add(task)
            task.add_done_callback(self._dropping.discard)

    def heard(self, topic: Topic, mark: str) -> None:
        """Another replica's token was rejected: if it is ours, too, it goes."""
        given = self._given.get(topic)
        if given is not None and given[1] == mark:
            self._withdrawn(given[0])

    async def close(self) -> None:
        """Before the loop ends."""
        await asyncio.gather(*self._dropping, return_exceptions=True)

    async def _found_out(
        self, provider: TokenProvider, audience: Audience, tokens: TokenSource, topic: Topic, turn: Turn
    ) -> Token:
        says: Mapping[str, object] | None = None
        seconds = 0.0
        try:
            token = await self._log_in(provider, audience, tokens)
            seconds = token.expires_at - self._clock()
            says = {"value": token.value.reveal(), "life": token.expires_at - token.obtained_at}
            return token
        finally:
            if says is not None:
                await self._commons.settle(topic, turn, says, seconds)
            else:
                await self._commons.release(topic, turn)

    async def _log_in(self, provider: TokenProvider, audience: Audience, tokens: TokenSource) -> Token:
        """One at a time for an account, whatever the referer: it is the account that a server locks."""
        # Sites that clients name are as good as one
        site = f"{audience.server.origin} anywhere" if audience.is_guess else str(audience.server)
        account = ("account", provider.fingerprint(), audience.credential, site)
        found = await self._commons.turn(account)
        if isinstance(found, Word):
            self._refusals[account] = int(seconds_in(found.says, "refusals", 64.0))
            raise error_of(found)
        refused: CredentialRefused | None = None
        try:
            token = await provider.fetch(audience, tokens)
            self._refusals.pop(account, None)
            return token
        except CredentialRefused as error:
            refused = error
            raise
        finally:
            if refused is not None:
                refusals = self._refusals[account] = self._refusals.get(account, 0) + 1
                says = {**fields_of(refused), "refusals": refusals}
                await self._commons.settle(account, found, says, lifetime.refusal_rest(refusals))
            else:
                await self._commons.release(account, found)

    def _token(self, audience: Audience, word: Word) -> Token | None:
        """How old it is follows from how long it lives: no clock of another machine is believed."""
        value, life = word.says.get("value"), seconds_in(word.says, "life", _LONGEST_LIFE)
        left = min(word.seconds, life)
        if not isinstance(value, str) or not value or left <= 0:
            return None
        now = self._clock()
        return Token(Secret(value), audience, now - (life - left), now + left)


class _Shared:
    """Implements `ports.TokenProvider`."""

    def __init__(self, sharing: Sharing, provider: TokenProvider) -> None:
        self._sharing, self._provider = sharing, provider

    def fingerprint(self) -> str:
        return self._provider.fingerprint()

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        """See `ports.TokenProvider.fetch`."""
        return await self._sharing.fetch(self._provider, audience, tokens)

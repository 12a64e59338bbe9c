"""Tokens in hand: one acquisition at a time for each audience, renewed ahead, carried over a reload.

What to do is decided in `core.lifetime`; here stands what waits. The only place that starts acquisitions.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cachetools import LRUCache

from proxy import refusals
from proxy.core import lifetime
from proxy.core.hearing import Hearing
from proxy.core.lifetime import Do, Failure, Slot
from proxy.credentials.service import NO_SITE
from proxy.errors import (
    CredentialMisconfigured,
    CredentialRefused,
    NotAllowed,
    ProxyError,
    TokenUnavailable,
    UpstreamTimeout,
)
from proxy.identity import Place
from proxy.ports import Clock, TokenProvider
from proxy.traffic import Audience, Token

_PATIENCE: Final = 15.0  # seconds that a client waits for a login
_PROBE_PATIENCE: Final = 5.0  # seconds that a good token is kept back to learn where it travels
_MOST_AUDIENCES: Final = 10_000  # a wildcard rule makes one of each host
_MOST_GUESSED: Final = 64  # sites below one credential's rules that clients alone have named


@dataclass(slots=True)
class _Held:
    slot: Slot = field(default_factory=Slot)
    fetch: asyncio.Task[Token] | None = None
    hearing: Hearing = field(default_factory=Hearing)
    error: ProxyError | None = None
    last: Token | None = None  # rejected or not


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of an audience, for those who keep a copy of its token: `renew_at` is when to ask again."""

    token: Token | None
    renew_at: float
    hearing: Hearing


class TokenStore:
    """Implements `ports.Tokens`.

    `observe(event, audience)` is told of: obtained, renewed, refused, unavailable, rejected. `probe(token)` says, once
    for each audience, where its tokens travel; it has five seconds and raises nothing.
    """

    def __init__(
        self,
        clock: Clock,
        rand: Callable[[], float],
        observe: Callable[[str, Audience], None] = lambda event, audience: None,
        probe: Callable[[Token], Awaitable[Place]] | None = None,
    ) -> None:
        self._clock, self._rand, self._observe, self._probe = clock, rand, observe, probe
        self._held: LRUCache[Audience, _Held] = LRUCache(_MOST_AUDIENCES)
        # By credential
        self._guessed: dict[str, LRUCache[Audience, _Held]] = defaultdict(lambda: LRUCache(_MOST_GUESSED))
        # Of those that were asked for since the last one came or went, by identity: to hash an audience takes as long
        # as all else. The audience is kept, so its id stays its own
        self._known: dict[int, tuple[Audience, _Held]] = {}
        self._refused: LRUCache[tuple[str, str], _Held] = LRUCache(_MOST_AUDIENCES)
        self._providers: Mapping[str, TokenProvider] = {}
        self._fetches: set[asyncio.Task[Token]] = set()

    def at_hand(self, audience: Audience) -> Token | None:
        """See `ports.Tokens.at_hand`."""
        known = self._known.get(id(audience))
        if known is None or lifetime.decide(known[1].slot, self._clock()) is not Do.USE:
            return None
        return known[1].slot.token

    async def get(self, audience: Audience) -> Token:
        """See `ports.TokenSource.get`."""
        known = self._known.get(id(audience))
        held = self._of(audience) if known is None else known[1]
        do = lifetime.decide(held.slot, self._clock())
        token = held.slot.token
        if do is Do.HOLD_OFF:
            raise self._held_off(held)
        if do is Do.USE and token is not None:
            return token
        refused = self._refused_already(audience) if held.fetch is None else None
        if do is Do.FETCH or token is None:
            if refused is not None:
                raise self._held_off(refused)
            return await self._wait(held, audience)
        if held.fetch is None and refused is None:
            self._start(held, audience)
        return token

    def accepted(self, token: Token, place: Place) -> None:
        """See `ports.Tokens.accepted`."""
        known = self._known.get(id(token.audience))
        held = known[1] if known is not None else self._shelf(token.audience).get(token.audience)
        if held is None:
            return
        if not held.slot.proven:
            held.slot = lifetime.accepted(held.slot, token)
        if place is Place.HEADER:
            held.hearing.hears_headers = True

    def reject(self, token: Token) -> None:
        """See `ports.TokenSource.reject`."""
        held = self._shelf(token.audience).get(token.audience)
        if held is not None and held.slot.token is token:
            held.slot = lifetime.rejected(held.slot, token, self._clock())
            if not token.is_renewable:
                held.error = refusals.rejected(token)
            self._observe("rejected", token.audience)

    def withdraw(self, audience: Audience) -> None:
        """Another replica saw its token rejected; the next asker gets a new one."""
        held = self._shelf(audience).get(audience)
        if held is not None:
            held.slot = lifetime.withdrawn(held.slot, self._clock())

    def place(self, audience: Audience, configured: Place | None, *, is_form: bool, path: str = "") -> Place:
        """See `ports.Tokens.place`."""
        return self._of(audience).hearing.place_at(path, configured, is_form=is_form)

    def learn(self, audience: Audience, place: Place, path: str = "") -> None:
        """See `ports.Tokens.learn`."""
        self._of(audience).hearing.learn(place, path)

    def problem(self, audience: Audience) -> str:
        """Why the last acquisition failed, for the operator; "" where it did not."""
        error = self._of(audience).error
        return " ".join((error.message, *error.details)) if error is not None else ""

    def outlook(self, audience: Audience) -> Outlook:
        """What is known now; asks nobody."""
        held = self._of(audience)
        return Outlook(held.slot.token, held.slot.renew_at, held.hearing)

    def replace_providers(self, providers: Mapping[str, TokenProvider]) -> None:
        """After a reload: what belongs to a credential that changed or went is dropped, the rest stays."""
        old, self._providers = self._providers, dict(providers)
        same = {
            name
            for name, provider in providers.items()
            if name in old and old[name].fingerprint() == provider.fingerprint()
        }
        for audience, _ in self._all():
            if audience.credential not in same:
                self._refused.pop(_account(audience), None)
                self._drop(audience)  # an acquisition in flight goes on for those who wait for it

    def snapshot(self) -> list[dict[str, object]]:
        """What the status page shows of each audience: its state, seconds to the end, the last failure in words."""
        now = self._clock()
        rows: list[dict[str, object]] = []
        for audience, held in self._all():
            token = held.slot.token
            living = token is not None and now < token.expires_at
            ending = token if token is not None and living and token.is_renewable else None
            rows.append(
                {
                    "credential": audience.credential,
                    "server": str(audience.server),
                    "state": "held off" if now < held.slot.held_until else "good" if living else "none",
                    "secondsLeft": round(ending.expires_at - now) if ending else None,
                    "renewsIn": max(0, round(held.slot.renew_at - now)) if ending else None,
                    "life": round(ending.expires_at - ending.obtained_at) if ending else None,
                    "place": held.hearing.place.value if held.hearing.place else None,
                    "triesAgainIn": round(held.slot.held_until - now) if now < held.slot.held_until else None,
                    "problem": held.error.message if held.error else None,
                }
            )
        return rows

    async def close(self) -> None:
        """Ends every acquisition in flight."""
        for fetch in self._fetches:
            fetch.cancel()
        await asyncio.gather(*self._fetches, return_exceptions=True)

    def _shelf(self, audience: Audience) -> LRUCache[Audience, _Held]:
        return self._guessed[audience.credential] if audience.is_guess else self._held

    def _all(self) -> list[tuple[Audience, _Held]]:
        return [each for shelf in (self._held, *self._guessed.values()) for each in shelf.items()]

    def _of(self, audience: Audience) -> _Held:
        known = self._known.get(id(audience))
        if known is not None:
            return known[1]
        shelf = self._shelf(audience)
        held = shelf.get(audience)
        if held is None:
            self._known.clear()  # another one may have to go for it
            held = shelf[audience] = _Held()
        if len(self._known) >= _MOST_AUDIENCES:  # equal audiences that are not the same object
            self._known.clear()
        self._known[id(audience)] = audience, held
        return held

    def _drop(self, audience: Audience) -> None:
        self._known.clear()
        del self._shelf(audience)[audience]

    def _refused_already(self, audience: Audience) -> _Held | None:
        """Whether this user was refused at this server for another referer, or under another spelling of its site:
        those are tokens of their own, but the account locks after five tries of any of them."""
        held = self._refused.get(_account(audience))
        if held is None or not isinstance(held.error, CredentialRefused) or self._clock() >= held.slot.held_until:
            return None
        return held

    async def _wait(self, held: _Held, audience: Audience) -> Token:
        fetch = held.fetch or self._start(held, audience)
        try:
            async with asyncio.timeout(_PATIENCE):
                # shield: this asker may leave, the others go on waiting for the same login
                return await asyncio.shield(fetch)
        except TimeoutError:
            raise UpstreamTimeout("The token service did not answer in time.") from None

    def _start(self, held: _Held, audience: Audience) -> asyncio.Task[Token]:
        provider = self._providers.get(audience.credential)
        if provider is None:
            raise CredentialMisconfigured("The credential is no longer in the configuration.")
        fetch = asyncio.create_task(self._fetch(held, audience, provider), name=f"token for {audience.credential}")
        held.fetch = fetch
        self._fetches.add(fetch)
        fetch.add_done_callback(self._ended)
        return fetch

    def _ended(self, fetch: asyncio.Task[Token]) -> None:
        self._fetches.discard(fetch)
        if not fetch.cancelled():
            fetch.exception()  # looked at: a renewal that nobody waits for may fail quietly, the slot knows

    async def _fetch(self, held: _Held, audience: Audience, provider: TokenProvider) -> Token:
        try:
            token = lifetime.following(await provider.fetch(audience, self), held.last, self._clock())
            await self._learn_place(held, token)
            self._observe("renewed" if held.slot.token is not None else "obtained", audience)
            held.slot, held.last = lifetime.fetched(held.slot, token, self._rand()), token
            self._refused.pop(_account(audience), None)
            held.error = None
            return token
        except (CredentialRefused, CredentialMisconfigured) as error:
            self._failed(held, audience, Failure.REFUSED, error)
            raise
        except ProxyError as error:
            self._failed(held, audience, Failure.UNAVAILABLE, error)
            raise
        finally:
            # A failed fetch must not stay the answer for ever (the ArcGIS REST JS bug).
            held.fetch = None

    async def _learn_place(self, held: _Held, token: Token) -> None:
        if self._probe is None or held.hearing.is_learned:
            return
        try:
            async with asyncio.timeout(_PROBE_PATIENCE):
                learned = await self._probe(token)
        except TimeoutError:
            return
        if not held.hearing.is_learned:  # else a request learned it meanwhile
            held.hearing.place = learned

    def _failed(self, held: _Held, audience: Audience, failure: Failure, error: ProxyError) -> None:
        is_current = self._shelf(audience).get(audience) is held
        if isinstance(error, CredentialRefused) and is_current:  # else it is the word on one corrected since
            before = self._refused.get(_account(audience), held)
            held.slot = replace(held.slot, refusals=max(held.slot.refusals, before.slot.refusals))
            self._refused[_account(audience)] = held
        held.slot = lifetime.failed(held.slot, failure, self._clock())
        held.error = error
        if error.slug == NO_SITE and is_current:  # or anybody could push those out that are sites
            self._drop(audience)
        self._observe(failure.value, audience)

    def _held_off(self, held: _Held) -> ProxyError:
        left = held.slot.held_until - self._clock()
        error = held.error
        if isinstance(error, CredentialRefused | CredentialMisconfigured | NotAllowed):
            return error.anew(retry_after=left)
        return TokenUnavailable("The token service is not available.", retry_after=left)


def _account(audience: Audience) -> tuple[str, str]:
    """What is locked after five refusals: a user of a server, whatever the referer and the letter case. Sites that
    clients name are as good as one: a server may answer to many spellings, and each would be a wrong password more."""
    server = audience.server
    return audience.credential, str(server.origin if audience.is_guess else server).lower()

"""The cache of rules with `cache`: stored answers, and one fetch for all who ask for the same at the same time.

What HTTP allows is decided in `core.caching`; where answers stand is `shelf`, who waits for whom `flight`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from cachetools import TTLCache

from proxy import names
from proxy.core import caching, conditional
from proxy.core.caching import Use, Wish
from proxy.core.classify import is_error
from proxy.core.rewrite import resolve
from proxy.errors import (
    CredentialMisconfigured,
    CredentialRefused,
    NotAllowed,
    Overloaded,
    ProxyError,
    TokenUnavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from proxy.model import Configuration
from proxy.ports import Clock, WallClock
from proxy.state.draft import drafted, marked, served, updated
from proxy.state.flight import Flight, Landing, Room, Stream
from proxy.state.shelf import Key, Shelf, Stored
from proxy.traffic import Asked, Changes, Exchange, Fetched, Headers, Reply
from proxy.urls import Target

Fetch = Callable[[Exchange, Changes], Awaitable[Fetched]]

_LARGEST: Final = 16 * 1024 * 1024  # bytes of one answer
_SHARE: Final = 16  # of the memory, that one answer may take at most
_NOT_SHARED: Final = 60.0  # seconds in which those who ask for what is no one else's are not kept waiting
_MOST_NOT_SHARED: Final = 10_000
# What is asked for all who want the same. What is said of a body, which is not there, is left out: it is not part of
# the key, and whoever asks first would choose with it what the others get.
_UNCONDITIONAL: Final[Changes] = {
    **dict.fromkeys((*conditional.CONDITIONS, names.CONTENT_TYPE, names.SOAP_ACTION)),
    names.SURROGATE_CAPABILITY: caching.CAPABILITY,
}
HIT: Final = "; hit; ttl="  # of Cache-Status, before the seconds
_BEHIND, _INSTEAD = "; hit; ttl={}; detail=revalidating", "; hit; ttl={}; detail=error"
# What says that the server or its token service is not well, and not that we may no longer have the answer
_OUTAGES: Final = (UpstreamFailed, UpstreamTimeout, TokenUnavailable, Overloaded)
_DENIALS: Final = (NotAllowed, CredentialRefused, CredentialMisconfigured)


class Responses:
    """The cache of one process."""

    def __init__(self, clock: Clock, wall: WallClock, memory: int = 0) -> None:
        self._clock, self._wall = clock, wall
        self._shelf = Shelf(memory)
        self._scopes: frozenset[str] = frozenset()
        self._flights: dict[tuple[Key, str], Flight] = {}
        # By the hashes of their keys, which may be long: whoever is taken for another is only not kept waiting
        self._not_shared: TTLCache[int, bool] = TTLCache(_MOST_NOT_SHARED, _NOT_SHARED, clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._room, self._most = Room(0), 0

    def configure(self, configuration: Configuration) -> None:
        """After each load: the answers of rules that changed go."""
        self._scopes = frozenset(rule.cache.scope for rule in configuration.rules if rule.cache is not None)
        self._most = min(_LARGEST, configuration.cache_memory // _SHARE)
        self._room.most = configuration.cache_memory // 4
        self._shelf.retain(self._scopes, configuration.cache_memory)
        self._not_shared.clear()

    @property
    def bytes_used(self) -> int:
        return self._shelf.bytes_used

    async def close(self) -> None:
        """Ends what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hit(self, asked: Asked, exchange: Exchange) -> Reply | None:
        """A stored answer that is good as it is."""
        if asked.method not in names.SAFE_METHODS:
            return None
        found = self.at_once(asked.key, caching.wish(asked.headers), asked.upward)
        if found is None:
            return None
        stored, age = found
        return served(stored, asked, exchange, age, "hit", f"{HIT}{int(stored.life.fresh - age)}")

    def at_once(self, key: Key, wish: Wish, upward: Callable[[], Headers]) -> tuple[Stored, float] | None:
        """A stored answer that is good as it is, and its age in seconds."""
        for stored in self._shelf.get(key):
            if stored.suits(upward):
                age = self._clock() - stored.born_at
                return (stored, age) if caching.use(stored.life, age, wish) is Use.AT_ONCE else None
        return None

    async def answer(self, asked: Asked, exchange: Exchange, fetch: Fetch) -> Reply:
        """An answer to GET or HEAD of what only reads, after `hit` had none. Raises as `fetch`, and UpstreamTimeout
        (slug `only_if_cached`) where the client wants nothing else."""
        wish, stored = caching.wish(asked.headers), self._find(asked)
        if stored is not None:
            age = self._clock() - stored.born_at
            if caching.use(stored.life, age, wish) is Use.MEANWHILE:
                if self._flight(asked) is None:
                    self._start(asked, exchange.aside(), fetch, stored, Flight(is_behind=True))
                return served(stored, asked, exchange, age, "stale", _BEHIND.format(int(stored.life.fresh - age)))
        if wish.only_if_cached:
            raise UpstreamTimeout("There is no stored answer, and no other is wanted.", slug="only_if_cached")
        if asked.method == "HEAD" or hash(asked.key) in self._not_shared or _is_for_the_server(asked, wish):
            return await self._passed(asked, exchange, fetch)
        return await self._together(asked, exchange, fetch, stored)

    def written(
        self, asked: Asked | None, target: Target, exchange: Exchange, fetched: Fetched, *, edits: bool
    ) -> None:
        """After what is not for the cache: what it changed is forgotten (RFC 9111 §4.4); of an edit, all that the
        service said."""
        if asked is not None:
            marked(fetched.reply, exchange, "bypass", "; fwd=method")
        if fetched.reply.status >= 400:
            return
        if edits:
            self._shelf.drop_service(f"{target.origin}{target.path}")
        if asked is not None and asked.method not in names.SAFE_METHODS:
            self._shelf.drop(asked.key)
            for name in (names.LOCATION, names.CONTENT_LOCATION):
                other = resolve(fetched.told[name], target) if name in fetched.told else None
                if other is not None and other.origin == target.origin:
                    self._shelf.drop((*asked.key[:2], f"{other.origin}{other.path}", other.query))

    def _find(self, asked: Asked) -> Stored | None:
        return next((each for each in self._shelf.get(asked.key) if each.suits(asked.upward)), None)

    def _flight(self, asked: Asked) -> Flight | None:
        flight = self._flights.get(_route(asked))
        if flight is None or not flight.takes_more:
            return None
        return flight if flight.draft is None or flight.draft.suits(asked.upward) else None

    async def _passed(self, asked: Asked, exchange: Exchange, fetch: Fetch) -> Reply:
        """As if there were no cache; but what is stored must not outlive what is seen here."""
        try:
            fetched = await fetch(exchange, {})
        except _DENIALS:
            self._shelf.drop(asked.key)
            raise
        stored = self._find(asked) if asked.method == "HEAD" and fetched.reply.status == 200 else None
        if stored is not None and not caching.confirms(stored.headers, fetched.told):
            self._shelf.drop(asked.key)  # RFC 9111 §4.3.5
        return marked(fetched.reply, exchange, "bypass", f"; fwd={'method' if asked.method == 'HEAD' else 'bypass'}")

    async def _together(self, asked: Asked, exchange: Exchange, fetch: Fetch, stored: Stored | None) -> Reply:
        """With all who ask for the same now."""
        flight = self._flight(asked)
        leads = flight is None
        if flight is None:
            flight = Flight()
            self._start(asked, exchange, fetch, stored, flight)
        landing = await flight.join(leads=leads)
        if landing.alone is not None:
            why = "uri-miss" if stored is None else "stale"
            return marked(landing.alone.reply, exchange, "miss", f"; fwd={why}")
        if landing.stored is None:
            return await self._passed(asked, exchange, fetch)
        if not leads and not landing.stored.suits(asked.upward):
            if landing.reader is not None:
                flight.leave(landing.reader)
            return await self._together(asked, exchange, fetch, self._find(asked))
        return self._landed(asked, exchange, flight, landing, landing.stored, was_stored=stored is not None)

    def _landed(
        self, asked: Asked, exchange: Exchange, flight: Flight, landing: Landing, stored: Stored, *, was_stored: bool
    ) -> Reply:
        age = self._clock() - stored.born_at
        words = {
            "miss": f"; fwd={'stale' if was_stored else 'uri-miss'}; stored",
            "collapsed": f"; fwd={'stale' if was_stored else 'uri-miss'}; collapsed",
            "revalidated": "; fwd=stale; fwd-status=304",
            "stale": _INSTEAD.format(int(stored.life.fresh - age)),
        }[landing.result]
        reader = landing.reader
        if reader is None:
            return served(stored, asked, exchange, age, landing.result, words)
        reply = served(stored, asked, exchange, age, landing.result, words, is_whole=False)
        if reply.status == 304:
            flight.is_behind = True  # the next one may not have it yet
            flight.leave(reader)
            return reply
        return Reply(reply.status, reply.headers, reader, lambda: flight.leave(reader))

    def _start(self, asked: Asked, exchange: Exchange, fetch: Fetch, stored: Stored | None, flight: Flight) -> None:
        self._flights[_route(asked)] = flight
        flying = self._fly(asked, exchange, fetch, stored, flight)
        flight.task = asyncio.create_task(flying, name=f"fetch for the cache: {asked.key[2]}")
        self._tasks.add(flight.task)
        flight.task.add_done_callback(self._tasks.discard)

    async def _fly(self, asked: Asked, exchange: Exchange, fetch: Fetch, stored: Stored | None, flight: Flight) -> None:
        """From the request to the last byte. The client that began it may be gone by then."""
        wish, began = caching.wish(asked.headers), self._clock()
        instead = stored is not None and caching.may_stand_in(stored.life, began - stored.born_at, wish)
        try:
            fetched = await self._asked_again(exchange, fetch, stored)
            if stored is not None and instead and caching.is_failure(fetched.reply.status):
                fetched.reply.close()
                flight.land(Landing(stored, result="stale"))
            elif stored is not None and fetched.reply.status == 304:
                fetched.reply.close()
                fresh = self._drafted(asked, exchange, updated(stored, fetched), began, stored.body)
                flight.land(Landing(self._put(asked.key, fresh, fresh.body), result="revalidated"))
            else:
                await self._take_in(asked, exchange, fetched, began, flight)
        except ProxyError as error:
            if isinstance(error, _DENIALS):
                self._shelf.drop(asked.key)
            if instead and isinstance(error, _OUTAGES):
                flight.land(Landing(stored, result="stale"))
            flight.fail(error)
        finally:
            self._over(asked, flight)
            flight.fail(UpstreamFailed("The fetch was ended.", slug="cut"))

    async def _asked_again(self, exchange: Exchange, fetch: Fetch, stored: Stored | None) -> Fetched:
        """The answer, or word that the stored one still holds."""
        if stored is None:
            return await fetch(exchange, _UNCONDITIONAL)
        fetched = await fetch(exchange, {**_UNCONDITIONAL, **caching.validators(stored.headers)})
        if fetched.reply.status != 304 or caching.confirms(stored.headers, fetched.told):
            return fetched
        fetched.reply.close()  # it speaks of another
        return await fetch(exchange, _UNCONDITIONAL)

    async def _take_in(self, asked: Asked, exchange: Exchange, fetched: Fetched, began: float, flight: Flight) -> None:
        """A new answer: for all and for the shelf, or for who led alone."""
        reply = fetched.reply
        length = fetched.told.get(names.CONTENT_LENGTH, "0")
        is_small = not length.isdecimal() or int(length) <= self._most
        if not (is_small and caching.is_storable(reply.status, fetched.told, asked.headers, asked.policy)):
            if reply.status == 200:
                self._not_shared[hash(asked.key)] = True
            self._over(asked, flight)
            flight.land(Landing(alone=fetched))
            return
        draft = self._drafted(asked, exchange, fetched, began)
        try:
            if isinstance(reply.body, bytes):
                flight.land(Landing(self._put(asked.key, draft, reply.body)))
                return
            stream = Stream(self._room, self._most)
            flight.land(Landing(draft), stream)
            whole = await stream.pump(reply.body)
            if whole is not None:
                self._put(asked.key, draft, whole)
        finally:
            reply.close()

    def _drafted(self, asked: Asked, exchange: Exchange, fetched: Fetched, began: float, body: bytes = b"") -> Stored:
        now, wall = self._clock(), self._wall()
        return drafted(asked, fetched, body, exchange.operation, now=now, delay=now - began, wall=wall)

    def _put(self, key: Key, draft: Stored, body: bytes) -> Stored:
        """Whole now, and stored unless its rule has gone meanwhile."""
        headers = {**draft.headers, names.CONTENT_LENGTH: str(len(body))}
        stored = replace(draft, headers=headers, body=body)
        if key[0] in self._scopes and not is_error(headers, body):
            self._shelf.put(key, stored)
        return stored

    def _over(self, asked: Asked, flight: Flight) -> None:
        """Who comes now does not join it any more."""
        if self._flights.get(_route(asked)) is flight:
            del self._flights[_route(asked)]


def _route(asked: Asked) -> tuple[Key, str]:
    """Who fly together: most answers differ by their coding, if by anything."""
    return asked.key, asked.upward().get(names.ACCEPT_ENCODING, "")


def _is_for_the_server(asked: Asked, wish: Wish) -> bool:
    return wish.no_store or names.RANGE in asked.headers or not conditional.PRECONDITIONS.isdisjoint(asked.headers)

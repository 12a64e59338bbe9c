"""The keys of one login service: fetched once for everybody, kept for as long as it says, fetched anew when a token
names a key that is not there. Judges no token."""

import asyncio
import re
from collections.abc import Callable
from typing import Final

from proxy import names
from proxy.errors import ProxyError, TokenUnavailable
from proxy.identity import Route
from proxy.ports import Clock, Fetcher
from proxy.traffic import Headers
from proxy.urls import Target
from proxy.users.keys import Key, fitting, parse_keys

_SHORTEST, _LONGEST = 300.0, 86400.0  # seconds that keys are kept, whatever the service says
_USUAL: Final = 3600.0  # seconds, where it says nothing
_PAUSE: Final = 30.0  # seconds between two fetches: anyone can name a key that is not there
_PAUSE_WITHOUT: Final = 5.0  # seconds after a failure, as long as there are no keys at all
_TIMEOUT: Final = 5.0  # seconds
_MOST_BYTES: Final = 256 * 1024
_MAX_AGE: Final = re.compile(r"""(?:^|,)\s*max-age\s*=\s*"?([0-9]{1,10})"?\s*(?:,|$)""", re.IGNORECASE)
_NO_LIFE: Final = re.compile(r"(?:^|,)\s*no-(?:cache|store)\s*(?:[=,]|$)", re.IGNORECASE)
_AGE: Final = re.compile(r"[0-9]{1,10}")

# Told of each change of state: "available" or "unavailable", the address of the keys, and why.
Observe = Callable[[str, str, str], None]


class Keyring:
    """The keys at one URL. `tasks` keeps the fetches in flight: they outlive the requests that wait for them."""

    def __init__(
        self,
        fetcher: Fetcher,
        url: Target,
        route: Route,
        clock: Clock,
        observe: Observe,
        tasks: set[asyncio.Task[None]],
    ) -> None:
        self._fetcher, self._url, self._route, self._clock = fetcher, url, route, clock
        self._observe, self._tasks = observe, tasks
        self._keys: tuple[Key, ...] | None = None
        self._stale_at = self._next_at = clock()
        self._is_down: bool | None = None  # None: nobody has asked yet
        self._flight: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> tuple[Key, ...]:
        """The keys that fit; none if the service has no such key. Raises TokenUnavailable where it was never reached.

        While the service is down its last keys serve on, and only the first request waits to learn of it.
        """
        if self._keys is None or self._clock() >= self._stale_at:
            flight = self._fetch()
            if self._keys is None or not self._is_down:
                await _landed(flight)
        if self._keys is None:
            wait = max(1.0, self._next_at - self._clock())
            raise TokenUnavailable(
                "Logins cannot be checked now: the login service does not answer.",
                slug="keys_unavailable",
                retry_after=wait,
            )
        found = fitting(self._keys, kid, algorithm)
        if not found:
            await _landed(self._fetch())
            found = fitting(self._keys, kid, algorithm)
        return found

    def _fetch(self) -> asyncio.Task[None] | None:
        """The fetch in flight, or a new one; None where the last one is too short a time ago."""
        if self._flight is None and self._clock() >= self._next_at:
            self._next_at = self._clock() + _PAUSE
            self._flight = asyncio.create_task(self._ask(), name=f"keys of {self._url.origin}")
            self._tasks.add(self._flight)
            self._flight.add_done_callback(self._land)
        return self._flight

    def _land(self, flight: asyncio.Task[None]) -> None:
        self._tasks.discard(flight)
        self._flight = None

    async def _ask(self) -> None:
        try:
            keys, seconds = await fetch_keys(self._fetcher, self._url, self._route)
        except (ProxyError, ValueError) as error:
            if self._keys is None:
                self._next_at = self._clock() + _PAUSE_WITHOUT
            self._say(is_down=True, why=str(error))
            return
        self._keys = keys
        self._stale_at = self._clock() + seconds
        self._say(is_down=False, why=f"{len(keys)} keys")

    def _say(self, *, is_down: bool, why: str) -> None:
        if is_down is not self._is_down:
            self._is_down = is_down
            self._observe("unavailable" if is_down else "available", self._url.url, why)


async def fetch_keys(fetcher: Fetcher, url: Target, route: Route) -> tuple[tuple[Key, ...], float]:
    """The keys at a URL, and for how many seconds they are good. Raises ProxyError, or ValueError with a sentence."""
    # An answer of any other kind is a failure: redirects are not followed, keys come from the URL configured
    answer = await fetcher.fetch(
        "GET",
        url,
        route=route,
        timeout=_TIMEOUT,
        headers={names.ACCEPT: f"application/jwk-set+json, {names.JSON_TYPE}"},
        limit=_MOST_BYTES,
    )
    if answer.status != 200:
        raise ValueError(f"the answer has the status {answer.status}")
    return parse_keys(answer.body), life(answer.headers)


def life(headers: Headers) -> float:
    """Seconds to keep an answer: what is left of its max-age (RFC 9111 §4.2), within five minutes and a day."""
    said = headers.get(names.CACHE_CONTROL, "")
    match = _MAX_AGE.search(said)
    if _NO_LIFE.search(said):
        return _SHORTEST
    if match is None:
        return _USUAL
    age = headers.get(names.AGE, "")
    spent = int(age) if _AGE.fullmatch(age) else 0
    return min(_LONGEST, max(_SHORTEST, float(int(match[1]) - spent)))


async def _landed(flight: asyncio.Task[None] | None) -> None:
    if flight is not None:
        # shielded: one client that leaves must not take the keys from all who wait with it
        await asyncio.shield(flight)

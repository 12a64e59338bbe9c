"""Rate limits: at most N requests per period, rule and client (what is counted is never called a token here).

Says yes or no and nothing else; who the client is was decided before.
"""

import math
import time
from array import array
from bisect import bisect_right
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import Final

from limits import RateLimitItemPerSecond
from limits.storage import MovingWindowSupport, Storage
from limits.strategies import MovingWindowRateLimiter

from proxy.errors import RateLimited
from proxy.model import Rate, Rule
from proxy.ports import Allowance, Clock
from proxy.state.shared import Shared

_MOST: Final = 64 * 1024 * 1024  # bytes
_OF_A_WINDOW, _OF_A_REQUEST = 400, 9  # bytes that they take, keys and spare room included
_MOST_RATES: Final = 1_000  # years of reloads do not add up


class MemoryAllowance:
    """Implements `ports.Allowance`, counting in this process. A moving window: exactly `requests` pass in any period,
    with no burst at its edges.

    The counts are keyed by rule and rate, so a reload that leaves the rate alone keeps them.
    """

    def __init__(self, clock: Clock = time.monotonic, most: int = _MOST) -> None:
        """`most` bounds the memory, in bytes: beyond it the client that passed longest ago is forgotten."""
        self._clock = clock
        self._limiter = MovingWindowRateLimiter(_Memory(clock, most))
        self._items: dict[Rate, RateLimitItemPerSecond] = {}

    async def take(self, rule: Rule, client: str) -> None:
        """See `ports.Allowance.take`."""
        rate = rule.rate
        if rate is None:
            return
        item, key = self._item(rate), (rule.name, client_key(client))
        if self._limiter.hit(item, *key):
            return
        reset_at = self._limiter.get_window_stats(item, *key).reset_time
        raise _over(rate, reset_at - self._clock())

    def _item(self, rate: Rate) -> RateLimitItemPerSecond:
        item = self._items.get(rate)
        if item is None:
            if len(self._items) >= _MOST_RATES:
                self._items.clear()
            item = self._items[rate] = RateLimitItemPerSecond(rate.requests, max(1, round(rate.period)))
        return item


class SharedAllowance:
    """Implements `ports.Allowance`, counting in Redis for all replicas, and here as well: what is counted here is the
    limit while Redis is away, and holds where it has forgotten everything."""

    def __init__(self, shared: Shared, here: Allowance) -> None:
        self._shared, self._here = shared, here

    async def take(self, rule: Rule, client: str) -> None:
        """See `ports.Allowance.take`."""
        rate = rule.rate
        if rate is None:
            return
        wait = await self._shared.hit(rate, (rule.name, f"{rate.requests}/{rate.period}", client_key(client)))
        if wait:
            raise _over(rate, wait)
        await self._here.take(rule, client)


class _Memory(Storage, MovingWindowSupport):
    """Where `limits` keeps its windows. Its own memory storage goes by the wall clock, which may be set back, starts
    a thread at every turn, and has no bound; this one goes by a monotonic clock and forgets the stalest first."""

    STORAGE_SCHEME = None  # reached from here alone, by no URL

    def __init__(self, clock: Clock, most: int) -> None:
        super().__init__()
        self._clock, self._most = clock, most
        self._windows: OrderedDict[str, array[float]] = OrderedDict()  # who passed last stands last
        self._taken = 0  # bytes

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Whether `amount` more fit into the window that ends now; if so they are in it."""
        now = self._clock()
        window, gone = self._window(key, now - expiry)
        if len(window) - gone + amount > limit:
            return False
        if gone > len(window) // 2:  # not at every turn: what is left has to move
            del window[:gone]
            self._taken -= gone * _OF_A_REQUEST
        if key not in self._windows:
            self._taken += _OF_A_WINDOW
        window.extend([now] * amount)
        self._taken += amount * _OF_A_REQUEST
        self._windows[key] = window
        self._windows.move_to_end(key)
        while self._taken > self._most and len(self._windows) > 1:
            self.clear(next(iter(self._windows)))
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest request of the window came, and how many there are."""
        now = self._clock()
        window, gone = self._window(key, now - expiry)
        return (window[gone] if gone < len(window) else now), len(window) - gone

    def _window(self, key: str, since: float) -> tuple["array[float]", int]:
        """The times of a client's requests, and how many of them are past."""
        window = self._windows.get(key)
        return (array("d"), 0) if window is None else (window, bisect_right(window, since))

    @property
    def base_exceptions(self) -> type[Exception]:
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Plain counting, in the same window."""
        self.acquire_entry(key, self._most, expiry, amount)
        return self.get(key)

    def get(self, key: str) -> int:
        return len(self._windows.get(key, ()))

    def get_expiry(self, key: str) -> float:
        window = self._windows.get(key)
        return window[-1] if window else self._clock()

    def check(self) -> bool:
        return True

    def clear(self, key: str) -> None:
        window = self._windows.pop(key, None)
        if window is not None:
            self._taken -= _OF_A_WINDOW + len(window) * _OF_A_REQUEST

    def reset(self) -> int:
        forgotten = len(self._windows)
        self._windows.clear()
        self._taken = 0
        return forgotten


def _over(rate: Rate, wait: float) -> RateLimited:
    return RateLimited(
        "Too many requests; the proxy's limit for this service is reached.",
        f"The limit is {rate.requests} requests in {max(1, round(rate.period))} seconds.",
        retry_after=max(1, math.ceil(wait)),
    )


def client_key(address: str) -> str:
    """One household is one client: IPv6 addresses count by their /64, IPv4 ones in IPv6 dress as what they are."""
    if ":" not in address:
        return address
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> 64:x}/64"

"""Rate limits: at most N requests per period, rule and client (what is counted is never called a token here).

Says yes or no and nothing else; who the client is was decided before.
"""

import math
import time
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from cachetools import LRUCache

from proxy.core.addresses import household
from proxy.errors import RateLimited
from proxy.model import Rate, Rule
from proxy.ports import Clock
from proxy.state.shared import Shared

_MOST: Final = 64 * 1024 * 1024  # bytes
_WATCHED: Final = 1000  # clients, for the status page
_OF_A_WINDOW, _OF_A_REQUEST = 400, 9  # bytes that they take, keys and spare room included
_LOOKS_AFTER: Final = 32  # requests, for what of a window has gone
_MOST_KEYS: Final = 4096


class MemoryAllowance:
    """Implements `ports.Allowance`, counting in this process. A moving window: exactly `requests` pass in any period,
    with no burst at its edges.

    The counts are keyed by rule and rate, so a reload that leaves the rate alone keeps them.
    """

    def __init__(self, clock: Clock = time.monotonic, most: int = _MOST) -> None:
        """`most` bounds the memory, in bytes: beyond it the client that passed longest ago is forgotten."""
        self.windows = Windows(clock, most)
        self._keys: dict[tuple[str, str], tuple[Rate, str, int]] = {}  # with the rate that they are of, and its period

    def passes(self, rule: Rule, client: str) -> bool:
        """See `ports.Allowance.passes`."""
        if rule.rate is None:
            return True
        known = self._keys.get((rule.name, client))
        if known is None or known[0] is not rule.rate:
            known = self._named(rule.name, rule.rate, client)
        rate, key, period = known
        if not self.windows.take_one(key, rate.requests, period):
            raise over(rate, self.windows.wait(key, period))
        return True

    def _named(self, rule: str, rate: Rate, client: str) -> tuple[Rate, str, int]:
        if len(self._keys) >= _MOST_KEYS:
            self._keys.clear()
        known = self._keys[rule, client] = rate, window_key(rule, rate, household(client)), period_of(rate)
        return known

    async def take(self, rule: Rule, client: str) -> None:
        """See `ports.Allowance.take`."""
        self.passes(rule, client)


class SharedAllowance:
    """Implements `ports.Allowance`, counting in Redis for all replicas, and here as well: what is counted here is the
    limit while Redis is away, and holds where it has forgotten everything."""

    def __init__(self, shared: Shared, here: MemoryAllowance) -> None:
        self._shared, self._here = shared, here

    def passes(self, rule: Rule, client: str) -> bool:
        """See `ports.Allowance.passes`."""
        return self._shared.is_here_alone and self._here.passes(rule, client)

    async def take(self, rule: Rule, client: str) -> None:
        """See `ports.Allowance.take`."""
        rate = rule.rate
        if rate is None:
            return
        wait = await self._shared.hit(rate, (rule.name, f"{rate.requests}/{rate.period}", household(client)))
        if wait:
            self._here.windows.refused(window_key(rule.name, rate, household(client)), wait)
            raise over(rate, wait)
        await self._here.take(rule, client)


class Windows:
    """Who passed when, by a monotonic clock; bounded, the stalest goes first. `most` is the limit, in `period`
    seconds; `held` how many of them are spoken for but have not passed yet."""

    def __init__(self, clock: Clock, most: int = _MOST) -> None:
        self._clock, self._most = clock, most
        self._times: OrderedDict[str, array[float]] = OrderedDict()  # who passed last stands last
        self._near: LRUCache[str, float] = LRUCache(_WATCHED)  # until when they are refused; 0: they were not
        self.taken = 0  # bytes

    def take_one(self, key: str, most: int, period: int) -> bool:
        """Whether one more fits into the window that ends now; if so it is in it."""
        times = self._times.get(key)
        used = 0 if times is None else len(times)
        # Far from the limit, the old ones included: no need to look for those, but now and then to let them go
        if times is None or not used % _LOOKS_AFTER or is_near(used + 1, most):
            return self.take(key, most, period, wanted=1, held=0) == 1
        now, last = self._clock(), times[-1]
        times.append(max(last, now))
        self.taken += _OF_A_REQUEST
        self._times.move_to_end(key)
        if self.taken > self._most:
            self._make_room()
        return True

    def take(self, key: str, most: int, period: int, *, wanted: int, held: int) -> int:
        """How many of the `wanted` fit into the window that ends now; so many are in it."""
        room = self.room(key, most, period) - held
        passed = min(wanted, room)
        if passed < wanted:
            self.refused(key, self.wait(key, period))
        elif is_near(most - room + wanted, most):
            self._near.setdefault(key, 0.0)
        if passed <= 0:
            return 0
        self.add(key, (self._clock(),) * passed)
        return passed

    def room(self, key: str, most: int, period: int) -> int:
        """How many more the window that ends now has room for."""
        times = self._times.get(key)
        if times is None:
            return most
        gone = bisect_right(times, self._clock() - period)
        if gone > len(times) // 2:  # not at every turn: what is left has to move
            del times[:gone]
            self.taken -= gone * _OF_A_REQUEST
            gone = 0
        return most - (len(times) - gone)

    def add(self, key: str, passed: Sequence[float]) -> None:
        """Requests that passed at those times, in their order."""
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = array("d")
            self.taken += _OF_A_WINDOW
        if not times or times[-1] <= passed[0]:
            times.extend(passed)
        else:
            later = bisect_right(times, passed[0])
            times[later:] = array("d", sorted((*times[later:], *passed)))
        self.taken += len(passed) * _OF_A_REQUEST
        self._times.move_to_end(key)
        self._make_room()

    def wait(self, key: str, period: int) -> float:
        """Seconds until the oldest request of the window that ends now is out of it."""
        now = self._clock()
        times = self._times.get(key, ())
        gone = bisect_right(times, now - period)
        return (times[gone] if gone < len(times) else now) + period - now

    def _make_room(self) -> None:
        while self.taken > self._most and len(self._times) > 1:
            _, times = self._times.popitem(last=False)
            self.taken -= _OF_A_WINDOW + len(times) * _OF_A_REQUEST

    def refused(self, key: str, wait: float) -> None:
        """Somebody was, and will be for so many seconds."""
        self._near[key] = self._clock() + wait

    def used(self, key: str, period: int) -> int:
        """How many are in the window that ends now."""
        times = self._times.get(key, ())
        return len(times) - bisect_right(times, self._clock() - period)

    def watched(self) -> Iterator[tuple[str, float]]:
        """Who came near the edge, and who passed last; and for how many seconds they are refused, if they are."""
        now = self._clock()
        for key in dict.fromkeys((*self._near, *islice(reversed(self._times), _WATCHED))):
            yield key, max(0.0, self._near.get(key, 0.0) - now)

    def __len__(self) -> int:
        """Requests that are remembered."""
        return sum(map(len, self._times.values()))


def is_near(used: int, most: int) -> bool:
    """Whether so many of `most` are worth a warning: four fifths."""
    return used * 5 >= most * 4


def window_key(rule: str, rate: Rate, client: str) -> str:
    """What is counted together."""
    return f"{rule} {client} {rate.requests}/{period_of(rate)}"


def period_of(rate: Rate) -> int:
    """In whole seconds."""
    return max(1, round(rate.period))


def over(rate: Rate, wait: float) -> RateLimited:
    """The refusal; `wait` in seconds."""
    return RateLimited(
        "Too many requests; the proxy's limit for this service is reached.",
        f"The limit is {rate.requests} requests in {period_of(rate)} seconds.",
        retry_after=max(1, math.ceil(wait)),
    )

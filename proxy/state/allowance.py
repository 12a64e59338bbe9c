"""Rate limits: at most N requests per period, rule and client (what is counted is never called a token here).

Says yes or no and nothing else; who the client is was decided before.
"""

import math
import time
from array import array
from bisect import bisect_right
from collections import OrderedDict
from typing import Final

from proxy.core.addresses import household
from proxy.errors import RateLimited
from proxy.model import Rate, Rule
from proxy.ports import Allowance, Clock
from proxy.state.shared import Shared

_MOST: Final = 64 * 1024 * 1024  # bytes
_OF_A_WINDOW, _OF_A_REQUEST = 400, 9  # bytes that they take, keys and spare room included


class MemoryAllowance:
    """Implements `ports.Allowance`, counting in this process. A moving window: exactly `requests` pass in any period,
    with no burst at its edges.

    The counts are keyed by rule and rate, so a reload that leaves the rate alone keeps them.
    """

    def __init__(self, clock: Clock = time.monotonic, most: int = _MOST) -> None:
        """`most` bounds the memory, in bytes: beyond it the client that passed longest ago is forgotten."""
        self._clock, self._windows = clock, _Windows(clock, most)

    async def take(self, rule: Rule, client: str) -> None:
        """See `ports.Allowance.take`."""
        rate = rule.rate
        if rate is None:
            return
        period = max(1, round(rate.period))
        key = f"{rule.name} {household(client)} {rate.requests}/{period}"
        if self._windows.take(key, rate.requests, period):
            return
        raise _over(rate, self._windows.began(key, period) + period - self._clock())


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
        wait = await self._shared.hit(rate, (rule.name, f"{rate.requests}/{rate.period}", household(client)))
        if wait:
            raise _over(rate, wait)
        await self._here.take(rule, client)


class _Windows:
    """Who passed when, by a monotonic clock; bounded, the stalest goes first."""

    def __init__(self, clock: Clock, most: int) -> None:
        self._clock, self._most = clock, most
        self._times: OrderedDict[str, array[float]] = OrderedDict()  # who passed last stands last
        self.taken = 0  # bytes

    def take(self, key: str, most: int, period: int) -> bool:
        """Whether one more fits into the window that ends now; if so it is in it."""
        now = self._clock()
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = array("d")
            self.taken += _OF_A_WINDOW
        gone = bisect_right(times, now - period)
        if len(times) - gone >= most:
            return False
        if gone > len(times) // 2:  # not at every turn: what is left has to move
            del times[:gone]
            self.taken -= gone * _OF_A_REQUEST
        times.append(now)
        self.taken += _OF_A_REQUEST
        self._times.move_to_end(key)
        while self.taken > self._most and len(self._times) > 1:
            self._forget(next(iter(self._times)))
        return True

    def began(self, key: str, period: int) -> float:
        """When the oldest request of the window came."""
        now = self._clock()
        times = self._times.get(key, ())
        gone = bisect_right(times, now - period)
        return times[gone] if gone < len(times) else now

    def _forget(self, key: str) -> None:
        self.taken -= _OF_A_WINDOW + len(self._times.pop(key)) * _OF_A_REQUEST

    def __len__(self) -> int:
        """Requests that are remembered."""
        return sum(map(len, self._times.values()))


def _over(rate: Rate, wait: float) -> RateLimited:
    return RateLimited(
        "Too many requests; the proxy's limit for this service is reached.",
        f"The limit is {rate.requests} requests in {max(1, round(rate.period))} seconds.",
        retry_after=max(1, math.ceil(wait)),
    )

"""The supervisor's end of the rate limits that all workers share: it counts, and lends passes to the workers.

The limit is exact at both ends. What is lent counts as passed until its worker has said when its requests passed, so
that no moving window ever holds more than the limit; and before a request is refused, what others hold is called back,
so that none is refused while the limit has room. What a worker leaves unsaid, because it died or hangs, counts as
passed at the last moment at which it could.
"""

import asyncio
from array import array
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from proxy.errors import RateLimited
from proxy.model import Rate, Rule
from proxy.ports import Allowance, Clock
from proxy.state.allowance import Windows, period_of, window_key
from proxy.workers.channel import Answerer, Gone

_LIFE: Final = 1.0  # seconds
_FIRST, _MOST = 8, 128  # requests of one lease
_SHARE: Final = 4  # of what is left: that much goes to no worker but in turns
_PATIENCE: Final = 0.25  # seconds that a worker has to answer a recall

Ask = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class _Lease:
    number: int
    left: int
    until: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who is counted, and how many may pass."""

    rule: str
    client: str
    rate: Rate

    @property
    def key(self) -> str:
        return window_key(self.rule, self.rate, self.client)


class Lender:
    """Counts for all workers. `elsewhere` finds a rule whose requests are counted in a store of several machines: of
    those nothing is lent."""

    def __init__(
        self, windows: Windows, clock: Clock, allowance: Allowance, elsewhere: Callable[[str], Rule | None]
    ) -> None:
        self.windows, self.clock = windows, clock
        self.allowance, self.elsewhere = allowance, elsewhere
        self.lent: dict[str, dict[LenderToWorker, _Lease]] = {}
        self.workers = 0
        self._numbers = 0

    def held(self, key: str) -> int:
        """Requests that may pass by leases of now."""
        return sum(lease.left for lease in self.lent.get(key, {}).values())

    def lend(self, key: str, to: "LenderToWorker", count: int) -> _Lease:
        """A new lease; the one before has ended."""
        self._numbers += 1
        lease = _Lease(self._numbers, count, self.clock() + _LIFE)
        if count:
            self.lent.setdefault(key, {})[to] = lease
        return lease

    def end(self, key: str, worker: "LenderToWorker", number: int | None, used: str | None) -> None:
        """A lease is over; `used` is when requests passed by it (`leases`), None where nobody can say. Safe to call
        twice: an old one's number is not the new one's."""
        of = self.lent.get(key, {})
        lease = of.get(worker)
        if lease is None or number not in (None, lease.number):
            return
        del of[worker]
        if not of:
            del self.lent[key]
        passed = array("d", [lease.until] * lease.left if used is None else b64decode(used))
        if passed:
            self.windows.add(key, passed)

    async def call_back(self, asked: _Asked, asking: "LenderToWorker") -> None:
        """From all workers but the one that asks."""
        holders = [(worker, lease) for worker, lease in self.lent.get(asked.key, {}).items() if worker is not asking]
        await asyncio.gather(*(worker.recall(asked, lease.number) for worker, lease in holders))


class LenderToWorker:
    """The line to one worker. `ask` asks it."""

    def __init__(self, lender: Lender, ask: Ask) -> None:
        self._lender, self._ask = lender, ask
        lender.workers += 1

    @property
    def answers(self) -> dict[str, Answerer]:
        """What the worker may ask and tell."""
        return {"allowance": self._allowance, "returned": self._returned}

    def end(self) -> None:
        """The worker is gone."""
        self._lender.workers -= 1
        for key, of in list(self._lender.lent.items()):
            if self in of:
                self._lender.end(key, self, None, None)

    async def recall(self, asked: _Asked, number: int) -> None:
        """Ends a lease at once."""
        used: str | None = None
        try:
            async with asyncio.timeout(_PATIENCE):
                used = await self._ask("recall", rule=asked.rule, client=asked.client, number=number)
        except (Gone, TimeoutError):
            pass
        self._lender.end(asked.key, self, number, used)

    async def _allowance(
        self, rule: str, requests: int, period: float, client: str, number: int, used: str, wanted: int
    ) -> dict[str, object]:
        """How many of the `wanted` pass now, and how many more may soon."""
        lender, asked = self._lender, _Asked(rule, client, Rate(requests, period))
        key, seconds = asked.key, period_of(asked.rate)
        lender.end(key, self, number, used)
        if (counted := lender.elsewhere(rule)) is not None:
            return await self._one_by_one(counted, client, wanted)
        while (held := lender.held(key)) and lender.windows.room(key, requests, seconds) - held < wanted:
            await lender.call_back(asked, self)
        passed = lender.windows.take(key, requests, seconds, wanted=wanted, held=lender.held(key))
        room = lender.windows.room(key, requests, seconds) - lender.held(key)
        # Twice as many as were used of the last one: each is eleven characters
        spare = min(_MOST, _FIRST + len(used) // 6, max(0, room) // (_SHARE * lender.workers))
        lease = lender.lend(key, self, spare)
        wait = lender.windows.wait(key, seconds) if passed < wanted else 0.0
        return _said(lease, passed, wait, is_certain=not lender.held(key))

    async def _one_by_one(self, rule: Rule, client: str, wanted: int) -> dict[str, object]:
        takes = (self._lender.allowance.take(rule, client) for _ in range(wanted))
        done = await asyncio.gather(*takes, return_exceptions=True)
        wait = 0.0
        for error in done:
            if isinstance(error, RateLimited):
                wait = max(wait, error.retry_after or 0.0)
            elif error is not None:
                raise error
        return _said(_Lease(0, 0, 0.0), done.count(None), wait, is_certain=False)

    async def _returned(self, rule: str, requests: int, period: float, client: str, number: int, used: str) -> None:
        self._lender.end(window_key(rule, Rate(requests, period), client), self, number, used)


def _said(lease: _Lease, passed: int, wait: float, *, is_certain: bool) -> dict[str, object]:
    return {
        "passed": passed,
        "wait": wait,
        "isCertain": is_certain,
        "number": lease.number,
        "spare": lease.left,
        "until": lease.until,
    }

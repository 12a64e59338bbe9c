"""A worker's end of the rate limits that all workers share: passes borrowed from the supervisor a few at a time, so
that most requests ask nobody. `lender` is the other end, and says why the limit is exact all the same.
"""

import asyncio
from array import array
from base64 import b64encode
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.core.addresses import household
from proxy.errors import Overloaded, ProxyError
from proxy.model import Rate, Rule
from proxy.ports import Clock
from proxy.state.allowance import over
from proxy.workers.channel import Channel, Gone

_SWEEP: Final = 0.5  # seconds between two looks for what has ended
_MOST_REFUSED: Final = 10_000  # clients over their limit that are remembered to be


@dataclass(slots=True, eq=False)
class _Account:
    """What is known here of one client of one rule."""

    rule: str
    rate: Rate
    client: str
    number: int = 0  # of the lease
    left: int = 0  # requests that may still pass by it
    until: float = 0.0  # its end
    used: "array[float]" = field(default_factory=lambda: array("d"))  # when requests passed by it
    refused_until: float = 0.0
    waiting: deque["asyncio.Future[None]"] = field(default_factory=deque)
    asking: asyncio.Task[None] | None = None


class LeasedAllowance:
    """Implements `ports.Allowance`."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel, self._clock = channel, clock
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def passes(self, rule: Rule, client: str) -> bool:
        """See `ports.Allowance.passes`."""
        account = self._accounts.get((rule.name, household(client)))
        if account is None or account.rate is not rule.rate:
            return False
        if account.asking is None and self._passes_by(account):
            return True
        now = self._clock()
        if now < account.refused_until:
            raise over(account.rate, account.refused_until - now)
        return False

    async def take(self, rule: Rule, client: str) -> None:
        """See `ports.Allowance.take`."""
        if rule.rate is None or self.passes(rule, client):
            return
        account = self._account(rule, rule.rate, household(client))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        account.waiting.append(turn)
        if account.asking is None:
            account.asking = asyncio.create_task(self._ask(account), name=f"allowance of {account.rule}")
        await turn

    async def recall(self, rule: str, client: str, number: int) -> str:
        """The supervisor needs a lease back: when requests passed by it."""
        account = self._accounts.get((rule, client))
        return _ended(account) if account is not None and account.number == number else ""

    def forget(self) -> None:
        """After a reload: everything is asked for anew."""
        for account in self._accounts.values():
            self._give_back(account)
        self._accounts.clear()

    def _account(self, rule: Rule, rate: Rate, client: str) -> _Account:
        key = rule.name, client
        account = self._accounts.get(key)
        if account is None or account.rate is not rate:
            if account is not None:
                self._give_back(account)
            account = self._accounts[key] = _Account(rule.name, rate, client)
            if self._sweeping is None:
                self._sweeping = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)
        return account

    async def _ask(self, account: _Account) -> None:
        """For all who wait, until nobody does."""
        while waiting := [turn for turn in account.waiting if not turn.done()]:
            try:
                said = await self._channel.ask(
                    "allowance", **_named(account), wanted=len(waiting), used=_ended(account)
                )
                self._heard(account, said, waiting)
            except Gone:
                _refuse(waiting, Overloaded("The proxy is stopping.", retry_after=1))
            except ProxyError as error:
                _refuse(waiting, error)
            while account.waiting and (account.waiting[0].done() or self._passes_by(account)):
                turn = account.waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
        account.asking = None
        if self._accounts.get((account.rule, account.client)) is not account:
            self._give_back(account)

    def _heard(self, account: _Account, said: dict[str, Any], waiting: Sequence["asyncio.Future[None]"]) -> None:
        passed, wait = said["passed"], said["wait"]
        account.number, account.left, account.until = said["number"], said["spare"], said["until"]
        for turn in waiting[:passed]:
            if not turn.done():  # else it left, and counts all the same
                turn.set_result(None)
        if passed < len(waiting):
            _refuse(waiting[passed:], over(account.rate, wait))
            if said["isCertain"]:
                account.refused_until = self._clock() + wait

    def _passes_by(self, account: _Account) -> bool:
        """Whether one more passes by the lease."""
        now = self._clock()
        if not account.left or now >= account.until:
            return False
        account.left -= 1
        account.used.append(now)
        return True

    def _sweep(self) -> None:
        self._sweeping, now = None, self._clock()
        is_flooded = len(self._accounts) > _MOST_REFUSED
        for key, account in list(self._accounts.items()):
            if now >= account.until:
                self._give_back(account)
                if account.asking is None and (is_flooded or now >= account.refused_until):
                    del self._accounts[key]
        if self._accounts:
            self._sweeping = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _give_back(self, account: _Account) -> None:
        if account.number:
            self._channel.tell("returned", **_named(account), used=_ended(account))
            account.number = 0


def _named(account: _Account) -> dict[str, object]:
    rate = account.rate
    return {
        "rule": account.rule,
        "requests": rate.requests,
        "period": rate.period,
        "client": account.client,
        "number": account.number,
    }


def _ended(account: _Account) -> str:
    """No request passes by its lease any more: when they did, as base64 of doubles."""
    used, account.used, account.left = account.used, array("d"), 0
    return b64encode(used).decode("ascii")


def _refuse(waiting: Sequence["asyncio.Future[None]"], error: ProxyError) -> None:
    for turn in waiting:
        if not turn.done():
            turn.set_exception(error)

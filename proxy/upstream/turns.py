"""Who waits for a connection, and who has to give one up for that: clients take turns, however many requests each of
them has, and those who hold many by being slow give way. Opens and closes nothing."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Generic, Protocol, TypeVar

from proxy.core.addresses import household

_SHARE: Final = 4  # one client's slow requests keep a quarter of all connections while others wait

_T = TypeVar("_T")


class Holding(Protocol):
    """A connection, as it is held."""

    client: str
    held_since: float


_H = TypeVar("_H", bound=Holding)


class Turns(Generic[_T]):
    """Those who wait, of each client in the order in which they came."""

    def __init__(self) -> None:
        self._of: dict[str, deque[asyncio.Future[_T]]] = {}  # who is next stands first

    def __bool__(self) -> bool:
        return bool(self._of)

    def enter(self, client: str, turn: asyncio.Future[_T]) -> None:
        self._of.setdefault(household(client), deque()).append(turn)

    def leave(self, client: str, turn: asyncio.Future[_T]) -> bool:
        """Whether it still waited."""
        whose = household(client)
        waiting = self._of.get(whose)
        if waiting is None or turn not in waiting:
            return False
        waiting.remove(turn)
        if not waiting:
            del self._of[whose]
        return True

    def pass_on(self, what: _T) -> bool:
        """Gives it to whose turn it is; False where nobody waits any more."""
        turn = self._next()
        if turn is not None:
            turn.set_result(what)
        return turn is not None

    def end(self, error: Callable[[], BaseException]) -> None:
        """Nobody's turn will come: each is told by an error of its own."""
        while (turn := self._next()) is not None:
            turn.set_exception(error())

    def _next(self) -> asyncio.Future[_T] | None:
        """Takes out whose turn it is; None where nobody waits any more."""
        while self._of:
            whose = next(iter(self._of))
            waiting = self._of.pop(whose)
            turn = waiting.popleft()
            if waiting:
                self._of[whose] = waiting  # behind the others
            if not turn.done():
                return turn
        return None


def too_many(held: Iterable[_H], most: int, before: float) -> list[_H]:
    """Of `most` connections in all, those that have to go while others wait: what one client has held since `before`
    of them beyond its share, and the longest first."""
    slow: dict[str, list[_H]] = {}
    for each in held:
        if each.held_since <= before:
            slow.setdefault(household(each.client), []).append(each)
    share = max(1, most // _SHARE)
    return [
        each
        for theirs in slow.values()
        for each in sorted(theirs, key=lambda one: one.held_since)[: max(0, len(theirs) - share)]
    ]

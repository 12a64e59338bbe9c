"""Many deadlines, one timer: a request sets a number, and the clock is looked at when the earliest of them comes."""

import asyncio
from typing import Final, Protocol

_NEVER: Final = float("inf")
_GRAIN: Final = 0.02  # seconds that the timer rests at least, however many deadlines there are


class Watched(Protocol):
    """Has a deadline, in seconds of `loop.time()`; it may be moved at any time."""

    deadline: float

    def expire(self) -> None: ...


class Watch:
    """Calls `expire` of each member whose deadline has passed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._members: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = _NEVER

    def add(self, member: Watched) -> None:
        self._members.add(member)
        self.at(member.deadline)

    def remove(self, member: Watched) -> None:
        """The timer stays: it finds nothing to do and ends itself."""
        self._members.discard(member)

    def at(self, deadline: float) -> None:
        """A member's deadline is now `deadline`. Costs nothing where another one comes before it, as nearly always:
        with the same time-outs for all, what is asked later ends later."""
        if deadline < self._next:
            self._rest_until(deadline)

    def close(self) -> None:
        self._members.clear()
        self._rest_until(_NEVER)

    def _rest_until(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._next = deadline
        if deadline != _NEVER:
            self._timer = self._loop.call_at(deadline, self._ring)

    def _ring(self) -> None:
        self._timer, self._next = None, _NEVER
        now = self._loop.time()
        for each in [each for each in self._members if each.deadline <= now]:
            each.expire()
        earliest = min((each.deadline for each in self._members), default=_NEVER)
        self.at(max(earliest, now + _GRAIN) if earliest != _NEVER else _NEVER)

"""How late the event loop is with what it has to do. Whatever blocks it keeps every client of the process waiting."""

import asyncio
from collections import deque
from typing import Final

from proxy.telemetry.log import state_change

_REST: Final = 0.25  # seconds between two beats
_KEPT: Final = 60.0  # seconds that a late beat is told of: longer than metrics are read apart
_STALL: Final = 1.0  # seconds; what is later than that is no busy moment
_WARY: Final = 5.0  # seconds after a stall in which a balancer had better ask another process


class Pulse:
    """A timer that looks how late it is."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque()  # when, and how late; each later than those that follow
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """On the running loop, until `stop`."""
        self._again(asyncio.get_running_loop())

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    @property
    def longest(self) -> float:
        """By how many seconds the loop was late at worst, within the last minute."""
        return self._late[0][1] if self._late else 0.0

    @property
    def trouble(self) -> str | None:
        """Why somebody else should be asked; None where it did not stand still just now."""
        now = asyncio.get_running_loop().time()
        stood_still = any(late > _STALL and now - at < _WARY for at, late in self._late)
        return "the event loop stood still" if stood_still else None

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        due = loop.time() + _REST
        self._timer = loop.call_at(due, self._beat, loop, due)

    def _beat(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        now = loop.time()
        late = max(0.0, now - due)
        while self._late and self._late[-1][1] <= late:
            self._late.pop()
        while self._late and now - self._late[0][0] > _KEPT:
            self._late.popleft()
        self._late.append((now, late))
        if late > _STALL:
            state_change("event_loop_stalled", seconds=round(late, 1))
        self._again(loop)

"""Whether a worker still does anything: it says so four times a second, and the supervisor counts how long one has said
nothing. Ends and starts no process."""

import asyncio
from collections.abc import Callable
from typing import Final

from proxy.workers.channel import Channel

_BEAT: Final = 0.25  # seconds
_LATE: Final = 3  # beats after which the others take its new connections: nothing is lost where it only was busy
_WARY: Final = 12  # beats after which a balancer had better ask another machine
_PATIENCE: Final = 40  # beats; the longest work without a pause, the pages of thousands of rules, takes eight


async def beat(channel: Channel) -> None:
    """The worker's end, for as long as it lives: only a loop that turns gets here."""
    while True:
        channel.tell("beat")
        await asyncio.sleep(_BEAT)


class Heartbeat:
    """The supervisor's end, of one worker.

    Silence is counted in the supervisor's own beats, not on a clock: a machine that was suspended, or a supervisor
    that had to wait itself, has missed as many of its own, and takes no worker for dead.
    """

    def __init__(self, changed: Callable[[], None] = lambda: None, rest: float = _BEAT) -> None:
        """`changed` is told when `is_late` changes. `rest` is in seconds: between two beats of both ends."""
        self._changed, self._rest, self._missed = changed, rest, 0

    async def heard(self) -> None:
        """Answers the worker's word."""
        was_late, self._missed = self.is_late, 0
        if was_late:
            self._changed()

    @property
    def is_late(self) -> bool:
        """Whether it is busy, at best."""
        return self._missed >= _LATE

    @property
    def is_heard(self) -> bool:
        """Whether it said something just now."""
        return self._missed < _WARY

    async def silence(self) -> float:
        """Returns once the worker has said nothing for too long: the seconds of it, none of them slept through."""
        self._missed = 0
        while self._missed < _PATIENCE:
            await asyncio.sleep(self._rest)
            self._missed += 1
            if self._missed == _LATE:
                self._changed()
        return self._missed * self._rest

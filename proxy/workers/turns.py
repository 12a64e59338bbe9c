"""Whose turn it is to find something out, among the workers of one supervisor: both ends of what they say of it.

A worker that ends gives its turns back, so that nobody waits for the dead.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from proxy.ports import Commons
from proxy.traffic import Topic, Turn, Word
from proxy.workers.channel import Answerer, Channel, Gone


class WorkerCommons:
    """Implements `ports.Commons`: the supervisor knows."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._asking: set[asyncio.Task[Word | Turn]] = set()

    async def turn(self, topic: Topic, *, but: str = "") -> Word | Turn:
        """See `ports.Commons.turn`."""
        asking = asyncio.create_task(self._ask(topic, but), name=f"turn {topic[0]}")
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        try:
            # shield: the supervisor gives the turn to whoever asked, and one who has left must give it back
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(lambda done: self._give_back(topic, done))
            raise

    async def settle(self, topic: Topic, turn: Turn, says: Mapping[str, object], seconds: float) -> None:
        """See `ports.Commons.settle`."""
        with contextlib.suppress(Gone):  # asked, so that the others have been told before our client is answered
            await self._channel.ask("settle", topic=topic, mark=turn.mark, says=says, seconds=seconds)

    async def release(self, topic: Topic, turn: Turn) -> None:
        """See `ports.Commons.release`."""
        self._channel.tell("release", topic=topic, mark=turn.mark)

    async def _ask(self, topic: Topic, but: str) -> Word | Turn:
        try:
            said = await self._channel.ask("turn", topic=topic, but=but)
        except Gone:
            return Turn("")
        return Word(said["mark"], said["says"], said["seconds"]) if "says" in said else Turn(said["mark"])

    def _give_back(self, topic: Topic, done: "asyncio.Task[Word | Turn]") -> None:
        if not done.cancelled() and isinstance(found := done.result(), Turn):
            self._channel.tell("release", topic=topic, mark=found.mark)


class TurnsOfWorker:
    """The supervisor's end, of one worker."""

    def __init__(self, commons: Commons) -> None:
        self._commons = commons
        self._held: dict[str, Topic] = {}  # by mark

    @property
    def answers(self) -> dict[str, Answerer]:
        """What the worker may ask and tell."""
        return {"turn": self._turn, "settle": self._settle, "release": self._release}

    async def end(self) -> None:
        """The worker is gone."""
        for mark in list(self._held):
            await self._release(list(self._held[mark]), mark)

    async def _turn(self, topic: list[Any], but: str) -> dict[str, object]:
        found = await self._commons.turn(tuple(topic), but=but)
        if isinstance(found, Word):
            return {"mark": found.mark, "says": found.says, "seconds": found.seconds}
        self._held[found.mark] = tuple(topic)
        return {"mark": found.mark}

    async def _settle(self, topic: list[Any], mark: str, says: dict[str, object], seconds: float) -> None:
        self._held.pop(mark, None)
        await self._commons.settle(tuple(topic), Turn(mark), says, seconds)

    async def _release(self, topic: list[Any], mark: str) -> None:
        self._held.pop(mark, None)
        await self._commons.release(tuple(topic), Turn(mark))

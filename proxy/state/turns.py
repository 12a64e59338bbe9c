"""Who finds out what, one at a time, among all who ask this process. Knows no other machine; see `shared.py`."""

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.ports import Clock
from proxy.traffic import Topic, Turn, Word

_MOST: Final = 10_000  # topics; a wildcard rule makes some of each host


@dataclass(slots=True)
class _Matter:
    """One topic. `holder` is the mark of whose turn it is, while `taken`."""

    taken: asyncio.Lock = field(default_factory=asyncio.Lock)
    asking: int = 0
    holder: str = ""
    mark: str = ""
    says: Mapping[str, object] = field(default_factory=dict)
    until: float = 0.0


class Turns:
    """Implements `ports.Commons`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._matters: dict[Topic, _Matter] = {}
        self.on_word: Callable[[Topic, Word], None] = lambda topic, word: None

    async def turn(self, topic: Topic, *, but: str = "") -> Word | Turn:
        """See `ports.Commons.turn`."""
        matter = self._at(topic)
        matter.asking += 1
        try:
            await matter.taken.acquire()
        finally:
            matter.asking -= 1
        left = matter.until - self._clock()
        if left > 0 and matter.mark != but:
            matter.taken.release()
            return Word(matter.mark, matter.says, left)
        matter.holder = secrets.token_hex(16)
        return Turn(matter.holder)

    async def settle(self, topic: Topic, turn: Turn, says: Mapping[str, object], seconds: float) -> None:
        """See `ports.Commons.settle`."""
        self.hear(topic, turn, Word(turn.mark, says, seconds))

    async def release(self, topic: Topic, turn: Turn) -> None:
        """See `ports.Commons.release`."""
        self.end(topic, turn)

    def hear(self, topic: Topic, turn: Turn, word: Word) -> None:
        """Ends a turn with what was found out, here or elsewhere."""
        matter = self._matters.get(topic)
        if matter is not None and matter.holder == turn.mark:
            matter.mark, matter.says, matter.until = word.mark, word.says, self._clock() + word.seconds
            self.on_word(topic, word)  # before the next one has a turn
            self.end(topic, turn)

    def told(self, topic: Topic, word: Word) -> None:
        """Another machine has found something out, whether or not it is anybody's turn here."""
        matter = self._at(topic)
        if matter.mark != word.mark:  # else it is our own
            matter.mark, matter.says, matter.until = word.mark, word.says, self._clock() + word.seconds
            self.on_word(topic, word)

    def end(self, topic: Topic, turn: Turn) -> None:
        """Ends a turn; one that has ended is let alone."""
        matter = self._matters.get(topic)
        if matter is not None and matter.holder == turn.mark:
            matter.holder = ""
            matter.taken.release()

    def forget(self, topic: Topic, mark: str) -> None:
        """That word holds no more."""
        matter = self._matters.get(topic)
        if matter is not None and matter.mark == mark:
            matter.mark, matter.says, matter.until = "", {}, 0.0

    def words(self) -> Iterator[tuple[Topic, Word]]:
        """Everything that is known."""
        now = self._clock()
        for topic, matter in list(self._matters.items()):
            if now < matter.until:
                yield topic, Word(matter.mark, matter.says, matter.until - now)

    def _at(self, topic: Topic) -> _Matter:
        matter = self._matters.get(topic)
        if matter is None:
            if len(self._matters) >= _MOST:
                self._make_room()
            matter = self._matters[topic] = _Matter()
        return matter

    def _make_room(self) -> None:
        """What has ended goes; where that is not enough, all that nobody is at."""
        now = self._clock()
        idle = [(topic, m) for topic, m in self._matters.items() if not m.asking and not m.taken.locked()]
        ended = [topic for topic, matter in idle if matter.until <= now]
        for topic in ended if len(ended) > _MOST // 10 else [topic for topic, _ in idle]:
            del self._matters[topic]

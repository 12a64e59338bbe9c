"""What replicas have in common: words about topics, sealed, and counts of requests. Without a Redis, or while it is
away, the processes of this machine alone."""

import asyncio
import time
from collections.abc import Callable, Container, Mapping
from typing import Final

from proxy.errors import ConfigurationError
from proxy.model import Rate, SharedState
from proxy.ports import Clock
from proxy.state import scripts
from proxy.state.turns import Turns
from proxy.traffic import Topic, Turn, Word

_MARK: Final = 32  # hex digits
_LOCK: Final = 6.0  # seconds until the turn of one who died is another's
_BEAT: Final = 2.0  # seconds after which whoever lives says so
_FIRST_LOOK, _LAST_LOOK = 0.02, 0.25  # seconds between two looks at a turn that is somebody else's
_PATIENCE: Final = 60.0  # seconds; who is at it for so long is not waited for


class Shared:
    """Implements `ports.Commons`. `observe(is_up, why, address)` is told when the store comes and goes; words of topics
    that begin with one of `aloud` are said to all replicas at once, and not only to who asks for the turn."""

    def __init__(
        self,
        clock: Clock = time.monotonic,
        observe: Callable[[bool, str, str], None] = lambda up, why, address: None,
        aloud: Container[str] = (),
    ) -> None:
        self._clock, self._observe, self._aloud = clock, observe, aloud
        self._here = Turns(clock)
        self._state: SharedState | None = None
        self._there: _There | None = None
        self.on_drop: Callable[[Topic, str], None] = lambda topic, mark: None
        self.on_word: Callable[[Topic, Word], None] = lambda topic, word: None  # one that was found out or heard
        self._here.on_word = lambda topic, word: self.on_word(topic, word)

    async def configure(self, state: SharedState | None) -> None:
        """Goes over to another store, or to none. Raises ConfigurationError where the library is not installed."""
        if state == self._state:
            return
        there = _There(state, self) if state is not None else None
        before, self._there, self._state = self._there, there, state
        if there is not None:
            await there.link.start()
        if before is not None:
            await before.close()

    async def close(self) -> None:
        """Before the loop ends."""
        there, self._there = self._there, None
        if there is not None:
            await there.close()

    async def turn(self, topic: Topic, *, but: str = "") -> Word | Turn:
        """See `ports.Commons.turn`."""
        found = await self._here.turn(topic, but=but)
        there = self._there
        if isinstance(found, Word) or there is None:
            return found
        try:
            word = await there.turn(topic, found, but)
        except BaseException:  # whoever asked has left; somebody else may come
            self._here.end(topic, found)
            raise
        if word is None:
            return found
        self._here.hear(topic, found, word)
        return word

    async def settle(self, topic: Topic, turn: Turn, says: Mapping[str, object], seconds: float) -> None:
        """See `ports.Commons.settle`."""
        await self._here.settle(topic, turn, says, seconds)
        if self._there is not None:
            await self._there.settle(topic, Word(turn.mark, says, seconds), aloud=topic[0] in self._aloud)

    async def release(self, topic: Topic, turn: Turn) -> None:
        """See `ports.Commons.release`."""
        self._here.end(topic, turn)
        if self._there is not None:
            await self._there.release(topic, turn.mark)

    async def drop(self, topic: Topic, mark: str) -> None:
        """That word holds no more, for nobody."""
        self._here.forget(topic, mark)
        if self._there is not None:
            await self._there.drop(topic, mark)

    async def hit(self, rate: Rate, who: Topic) -> float | None:
        """Counts a request: 0 where it passes, else the seconds until the next one does. None: nobody counts."""
        return await self._there.hit(rate, who) if self._there is not None else None

    @property
    def is_here_alone(self) -> bool:
        """Whether no store is configured, be it up or not."""
        return self._there is None

    @property
    def is_up(self) -> bool | None:
        """None where no store is configured."""
        return self._there.link.is_up if self._there is not None else None

    @property
    def faults(self) -> int:
        """Calls that failed, of this store."""
        return self._there.link.faults if self._there is not None else 0

    def snapshot(self) -> dict[str, object] | None:
        """What the status page shows; None where no store is configured."""
        if self._state is None:
            return None
        state = "good" if self.is_up else "away: this machine goes on alone"
        return {"store": str(self._state.address), "state": state, "faults": self.faults}

    def heard(self, topic: Topic, mark: str) -> None:
        """Another replica says that a word holds no more."""
        self._here.forget(topic, mark)
        self.on_drop(topic, mark)

    def told(self, topic: Topic, word: Word) -> None:
        """Another replica says what it has found out."""
        self._here.told(topic, word)

    def changed(self, there: "_There", is_up: bool, why: str) -> None:
        """The store came or went. What was found out without it is told: it may have lost everything."""
        if there.state == self._state:
            self._observe(is_up, why, str(there.state.address))
        if is_up:
            there.tell(self._here)


class _There:
    """The store itself, as far as it can be reached: everything else is a None."""

    def __init__(self, state: SharedState, shared: Shared) -> None:
        try:
            from proxy.state.link import Link  # the library is an extra
        except ImportError:
            raise ConfigurationError(
                ["state.url needs the redis library: pip install 'arcgis-resource-proxy[redis]'"]
            ) from None
        self.state, self._shared = state, shared
        # Only here: who shares nothing does without the memory of cryptography
        from proxy.state.sealing import LONGEST, Sealer

        self._sealer, self._longest = Sealer(state.key), LONGEST
        self._beats: dict[str, asyncio.Task[None]] = {}
        self._telling: asyncio.Task[None] | None = None
        self.link = Link(state, time.monotonic, lambda is_up, why: shared.changed(self, is_up, why))
        self.link.on_message = self._hear

    async def turn(self, topic: Topic, turn: Turn, but: str) -> Word | None:
        """A word, or None: the turn is ours, or there is no store to say otherwise."""
        name, keys = self._names(topic)
        unwanted, pause, until = but.encode(), _FIRST_LOOK, time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            said = await self.link.call(scripts.TURN, keys, turn.mark, int(_LOCK * 1000), unwanted, self._longest)
            match said:
                case [0]:
                    self._beats[turn.mark] = asyncio.create_task(self._beat(keys[1], turn.mark), name=f"turn {name}")
                    return None
                case [1, bytes() as sealed, int() as left]:
                    mark = sealed[:_MARK].decode("ascii", "replace")
                    says = self._sealer.open(name + mark, sealed[_MARK:])
                    if says is not None and left > 0:
                        return Word(mark, says, left / 1000)
                    if unwanted == sealed[:_MARK]:
                        return None
                    unwanted = sealed[:_MARK]  # nobody's word: found out anew, and written over
                case [2]:
                    await asyncio.sleep(pause)
                    pause = min(pause * 1.5, _LAST_LOOK)
                case _:
                    return None
        return None

    async def settle(self, topic: Topic, word: Word, *, aloud: bool = False) -> None:
        name, keys = self._names(topic)
        self._still(word.mark)
        sealed = word.mark.encode() + self._sealer.seal(name + word.mark, word.says)
        said: list[str | bytes] = []
        if aloud:
            fields = {"topic": list(topic), "mark": word.mark, "says": dict(word.says), "seconds": word.seconds}
            said = [self.link.channel, self._sealer.seal("said", fields)]
        await self.link.call(scripts.SETTLE, keys, word.mark, sealed, max(1, int(word.seconds * 1000)), *said)
        if aloud:
            # It may answer us before it tells the others, but reads on only then: once this is answered, all are told
            await self.link.call(scripts.HOLD, keys[1:], word.mark, 0)

    async def release(self, topic: Topic, mark: str) -> None:
        self._still(mark)
        await self.link.call(scripts.HOLD, self._names(topic)[1][1:], mark, 0)

    async def drop(self, topic: Topic, mark: str) -> None:
        _, keys = self._names(topic)
        said = self._sealer.seal("dropped", {"topic": list(topic), "mark": mark})
        await self.link.call(scripts.DROP, keys[:1], mark, self.link.channel, said)

    async def hit(self, rate: Rate, who: Topic) -> float | None:
        key = f"{self.state.prefix}:{{{self._sealer.name(('rate', *who))}}}:rate"
        wait = await self.link.call(scripts.HIT, [key], rate.requests, round(rate.period * 1_000_000))
        return min(wait / 1_000_000, rate.period) if isinstance(wait, int) and wait >= 0 else None

    def tell(self, here: Turns) -> None:
        """What is known here and perhaps not there any more."""
        self._telling = asyncio.create_task(self._tell(here), name="shared state: tell")

    async def _tell(self, here: Turns) -> None:
        for topic, word in here.words():
            await self.settle(topic, word)

    async def close(self) -> None:
        tasks = [*self._beats.values(), *([self._telling] if self._telling is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.link.close()

    def _names(self, topic: Topic) -> tuple[str, list[str]]:
        """The braces keep both keys on one server where there are several behind one address."""
        name = self._sealer.name(topic)
        return name, [f"{self.state.prefix}:{{{name}}}:word", f"{self.state.prefix}:{{{name}}}:turn"]

    async def _beat(self, lock: str, mark: str) -> None:
        """We live, and are at it."""
        while True:
            await asyncio.sleep(_BEAT)
            await self.link.call(scripts.HOLD, [lock], mark, int(_LOCK * 1000))

    def _still(self, mark: str) -> None:
        beat = self._beats.pop(mark, None)
        if beat is not None:
            beat.cancel()

    def _hear(self, said: bytes) -> None:
        match self._sealer.open("dropped", said):
            case {"topic": [*topic], "mark": str() as mark}:
                self._shared.heard(tuple(map(str, topic)), mark)
        match self._sealer.open("said", said):
            case {"topic": [*topic], "mark": str() as mark, "says": dict() as says, "seconds": float() as seconds}:
                self._shared.told(tuple(map(str, topic)), Word(mark, says, seconds))

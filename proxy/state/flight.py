"""One fetch and everybody who waits for it: a body that comes once is read by many, each at its own pace.

Knows nothing of HTTP's rules; who may share an answer is decided elsewhere.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from proxy.errors import UpstreamFailed
from proxy.state.shelf import Stored
from proxy.traffic import Fetched

_WINDOW: Final = 256 * 1024  # bytes between the fastest and the slowest reader of what is too large to keep
_PATIENCE: Final = 5.0  # seconds that a reader may keep others waiting


@dataclass(slots=True)
class Room:
    """Bytes that bodies on their way may take, all together."""

    most: int
    taken: int = 0


class Stream:
    """A body on its way. It is held from its first byte until it is whole or gets larger than `most`; from then on
    only what the slowest reader has not read."""

    def __init__(self, room: Room, most: int, patience: float = _PATIENCE) -> None:
        self._room, self._most, self._patience = room, most, patience
        self.is_held = True  # from the first byte: whoever comes now still gets all of it
        self._pieces: list[bytes] = []
        self._gone = 0  # pieces that are no longer held
        self._size = 0  # bytes that are
        self._readers: set[Reader] = set()
        self._end: Exception | None = None
        self._news, self._room_made = asyncio.Event(), asyncio.Event()

    def reader(self) -> "Reader":
        """Reads from the first byte; only while `is_held`."""
        reader = Reader(self)
        self._readers.add(reader)
        return reader

    async def pump(self, body: AsyncIterator[bytes]) -> bytes | None:
        """Takes `body` in to its end. All of it, or None where it was too large. What `body` raises is raised to
        every reader, and here."""
        end: Exception = UpstreamFailed("The answer broke off.", slug="cut")
        try:
            async for piece in body:
                self._add(piece)
                if not self.is_held and not self._readers:
                    break  # too large to keep, and nobody wants it
                while not self.is_held and self._size > _WINDOW and self._readers:
                    await self._wait_for_room()
            end = StopAsyncIteration()
        except Exception as error:
            end = error
            raise
        finally:
            self._room.taken -= self._size
            self._end = end
            self._tell()
        return b"".join(self._pieces) if self.is_held else None

    def _add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        self._room.taken += len(piece)
        if self.is_held and (self._size > self._most or self._room.taken > self._room.most):
            self.is_held = False
            self._forget()
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _forget(self) -> None:
        """Lets go of what every reader has read."""
        if self._end is not None:
            return
        read = min((reader.position for reader in self._readers), default=self._gone + len(self._pieces)) - self._gone
        size = sum(map(len, self._pieces[:read]))
        del self._pieces[:read]
        self._gone += read
        self._size -= size
        self._room.taken -= size
        self._room_made.set()

    async def _wait_for_room(self) -> None:
        self._room_made.clear()
        try:
            async with asyncio.timeout(self._patience if len(self._readers) > 1 else None):
                await self._room_made.wait()
        except TimeoutError:
            # One that does not read must not hold the others
            slowest = min(reader.position for reader in self._readers)
            for reader in [each for each in self._readers if each.position == slowest]:
                reader.is_cut = True
                self.leave(reader)
            self._tell()

    async def next(self, reader: "Reader") -> bytes:
        """The reader's next piece; raises StopAsyncIteration at the end."""
        while reader.is_cut or reader.position - self._gone >= len(self._pieces):
            if reader.is_cut:
                raise UpstreamFailed("The answer was read too slowly, while others waited.", slug="slow_reader")
            if self._end is not None:
                raise self._end
            await self._news.wait()
        piece = self._pieces[reader.position - self._gone]
        reader.position += 1
        if not self.is_held:
            self._forget()
        return piece

    def leave(self, reader: "Reader") -> None:
        self._readers.discard(reader)
        if not self.is_held:
            self._forget()


class Reader:
    """One client's view of a stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.position = 0  # pieces
        self.is_cut = self.has_left = False

    def __aiter__(self) -> "Reader":
        return self

    async def __anext__(self) -> bytes:
        return await self._stream.next(self)

    def leave(self) -> None:
        """Safe to call twice."""
        self.has_left = True
        self._stream.leave(self)


@dataclass(slots=True)
class Landing:
    """What a fetch came to, for one who waited: an answer, with its body whole or still to be read; or none, for who
    has to ask alone. `result` is a word of `Exchange.cache`."""

    stored: Stored | None = None
    reader: Reader | None = None
    alone: Fetched | None = None
    result: str = "miss"


class Flight:
    """One fetch under way, and who waits for it. Whoever made it leads: what others must not have is the leader's."""

    def __init__(self, *, is_behind: bool = False) -> None:
        """`is_behind`: nobody waits, and it is finished all the same."""
        self.is_behind = is_behind
        self.task: asyncio.Task[None] | None = None
        self.draft: Stored | None = None  # once its head is known and may be shared; the body comes
        self._stream: Stream | None = None
        self._waiting: dict[asyncio.Future[Landing], bool] = {}  # and whether it leads
        self._aboard = 0

    @property
    def takes_more(self) -> bool:
        """Whether who comes now still gets everything."""
        return self._stream is None or self._stream.is_held

    async def join(self, *, leads: bool = False) -> Landing:
        """Waits for the head. Raises what the fetch raised. `leave` once for each landing with a reader."""
        if self.draft is not None and self._stream is not None:
            self._aboard += 1
            return Landing(self.draft, self._stream.reader(), result="collapsed")
        waiter: asyncio.Future[Landing] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = leads
        self._aboard += 1
        landing = None
        try:
            landing = await waiter
            return landing
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                _give_back(waiter.result())  # it came in the very moment
            raise
        finally:
            self._waiting.pop(waiter, None)
            if landing is None or landing.reader is None:
                self._step_out()

    def leave(self, reader: Reader) -> None:
        """Safe to call twice."""
        if not reader.has_left:
            reader.leave()
            self._step_out()

    def land(self, landing: Landing, stream: Stream | None = None) -> None:
        """Tells everybody. What is to be had `alone` goes to who leads; the others get an empty landing."""
        self.draft, self._stream = (landing.stored, stream) if stream is not None else (None, None)
        is_taken = False
        for waiter, leads in list(self._waiting.items()):
            if waiter.done():
                continue
            if landing.alone is not None:
                waiter.set_result(landing if leads else Landing())
                is_taken = is_taken or leads
            else:
                result = landing.result if leads or landing.result == "stale" else "collapsed"
                waiter.set_result(Landing(landing.stored, stream.reader() if stream else None, result=result))
        if landing.alone is not None and not is_taken:
            landing.alone.reply.close()

    def fail(self, error: Exception) -> None:
        """Everybody who still waits gets `error`."""
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(error)

    def _step_out(self) -> None:
        self._aboard -= 1
        if self._aboard == 0 and not self.is_behind and self.task is not None:
            self.task.cancel()


def _give_back(landing: Landing) -> None:
    if landing.reader is not None:
        landing.reader.leave()
    if landing.alone is not None:
        landing.alone.reply.close()

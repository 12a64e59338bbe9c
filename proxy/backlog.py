"""What of a body has come and is not read yet, bounded, between one sender and one reader. What ends it, and whether an
error is told before or after the pieces that came, is for those to say who make one of it."""

import asyncio
from collections import deque
from typing import ClassVar


class Backlog:
    """An `AsyncIterator[bytes]`. Above `HIGH` bytes the sender is held, below `LOW` it is let go again."""

    __slots__ = ("_pieces", "_size", "_waiter", "is_held")
    HIGH: ClassVar[int]
    LOW: ClassVar[int]

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self.is_held = False

    def __aiter__(self) -> "Backlog":
        return self

    async def __anext__(self) -> bytes:
        while not self._has_next():
            self._waiter = self._wait()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self.is_held and self._size < self.LOW:
            self.is_held = False
            self._release()
        return piece

    def push(self, piece: bytes) -> None:
        """The next piece, as it came."""
        if not piece:
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > self.HIGH and not self.is_held:
            self.is_held = True
            self._hold()
        self._wake()

    def _has_next(self) -> bool:
        """Whether a piece may be read now. Raises StopAsyncIteration at the end, and what the body ended with."""
        raise NotImplementedError

    def _wait(self) -> asyncio.Future[None]:
        """A future for `_wake`: somebody reads, and there is nothing."""
        raise NotImplementedError

    def _hold(self) -> None:
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError

    def _wake(self) -> None:
        """There is something to read, or the end."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _forget(self) -> None:
        """Nobody reads what has come."""
        self._pieces.clear()
        self._size = 0

"""A request body between the socket and whoever reads it, bounded: what is not read yet holds the client back."""

import asyncio
from collections import deque
from typing import Final, Protocol

_HIGH: Final = 64 * 1024  # bytes not read yet, above which nothing more is taken from the client
_LOW: Final = 16 * 1024


class Source(Protocol):
    """What an inbox wants of its connection."""

    def body_is_wanted(self) -> None:
        """Somebody reads: the client may send the body that it announced."""
        ...

    def hold(self) -> None: ...

    def release(self) -> None: ...


class Inbox:
    """An `AsyncIterator[bytes]`, for one reader. A body that broke off is of no use: its reader gets the error even
    before the pieces that came."""

    __slots__ = ("_error", "_is_whole", "_loop", "_pieces", "_size", "_source", "_waiter", "is_held")

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        self._source, self._loop = source, loop
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_whole = False
        self.is_held = False
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __aiter__(self) -> "Inbox":
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces or self._error is not None:
            if self._error is not None:
                raise self._error
            if self._is_whole:
                raise StopAsyncIteration
            self._source.body_is_wanted()
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self.is_held and self._size < _LOW:
            self.is_held = False
            self._source.release()
        return piece

    def push(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _HIGH and not self.is_held:
            self.is_held = True
            self._source.hold()
        self._wake()

    def end(self, error: Exception | None = None) -> None:
        """No more will come: the body is whole, or `error` says why it is not."""
        if self._is_whole:
            return
        self._is_whole, self._error = True, error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

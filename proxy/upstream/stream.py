"""A body on its way from a connection to whoever reads it, bounded: what is not read yet holds the server back."""

import asyncio
from collections import deque
from typing import Final, Protocol

from proxy.errors import ProxyError
from proxy.upstream.failures import bad_answer

_HIGH: Final = 256 * 1024  # bytes not read yet, above which nothing more is taken from the connection
_LOW: Final = 64 * 1024


class Source(Protocol):
    """What a stream wants of its connection."""

    def wait(self) -> asyncio.Future[None]:
        """Done with the next piece, the end or a failure; the server's time to send begins now."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def drop(self) -> None:
        """Nobody wants the rest."""
        ...


class Stream:
    """An `AsyncIterator[bytes]`. Pieces that came before a failure are given out first."""

    __slots__ = ("_error", "_is_paused", "_pieces", "_size", "_source", "_waiter")

    def __init__(self, source: Source) -> None:
        self._source: Source | None = source  # None: it has nothing more to give
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: ProxyError | None = None

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._source is None:
                raise StopAsyncIteration
            self._waiter = self._source.wait()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._is_paused and self._size < _LOW and self._source is not None:
            self._is_paused = False
            self._source.resume()
        return piece

    def push(self, piece: bytes) -> None:
        """The next piece, as it came."""
        if not piece or self._source is None:
            return
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > _HIGH and not self._is_paused:
            self._is_paused = True
            self._source.pause()
        self._wake()

    def end(self, error: ProxyError | None = None) -> None:
        """No more will come: the body is whole, or `error` says why it is not."""
        self._source, self._error = None, error
        self._wake()

    def close(self) -> None:
        """See `Reply.close`."""
        source, self._source = self._source, None
        self._pieces.clear()
        self._size = 0
        if source is not None:
            self._error = bad_answer()  # whoever reads on is not to take it for the end
            source.drop()
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

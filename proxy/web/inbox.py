"""A request body between the socket and whoever reads it, bounded: what is not read yet holds the client back."""

import asyncio
from typing import ClassVar, Protocol

from proxy.backlog import Backlog


class Source(Protocol):
    """What an inbox wants of its connection."""

    def body_is_wanted(self) -> None:
        """Somebody reads: the client may send the body that it announced."""
        ...

    def hold(self) -> None: ...

    def release(self) -> None: ...


class Inbox(Backlog):
    """A body that broke off is of no use: its reader gets the error even before the pieces that came."""

    __slots__ = ("_error", "_is_whole", "_loop", "_source")
    HIGH: ClassVar[int] = 64 * 1024
    LOW: ClassVar[int] = 16 * 1024

    def __init__(self, source: Source, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._source, self._loop = source, loop
        self._is_whole = False
        self._error: Exception | None = None

    def end(self, error: Exception | None = None) -> None:
        """No more will come: the body is whole, or `error` says why it is not."""
        if self._is_whole:
            return
        self._is_whole, self._error = True, error
        self._wake()

    def _has_next(self) -> bool:
        if self._error is not None:
            raise self._error
        if self._is_whole and not self._pieces:
            raise StopAsyncIteration
        return bool(self._pieces)

    def _wait(self) -> asyncio.Future[None]:
        self._source.body_is_wanted()
        return self._loop.create_future()

    def _hold(self) -> None:
        self._source.hold()

    def _release(self) -> None:
        self._source.release()

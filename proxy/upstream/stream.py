"""A body on its way from a connection to whoever reads it, bounded: what is not read yet holds the server back."""

import asyncio
from typing import ClassVar, Protocol

from proxy.backlog import Backlog
from proxy.errors import ProxyError
from proxy.upstream.failures import bad_answer


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


class Stream(Backlog):
    """Pieces that came before a failure are given out first."""

    __slots__ = ("_error", "_source")
    HIGH: ClassVar[int] = 256 * 1024
    LOW: ClassVar[int] = 64 * 1024

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source: Source | None = source  # None: it has nothing more to give
        self._error: ProxyError | None = None

    def push(self, piece: bytes) -> None:
        if self._source is not None:
            super().push(piece)

    def end(self, error: ProxyError | None = None) -> None:
        """No more will come: the body is whole, or `error` says why it is not."""
        self._source, self._error = None, error
        self._wake()

    def close(self) -> None:
        """See `Reply.close`."""
        source, self._source = self._source, None
        self._forget()
        if source is not None:
            self._error = bad_answer()  # whoever reads on is not to take it for the end
            source.drop()
            self._wake()

    def _has_next(self) -> bool:
        if self._pieces:
            return True
        if self._error is not None:
            raise self._error
        if self._source is None:
            raise StopAsyncIteration
        return False

    def _wait(self) -> asyncio.Future[None]:
        assert self._source is not None  # noqa: S101 - or there would be an end
        return self._source.wait()

    def _hold(self) -> None:
        if self._source is not None:
            self._source.pause()

    def _release(self) -> None:
        if self._source is not None:
            self._source.resume()

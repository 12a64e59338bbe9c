"""Bodies that pass piece by piece: what is done to each of them, as generators, which no compiler takes. What a body is
and whether it may pass is decided elsewhere."""

from collections.abc import AsyncIterator
from typing import Final

from proxy.core.inflate import Inflating
from proxy.core.multipart import MultipartFilter
from proxy.core.redact import Redactor
from proxy.errors import ProxyError, UpstreamFailed
from proxy.traffic import Exchange
from proxy.upstream.failures import undecodable

SLICE: Final = 64 * 1024  # bytes that go up together


async def chained(held: list[bytes], rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    """What was held back of a body, and the rest of it. `held` is emptied on the way: nothing stays in memory twice."""
    while held:
        yield held.pop(0)
    if rest is not None:
        async for piece in rest:
            yield piece


async def sliced(whole: bytes) -> AsyncIterator[bytes]:
    """A whole body, `SLICE` by `SLICE`."""
    for start in range(0, len(whole), SLICE):
        yield whole[start : start + SLICE]


async def whole(body: bytes | AsyncIterator[bytes], most: int) -> bytes:
    """A body up to its end, or a little more than `most` bytes of it."""
    if isinstance(body, bytes):
        return body
    read = bytearray()
    async for piece in body:
        read += piece
        if len(read) > most:
            break
    return bytes(read)


async def bounded(body: AsyncIterator[bytes], limit: int, refusal: ProxyError) -> AsyncIterator[bytes]:
    """Raises `refusal` where it is longer than `limit` bytes."""
    seen = 0
    async for piece in body:
        seen += len(piece)
        if seen > limit:
            raise refusal
        yield piece


async def counted(body: AsyncIterator[bytes], exchange: Exchange) -> AsyncIterator[bytes]:
    """A request's body, and its length in the record of the request."""
    async for piece in body:
        exchange.bytes_in += len(piece)
        yield piece


async def filtered(body: AsyncIterator[bytes], by: MultipartFilter) -> AsyncIterator[bytes]:
    """A multipart form less the parts that `by` takes out."""
    async for piece in body:
        if kept := by.feed(piece):
            yield kept
    if kept := by.finish():
        yield kept


async def redacted(body: AsyncIterator[bytes], redactor: Redactor, exchange: Exchange) -> AsyncIterator[bytes]:
    """A text in the clear less the secrets of `redactor`."""
    async for piece in body:
        if clean := redactor.feed(piece):
            yield clean
    if rest := redactor.finish():
        yield rest
    exchange.redacted += redactor.count


class Scan:
    """Looks through a compressed text; what it makes of it is thrown away."""

    def __init__(self, coding: str, secrets: tuple[str, ...]) -> None:
        self._inflating, self._redactor = Inflating(coding), Redactor(secrets)

    def look(self, piece: bytes) -> None:
        """Raises UpstreamFailed where it cannot be looked through."""
        try:
            for clear in self._inflating.feed(piece):
                self._redactor.feed(clear)
        except ValueError:
            raise undecodable() from None

    def end(self) -> None:
        """Nothing comes any more."""
        self._redactor.finish()

    @property
    def found(self) -> bool:
        return self._redactor.count > 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether what was seen may end within a secret."""
        return self._redactor.is_holding


async def scanned(held: list[bytes], rest: AsyncIterator[bytes], scan: Scan) -> AsyncIterator[bytes]:
    """A compressed text as it came. Raises UpstreamFailed where a secret is found on the way."""
    piece: bytes | None = b""
    while piece is not None:
        if not scan.is_in_doubt:
            while held:
                yield held.pop(0)
        piece = await anext(rest, None)
        if piece is None:
            scan.end()
        else:
            held.append(piece)
            scan.look(piece)
        if scan.found:
            # Too late to send it in the clear: better no end than a secret
            raise UpstreamFailed("The answer held what must stay secret, and was broken off.", slug="echoed_secret")
    for last in held:
        yield last


async def inflated(body: AsyncIterator[bytes], coding: str) -> AsyncIterator[bytes]:
    """A compressed body in the clear. Raises UpstreamFailed where it cannot be decoded, or is not whole: what we make
    of it would look as if it were."""
    inflating = Inflating(coding)
    async for piece in body:
        try:
            for clear in inflating.feed(piece):
                yield clear
        except ValueError:
            raise undecodable() from None
    if not inflating.is_complete:
        raise UpstreamFailed("The server gave an answer that is cut off.", slug="bad_answer")

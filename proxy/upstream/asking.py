"""One request on one connection: its head and body go up, and the answer may come before the body is gone."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from proxy import names
from proxy.errors import BadRequest, ProxyError
from proxy.traffic import Body, Reply
from proxy.upstream import wire
from proxy.upstream.connection import Connection
from proxy.upstream.pieces import SLICE, sliced


class Rest(NamedTuple):
    """What follows piece by piece; `length` of the pieces is None for chunks."""

    pieces: AsyncIterator[bytes]
    length: int | None


def framing_line(method: str, body: Body) -> str:
    """The line that says where the body ends; "" where there is none and none is expected."""
    if body.stream is not None and body.length is None:
        return wire.own_line(names.TRANSFER_ENCODING, "chunked")
    if body.stream is not None:
        return wire.own_line(names.CONTENT_LENGTH, str(body.length))
    if body.whole or method not in names.SAFE_METHODS:
        return wire.own_line(names.CONTENT_LENGTH, str(len(body.whole or b"")))
    return ""


def with_body(head: bytes, body: Body) -> tuple[bytes, Rest | None]:
    """What is sent at once, and what follows. `head` as made by `wire.request_head`."""
    if body.stream is not None:
        return head, Rest(body.stream, body.length)
    whole = body.whole or b""
    if len(whole) <= SLICE:  # it goes up together with its head
        return head + whole, None
    return head, Rest(sliced(whole), len(whole))


async def uploaded(connection: Connection, waiter: asyncio.Future[Reply], rest: Rest, patience: float) -> Reply:
    """The answer that `waiter` waits for, while the rest of the request goes up. Raises Stale, ProxyError, or what the
    client's own body raised.

    The server has `patience` seconds to begin its answer when the request is out, and for each piece until then: a
    long upload is no time-out, a stalled one is.
    """
    upload = asyncio.create_task(_send(connection, rest.pieces, rest.length, patience), name="request body")
    try:
        await asyncio.wait((waiter, upload), return_when=asyncio.FIRST_COMPLETED)
        # What the client's body raised is the client's to hear; an answer that came before it is an answer
        if upload.done() and (not waiter.done() or waiter.exception() is not None):
            upload.result()
        return await waiter
    finally:
        await _ended(upload)


async def _send(connection: Connection, pieces: AsyncIterator[bytes], length: int | None, patience: float) -> None:
    """Raises BadRequest where the pieces are not `length` bytes in all, and what `pieces` raises."""
    left = length
    async for piece in pieces:
        if not piece:
            continue
        if left is not None:
            left -= len(piece)
            if left < 0:
                raise _odd_length()
        framed = piece if left is not None else b"%x\r\n%b\r\n" % (len(piece), piece)
        if not await connection.send(framed, patience):
            return
    if left:
        raise _odd_length()
    connection.end(b"0\r\n\r\n" if left is None else b"", patience)


async def _ended(task: asyncio.Task[None]) -> None:
    """Stops it where it still runs. What it raised was heard, or the answer says more."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()


def _odd_length() -> ProxyError:
    return BadRequest("The request body is not as long as it was said to be.", slug="bad_body")

"""A `Reply` on its way out: framed for this client, at the pace of the client, cut off where it breaks off.

Says nothing about itself but the date. What may be in a reply's headers is not decided here.
"""

import time
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from proxy import names
from proxy.errors import ProxyError, UpstreamFailed
from proxy.traffic import Exchange, Headers, Reply
from proxy.web.connection import Connection

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}" for status in HTTPStatus}
_NO_CONTENT: Final = 204
_BODILESS: Final = (_NO_CONTENT, 304)
_END: Final = ("", "")  # of the lines of a head
_CLOSE: Final = f"{names.CONNECTION}: close\r\n"
_date: tuple[int, str] = (0, "")  # of the current second


async def send(connection: Connection, reply: Reply, exchange: Exchange) -> None:
    """Sends the reply. A body that breaks off upstream breaks off here too: a clean end would pass half a picture
    off as a whole one. Raises ClientGone."""
    head, body = connection.head, reply.body
    try:
        if head.method == "HEAD" or isinstance(body, bytes) or reply.status in _BODILESS:
            exchange.bytes_out = write(connection, reply)
        else:
            await _stream(connection, reply, exchange)
        if not connection.is_drained:
            await connection.drained()
    except ProxyError as error:
        exchange.outcome, exchange.note = "cut", error.message
        connection.cut()
    finally:
        reply.close()


def write(connection: Connection, reply: Reply) -> int:
    """Sends a reply that has its body whole, or needs none. The bytes of the body; raises UpstreamFailed."""
    body = reply.body
    if connection.head.method == "HEAD" or reply.status in _BODILESS or not isinstance(body, bytes):
        connection.flush(_head(connection, reply))
        return 0
    reply.headers[names.CONTENT_LENGTH] = str(len(body))
    connection.flush(_head(connection, reply), body)
    return len(body)


async def _stream(connection: Connection, reply: Reply, exchange: Exchange) -> None:
    assert not isinstance(reply.body, bytes)  # noqa: S101 - the caller's branch
    declared = reply.headers.get(names.CONTENT_LENGTH)
    is_chunked = declared is None and connection.head.minor == 1
    # In HTTP/1.0 a body without a length ends with its connection
    is_last = declared is None and not is_chunked
    framing = [f"{names.TRANSFER_ENCODING}: chunked"] if is_chunked else []
    connection.write(_head(connection, reply, framing, is_last=is_last))
    length = int(declared) if declared is not None else None
    async for piece in reply.body:
        exchange.bytes_out += len(piece)
        if length is not None and exchange.bytes_out > length:
            break
        if is_chunked and piece:
            connection.write(b"%x\r\n" % len(piece), piece, b"\r\n")
        else:
            connection.write(piece)
        await connection.drained()
    if length is not None and exchange.bytes_out != length:
        raise UpstreamFailed("The server's answer is not as long as it said.", slug="bad_answer")
    connection.flush(*((b"0\r\n\r\n",) if is_chunked else ()))


def _head(connection: Connection, reply: Reply, framing: Sequence[str] = (), *, is_last: bool = False) -> bytes:
    headers, status = reply.headers, reply.status
    if status == _NO_CONTENT:
        headers.pop(names.CONTENT_LENGTH, None)
    lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} ", *map(": ".join, headers.items()), *framing]
    if names.DATE not in headers:
        lines.append(f"{names.DATE}: {now()}")
    if connection.begin_answer(is_last=is_last):
        lines.append(f"{names.CONNECTION}: close")
    elif not connection.head.minor:
        lines.append(f"{names.CONNECTION}: keep-alive")
    lines += _END
    return joined(lines).encode("latin-1")


def opening(status: int, headers: Headers) -> str:
    """The beginning of a head: what does not change from one answer to the next. Raises UpstreamFailed."""
    return joined([_STATUS_LINES.get(status) or f"HTTP/1.1 {status} ", *map(": ".join, headers.items()), ""])


def write_opened(connection: Connection, opening: str, request_id: str, body: bytes) -> None:
    """Sends a whole answer whose head begins with `opening`: lines, each with its end. Says the length nowhere."""
    closing = _CLOSE if connection.begin_answer() else ""
    text = f"{opening}{names.X_REQUEST_ID}: {request_id}\r\n{closing}\r\n"
    connection.flush(text.encode("latin-1"), body)


def joined(lines: list[str]) -> str:
    """Lines of a head. Raises UpstreamFailed."""
    # Headers were checked where they came from; a line break that was not seen there must not make a header here
    text = "".join(lines)
    if "\n" in text or "\r" in text:
        raise UpstreamFailed("The answer has malformed headers.", slug="bad_answer")
    return "\r\n".join(lines)


def now() -> str:
    """The date of an answer that has none."""
    global _date
    second = int(time.time())
    if _date[0] != second:
        _date = second, formatdate(second, usegmt=True)
    return _date[1]

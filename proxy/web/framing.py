"""Where one request ends and the next begins, on one connection: the only place that says so. Reads no socket.

A next head is not looked at before it is asked for: whoever pipelines waits here.
"""

from enum import Enum
from typing import Final

from proxy.errors import ProxyError
from proxy.model import Limits
from proxy.web.chunks import Chunks
from proxy.web.head import Head, foresee, read_head

_END: Final = b"\r\n\r\n"
_EMPTY: Final = b"\r\n"


class Phase(Enum):
    """What the next bytes are."""

    HEAD = 1  # a head, or the rest of one
    BODY = 2  # the body of the request in flight
    NEXT = 3  # they belong to the next request, which waits


class Framing:
    """The bytes of one connection. `head` is that of the request in flight; `received` how many bytes of its body came;
    `waiting` what no request has claimed yet: part of a head, or what came behind the request in flight."""

    __slots__ = ("_chunks", "_had_empty", "_left", "_limits", "head", "is_head", "phase", "received", "waiting")

    def __init__(self, limits: Limits) -> None:
        self.phase = Phase.HEAD
        self.received = 0
        self.head: Head
        self.is_head = False  # whether what was refused was a HEAD request: its answer has no body
        self._limits = limits
        self.waiting = b""
        self._had_empty = False  # a line, before the head
        self._chunks: Chunks | None = None
        self._left = 0  # bytes of a body with a length that are still to come

    def feed(self, data: bytes) -> bytes:
        """What of it is body of the request in flight. Raises as `read_head` does; in a body BadRequest (slug
        `bad_body`)."""
        if self.phase is Phase.HEAD:
            return self._head(data)
        if self.phase is Phase.BODY:
            return self._body(data)
        self.waiting += data
        return b""

    def next(self) -> bytes:
        """The request in flight has its answer: begins with the bytes that wait. Returns and raises as `feed`."""
        self.phase = Phase.HEAD
        data, self.waiting = self.waiting, b""
        return self._head(data) if data else b""

    def _head(self, data: bytes) -> bytes:
        before = len(self.waiting)
        if before:
            data = self.waiting + data
        if data.startswith(_EMPTY) and not self._had_empty:
            # As a body's careless end; one alone (RFC 9112 §2.2)
            data, before, self._had_empty = data[2:], 0, True
        end = data.find(_END, max(0, before - 3))
        if end < 0:
            self.waiting = data
            if data and data != b"\r":
                foresee(data, before, self._limits)
            return b""
        self.waiting, self._had_empty = b"", False
        try:
            head = self.head = read_head(data[:end], self._limits)
        except ProxyError:
            self.is_head = data.startswith(b"HEAD ")
            raise
        rest = data[end + 4 :]
        self.received = 0
        if head.length == 0:
            self.phase = Phase.NEXT
            self.waiting = rest
            return b""
        self.phase = Phase.BODY
        self._left = head.length or 0
        self._chunks = Chunks() if head.length is None else None
        return self._body(rest) if rest else b""

    def _body(self, data: bytes) -> bytes:
        rest: bytes | None
        if self._chunks is not None:
            body, rest = self._chunks.feed(data)
        else:
            body, rest = data[: self._left], data[self._left :]
            self._left -= len(body)
            if self._left:
                rest = None
        self.received += len(body)
        if rest is not None:
            self.phase = Phase.NEXT
            self.waiting = rest
        return body

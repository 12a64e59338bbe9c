"""Where the body of an answer ends (RFC 9112 §6 and §7): by length, by chunks, or with the connection. Nothing here
waits, and nothing lenient has to be switched off."""

import re
from typing import Final, Protocol

from proxy.upstream.failures import bad_answer
from proxy.upstream.wire import MAX_HEAD, Head

_MAX_CHUNK_LINE: Final = 1024  # bytes, extensions and all
_CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_HEX: Final = frozenset(b"0123456789ABCDEFabcdef")
_TRAILER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")
_NO_CONTENT: Final = (204, 304)


class Framing(Protocol):
    """Finds the end of a body in the bytes of its connection."""

    is_done: bool
    has_excess: bool  # bytes came after the end: whose they are nobody can tell
    ends_with_connection: bool

    def feed(self, data: bytes) -> bytes:
        """What of `data` is body. Raises UpstreamFailed."""
        ...


def framing_of(head: Head) -> Framing:
    """For an answer that may have a body."""
    if head.is_chunked:
        return Chunked()
    return UntilClose() if head.length is None else Length(head.length)


def has_no_body(method: str, status: int) -> bool:
    """Whatever its head says (RFC 9112 §6.3)."""
    return method == "HEAD" or status in _NO_CONTENT


class Length:
    """So many bytes."""

    ends_with_connection = False

    def __init__(self, length: int) -> None:
        self._left = length
        self.is_done, self.has_excess = length == 0, False

    def feed(self, data: bytes) -> bytes:
        """See `Framing.feed`."""
        left = self._left - len(data)
        if left < 0:
            self.has_excess = True
            data, left = data[: self._left], 0
        self._left = left
        self.is_done = left == 0
        return data


class UntilClose:
    """Everything up to the end of the connection: HTTP/1.0, and what has neither length nor coding."""

    is_done = False
    has_excess = False
    ends_with_connection = True

    def feed(self, data: bytes) -> bytes:
        """See `Framing.feed`."""
        return data


class Chunked:
    """RFC 9112 §7.1. Extensions and trailers are checked for their form and dropped."""

    ends_with_connection = False

    def __init__(self) -> None:
        self.is_done = self.has_excess = False
        self._held = b""  # the beginning of a line
        self._left = 0  # bytes of the chunk, and of the line end behind it
        self._trailers = -1  # bytes of them; -1 before the last chunk

    def feed(self, data: bytes) -> bytes:
        """See `Framing.feed`."""
        if self._held:
            data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        at, size = 0, len(data)
        while at < size and not self.is_done:
            at = self._chunk(data, at, pieces) if self._left else self._line(data, at)
        self.has_excess = self.is_done and at < size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _chunk(self, data: bytes, at: int, pieces: list[bytes]) -> int:
        if self._left > 2:
            piece = data[at : at + self._left - 2]
            pieces.append(piece)
            self._left -= len(piece)
            at += len(piece)
            if self._left > 2:
                return at
        found = data[at : at + self._left]
        if not b"\r\n"[2 - self._left :].startswith(found):
            raise bad_answer()
        self._left -= len(found)
        return at + len(found)

    def _line(self, data: bytes, at: int) -> int:
        """A chunk's first line, or one behind the last chunk."""
        end = data.find(b"\n", at, at + _MAX_CHUNK_LINE) + 1
        if not end:
            is_size = self._trailers >= 0 or data[at] in _HEX
            if not is_size or len(data) - at >= _MAX_CHUNK_LINE:
                raise bad_answer()
            self._held = data[at:]
            return len(data)
        if self._trailers >= 0:
            self._trailer(data, at, end)
            return end
        match = _CHUNK_LINE.fullmatch(data, at, end)
        if match is None:
            raise bad_answer()
        length = int(match[1], 16)
        if length:
            self._left = length + 2
        else:
            self._trailers = 0
        return end

    def _trailer(self, data: bytes, at: int, end: int) -> None:
        if data[at:end] == b"\r\n":
            self.is_done = True
            return
        self._trailers += end - at
        if self._trailers > MAX_HEAD or not _TRAILER.fullmatch(data, at, end):
            raise bad_answer()

"""Takes the chunk framing off a request body: strict, bounded, and nothing of it is handed on (RFC 9112 §7.1).

The body is framed anew for whoever reads it next, so extensions, trailers and odd sizes end here.
"""

import re
from typing import Final

from proxy import names
from proxy.errors import BadRequest

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SIZE: Final = re.compile(rb'([0-9A-Fa-f]{1,8})(?:;%b(?:=(?:%b|"[!#-\[\]-~]*"))?){0,8}' % (_TOKEN, _TOKEN))
_FIELD: Final = re.compile(rb"(%b):[\t\x20-\x7e\x80-\xff]*" % _TOKEN)
# What a line may be before its end has come, by state: garbage gets its answer at once, without a line break, too.
_SIZE_SO_FAR: Final = re.compile(rb"[0-9A-Fa-f]{1,8}(?:;[\x21-\x7e]*)?\r?")
_END_SO_FAR: Final = re.compile(rb"\r?")
_FIELD_SO_FAR: Final = re.compile(rb"(?:%b(?::[\t\x20-\x7e\x80-\xff]*)?)?\r?" % _TOKEN)
_LONGEST_LINE: Final = 1024
_MOST_TRAILERS: Final = 16
# What a trailer may not say, for whoever would merge it with the headers (RFC 9110 §6.5.1).
_NEVER_LAST: Final = frozenset(
    name.encode()
    for name in (
        names.AUTHORIZATION,
        names.CONNECTION,
        names.CONTENT_ENCODING,
        names.CONTENT_LENGTH,
        names.CONTENT_TYPE,
        names.COOKIE,
        names.EXPECT,
        names.HOST,
        names.ORIGIN,
        names.REFERER,
        names.TE,
        names.TRAILER,
        names.TRANSFER_ENCODING,
        names.X_FORWARDED_FOR,
    )
)
# So many chunks may be tiny; after that they hold this much on average, or reading them costs more than sending them.
_FREE_CHUNKS: Final = 1024
_AVERAGE: Final = 16
_SIZE_LINE, _DATA_END, _TRAILERS = range(3)
_SO_FAR: Final = (_SIZE_SO_FAR, _END_SO_FAR, _FIELD_SO_FAR)


class Chunks:
    """One chunked body."""

    __slots__ = ("_count", "_left", "_line", "_state", "_total", "_trailers")

    def __init__(self) -> None:
        self._left = 0  # bytes of the chunk that are still to come
        self._line = b""  # what has come of a line
        self._state = _SIZE_LINE
        self._count = self._total = self._trailers = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The body's bytes in `data`, and what follows the body's end; None while that has not come.

        Raises BadRequest (slug `bad_body`).
        """
        pieces: list[bytes] = []
        at, size = 0, len(data)
        while at < size:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                continue
            end = data.find(b"\n", at, at + _LONGEST_LINE)
            if end < 0:
                self._line += data[at:]
                if len(self._line) > _LONGEST_LINE or not _SO_FAR[self._state].fullmatch(self._line):
                    raise _bad()
                break
            line = self._line + data[at : end + 1]
            self._line, at = b"", end + 1
            if line[-2:] != b"\r\n" or len(line) > _LONGEST_LINE:
                raise _bad()
            if self._is_last(line[:-2]):
                return b"".join(pieces), data[at:]
        return b"".join(pieces), None

    def _is_last(self, line: bytes) -> bool:
        if self._state == _SIZE_LINE:
            match = _SIZE.fullmatch(line)
            if match is None:
                raise _bad()
            self._begin(int(match[1], 16))
        elif self._state == _DATA_END:
            if line:
                raise _bad()
            self._state = _SIZE_LINE
        elif not line:
            return True
        else:
            self._check_trailer(line)
        return False

    def _begin(self, size: int) -> None:
        self._left = size
        self._state = _DATA_END if size else _TRAILERS
        self._count += 1
        self._total += size
        if self._count > _FREE_CHUNKS and self._total < self._count * _AVERAGE:
            raise BadRequest("The request body comes in chunks that are too small.", slug="bad_body")

    def _check_trailer(self, line: bytes) -> None:
        """A trailer is read and dropped."""
        match = _FIELD.fullmatch(line)
        self._trailers += 1
        if match is None or match[1].lower() in _NEVER_LAST or self._trailers > _MOST_TRAILERS:
            raise _bad()


def _bad() -> BadRequest:
    return BadRequest("The request body is malformed.", slug="bad_body")

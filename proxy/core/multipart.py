"""Reads a multipart form (RFC 7578) that arrives in pieces, and takes parts out of it. What two readers could read in
two ways is refused: the encoders of browsers and of HTTP libraries write nothing of that.
"""

import enum
import re
from typing import Final

from proxy.core.content import has_foreign_charset
from proxy.core.parameters import Field, name_of
from proxy.errors import BadRequest

_MOST_PARTS: Final = 1000
_LONGEST_HEAD: Final = 16 * 1024
_LINE: Final = re.compile(r"([a-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)", re.IGNORECASE)
# Plain words and quoted strings without escapes; the name first, as everybody writes it (.NET without quotes).
_DISPOSITION: Final = re.compile(
    r"form-data;[ \t]*name=(?:\"([^\"\\;]*)\"|([\w.-]+))"
    r"(?:;[ \t]*filename=(?:\"[^\"\\]*\"|[\w.-]+))?(?:;[ \t]*filename\*=utf-8'[a-z-]*'[\w.%!#$&+^`|~-]*)?",
    re.IGNORECASE,
)
_NAME: Final = re.compile(r"(?<!file)name\*?\s*=", re.IGNORECASE)  # some readers look for it within quotes, too
_HEADERS: Final = frozenset(("content-disposition", "content-type", "content-transfer-encoding", "content-length"))
_CODINGS: Final = ("7bit", "8bit", "binary")  # the transfer encodings that change nothing


class _At(enum.Enum):
    DELIMITER = 1  # at the beginning of a line that has to be one
    HEAD = 2  # of a part
    CONTENT = 3  # of a part
    END = 4  # behind the closing delimiter


class MultipartFilter:
    """Drops the parts whose name is in `dropped`; everything else passes byte for byte. `fields` holds what was in
    the parts called as in `read` (both lower-case): give no names there for a body of any length."""

    def __init__(self, boundary: bytes, dropped: frozenset[str], read: frozenset[str] = frozenset()) -> None:
        self._mark = b"--" + boundary
        self._dropped, self._read = dropped, read
        self._held, self._next = b"", 0  # what is not passed on yet; where in it we are
        self._at = _At.DELIMITER
        self._parts = 0
        self._name = ""
        self._keep = True
        self._value = bytearray()
        self.fields: list[Field] = []

    def feed(self, piece: bytes) -> bytes:
        """What may pass now. Raises BadRequest."""
        self._held, self._next = self._held[self._next :] + piece, 0
        out: list[bytes] = []
        while self._step(out):
            pass
        return b"".join(out)

    def finish(self) -> bytes:
        """What was held back. Call once, after the last piece. Raises BadRequest where the closing delimiter is
        missing."""
        rest = self._held[self._next :]
        if self._at is not _At.END or rest not in (b"", b"\r\n"):
            raise _malformed()
        return rest

    def _step(self, out: list[bytes]) -> bool:
        """One move; False when more bytes are needed."""
        match self._at:
            case _At.DELIMITER:
                return self._delimiter(out)
            case _At.HEAD:
                return self._head(out)
            case _At.CONTENT:
                return self._content(out)
            case _At.END:
                return self._end()

    def _delimiter(self, out: list[bytes]) -> bool:
        end = self._next + len(self._mark) + 2
        line = self._held[self._next : end]
        delimiters = (self._mark + b"\r\n", self._mark + b"--")
        if line not in delimiters:
            if not any(each.startswith(line) for each in delimiters):
                raise _malformed()
            return False
        self._next = end
        if line == delimiters[1]:
            out.append(line)
            self._at = _At.END
            return True
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise BadRequest(f"The multipart form has more than {_MOST_PARTS} parts.", slug="bad_body")
        self._at = _At.HEAD
        return True

    def _head(self, out: list[bytes]) -> bool:
        end = self._held.find(b"\r\n\r\n", self._next, self._next + _LONGEST_HEAD)
        if end < 0:
            if len(self._held) - self._next >= _LONGEST_HEAD:
                raise _malformed()
            return False
        self._name = _name_in(self._held[self._next : end])
        self._keep = self._name not in self._dropped
        if self._keep:
            out += (self._mark, b"\r\n", self._held[self._next : end + 4])
        self._next = end + 4
        self._at = _At.CONTENT
        return True

    def _content(self, out: list[bytes]) -> bool:
        """Up to the next delimiter, which begins a line. Where one stands behind half a line break, or at once, others
        than we would see it, or not."""
        held, look = self._held, self._next
        while (found := held.find(self._mark, look)) >= 0:
            before = held[max(self._next, found - 2) : found]
            if before == b"\r\n":
                self._take(found, out)
                self._close()
                return True
            if before[-1:] in (b"", b"\r", b"\n"):
                raise _malformed()
            look = found + 1
        # The end may be the beginning of a line break and a delimiter
        self._take(max(look, len(held) - len(self._mark) - 1), out)
        return False

    def _take(self, end: int, out: list[bytes]) -> None:
        piece = self._held[self._next : end]
        self._next = end
        if self._keep:
            out.append(piece)
            if self._name in self._read:
                self._value += piece

    def _close(self) -> None:
        if self._keep and self._name in self._read:
            self.fields.append(Field(self._name, self._value.removesuffix(b"\r\n").decode("utf-8", "replace")))
        self._value = bytearray()
        self._at = _At.DELIMITER

    def _end(self) -> bool:
        if not b"\r\n".startswith(self._held[self._next :]):
            raise _malformed()
        return False


def _name_in(head: bytes) -> str:
    """The name of the part with this head, as servers compare it. Raises BadRequest for a head that has more, or has it
    otherwise, than RFC 7578 knows."""
    text = head.decode("utf-8", "replace")
    lines = [_LINE.fullmatch(line) for line in text.split("\r\n")]
    found = {line[1].lower(): line[2] for line in lines if line is not None}
    if len(found) != len(lines) or not found.keys() <= _HEADERS or len(_NAME.findall(text)) != 1:
        raise _malformed()
    disposition = _DISPOSITION.fullmatch(found.get("content-disposition", "").rstrip(" \t"))
    kind, coding = found.get("content-type", "").lower(), found.get("content-transfer-encoding", "8bit")
    if (
        disposition is None
        or kind.startswith("multipart")
        or has_foreign_charset(kind)
        or coding.lower() not in _CODINGS
    ):
        raise _malformed()
    return name_of(disposition[1] or disposition[2] or "")


def _malformed() -> BadRequest:
    return BadRequest("The multipart form is not written as RFC 7578 has it.", slug="bad_body")

"""Takes parts out of a multipart form that arrives in pieces (RFC 7578). It parses no more than it must: the
delimiters, and each part's Content-Disposition.
"""

import enum
import re
from typing import Final

from proxy.errors import BadRequest

_BOUNDARY: Final = re.compile(r';\s*boundary\s*=\s*(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME: Final = re.compile(rb'[;\s]name\*?\s*=\s*(?:"((?:[^"\\\r\n]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)
_MAX_PART_HEAD: Final = 16 * 1024


class _At(enum.Enum):
    CONTENT = 1  # of a part, or the preamble
    HEAD = 2  # just behind a delimiter
    END = 3  # behind the closing delimiter


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a multipart Content-Type names, or None."""
    match = _BOUNDARY.search(content_type)
    return (match[1] or match[2]).encode("latin-1") if match else None


class MultipartFilter:
    """Drops the parts whose name is in `dropped` (lower-case); everything else passes byte for byte."""

    def __init__(self, boundary: bytes, dropped: frozenset[str]) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._dropped = dropped
        # The first delimiter has no line break before it: this one is put there, and taken off again.
        self._held = b"\r\n"
        self._invented = 2
        self._at = _At.CONTENT
        self._keep = True

    def feed(self, chunk: bytes) -> bytes:
        """What may pass now. Raises BadRequest for a part whose head is longer than 16 KiB."""
        self._held += chunk
        out = bytearray()
        while self._step(out):
            pass
        return self._without_invented(bytes(out))

    def finish(self) -> bytes:
        """What was held back. Call once, after the last piece."""
        rest, self._held = self._held, b""
        if self._at is _At.HEAD:
            rest = self._delimiter + rest
        return self._without_invented(rest) if self._keep or self._at is not _At.CONTENT else b""

    def _step(self, out: bytearray) -> bool:
        """One move; False when more bytes are needed."""
        if self._at is _At.END:
            out += self._held
            self._held = b""
            return False
        return self._content(out) if self._at is _At.CONTENT else self._head(out)

    def _content(self, out: bytearray) -> bool:
        end = self._held.find(self._delimiter)
        found = end >= 0
        if not found:
            end = max(0, len(self._held) - len(self._delimiter) + 1)
        if self._keep:
            out += self._held[:end]
        self._held = self._held[end + len(self._delimiter) :] if found else self._held[end:]
        if found:
            self._at = _At.HEAD
        return found

    def _head(self, out: bytearray) -> bool:
        if self._held.startswith(b"--"):
            out += self._delimiter
            self._at = _At.END
            return True
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            if len(self._held) > _MAX_PART_HEAD:
                raise BadRequest("A part of the multipart body has a head that does not end.", slug="bad_body")
            return False
        head, self._held = self._held[: end + 4], self._held[end + 4 :]
        match = _NAME.search(head)
        name = (match[1] or match[2] or b"").decode("latin-1").strip().lower() if match else ""
        self._keep = name not in self._dropped
        if self._keep:
            out += self._delimiter + head
        self._at = _At.CONTENT
        return True

    def _without_invented(self, out: bytes) -> bytes:
        if not self._invented or not out:
            return out
        cut = min(self._invented, len(out))
        self._invented -= cut
        return out[cut:]

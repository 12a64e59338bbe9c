"""Looks into gzip and deflate bodies that arrive in pieces: at their beginning within a bound, or all through."""

import zlib
from collections.abc import Iterator
from typing import Final

from proxy import names
from proxy.traffic import Headers

GZIP_WINDOW: Final = 31  # for zlib: a gzip header and trailer
_ZLIB: Final = 15
_RAW: Final = -15
_FIRST_STEP: Final = 1024
_STEP: Final = 64 * 1024
_LONG: Final = 256 * 1024
_MOST_RATIO: Final = 300  # JSON of a million equal features comes near it
_WINDOWS: Final = {"gzip": GZIP_WINDOW, "x-gzip": GZIP_WINDOW, "deflate": _ZLIB}


def coding_of(headers: Headers) -> str:
    """The content coding of a body, lower-case; "" where it stands as it is."""
    coding = headers.get(names.CONTENT_ENCODING, "").strip().lower()
    return "" if coding == "identity" else coding


def in_the_clear(headers: Headers, body: object) -> bytes | None:
    """A body that is there as a whole, without its gzip; None for pieces, and for what has to be looked at with more
    care: other codings, what breaks off, has something behind it or becomes long."""
    if not isinstance(body, bytes):
        return None
    coding = coding_of(headers)
    if not coding:
        return body
    # The last bytes say how long it becomes (RFC 1952 §2.3.1)
    if _WINDOWS.get(coding) != GZIP_WINDOW or int.from_bytes(body[-4:], "little") > _LONG:
        return None
    decoder = zlib.decompressobj(GZIP_WINDOW)
    try:
        text = decoder.decompress(body, _LONG)
    except zlib.error:
        return None
    return text if decoder.eof and not decoder.unused_data else None


class Inflater:
    """Makes at most `most` bytes: what a bomb would become is never made. Is to be fed no more than `most` either."""

    def __init__(self, coding: str, most: int) -> None:
        self._coding = coding
        self._most = most
        self._wire = b""
        self._made = 0
        self._decoder: zlib._Decompress | None = None
        self.is_broken = False

    @staticmethod
    def knows(coding: str) -> bool:
        """Whether this content coding can be looked into."""
        return coding in _WINDOWS

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What these bytes add, in the clear: first a little, which mostly tells enough, then the rest. `is_broken`
        once they are no more what they claim to be."""
        if self.is_broken:
            return
        self._wire += chunk
        if self._decoder is None:
            if len(self._wire) < 2:
                return
            self._decoder, chunk = zlib.decompressobj(_window(self._coding, self._wire)), self._wire
        step = _FIRST_STEP
        while self._made < self._most:
            room = min(step, self._most - self._made)
            try:
                new = self._decoder.decompress(chunk, room)
            except zlib.error:
                self.is_broken = True
                new = self._until_it_broke()[self._made :]
            self._made += len(new)
            yield new
            chunk, step = self._decoder.unconsumed_tail, self._most
            if self.is_broken or (not chunk and len(new) < room):
                return

    def _until_it_broke(self) -> bytes:
        """zlib throws away what it made of the piece that ends in an error; without it, the cut would decide."""
        decoder = zlib.decompressobj(_window(self._coding, self._wire))
        made = b""
        try:
            for index in range(len(self._wire)):
                made += decoder.decompress(self._wire[index : index + 1], max(1, self._most - len(made)))
        except zlib.error:
            pass
        return made[: self._most]


class Inflating:
    """Makes a whole body of any length clear, piece by piece. Unlike `Inflater` it never stops early."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._wire = b""
        self._decoder: zlib._Decompress | None = None
        self._fed = self._made = 0

    @property
    def is_complete(self) -> bool:
        """Whether the body ended where it says it ends."""
        return self._decoder.eof if self._decoder is not None else not self._wire

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """What these bytes add, at most 64 KiB at a time.

        Raises ValueError where they are not what they claim to be, or become more than a text ever does.
        """
        self._fed += len(chunk)
        if self._decoder is None:
            self._wire += chunk
            if len(self._wire) < 2:
                return
            self._decoder, chunk = zlib.decompressobj(_window(self._coding, self._wire)), self._wire
        while chunk:
            try:
                new = self._decoder.decompress(chunk, _STEP)
            except zlib.error:
                raise ValueError("not a compressed body") from None
            self._made += len(new)
            if self._made > _MOST_RATIO * self._fed + _STEP:
                raise ValueError("a compressed body that becomes far too long")
            if new:
                yield new
            chunk = self._decoder.unconsumed_tail
            if self._decoder.eof and self._decoder.unused_data:  # gzip bodies may have several members
                chunk = self._decoder.unused_data
                self._decoder = zlib.decompressobj(_window(self._coding, chunk))


def _window(coding: str, wire: bytes) -> int:
    # RFC 9110 §8.4.1.2: "deflate" is zlib, but servers are known to send the bare stream
    is_zlib = len(wire) > 1 and wire[0] & 15 == 8 and int.from_bytes(wire[:2], "big") % 31 == 0
    return _RAW if coding == "deflate" and not is_zlib else _WINDOWS[coding]

"""Looks into a gzip or deflate body that arrives in pieces, within a bound; it is for looking alone, what is sent on
stays as it came."""

import zlib
from collections.abc import Iterator
from typing import Final

_GZIP: Final = 31
_ZLIB: Final = 15
_RAW: Final = -15
_FIRST_STEP: Final = 1024
_WINDOWS: Final = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}


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
            self._decoder, chunk = zlib.decompressobj(self._window()), self._wire
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

    def _window(self) -> int:
        # RFC 9110 §8.4.1.2: "deflate" is zlib, but servers are known to send the bare stream
        is_zlib = self._wire[0] & 15 == 8 and int.from_bytes(self._wire[:2], "big") % 31 == 0
        return _RAW if self._coding == "deflate" and not is_zlib else _WINDOWS[self._coding]

    def _until_it_broke(self) -> bytes:
        """zlib throws away what it made of the piece that ends in an error; without it, the cut would decide."""
        decoder = zlib.decompressobj(self._window())
        made = b""
        try:
            for index in range(len(self._wire)):
                made += decoder.decompress(self._wire[index : index + 1], max(1, self._most - len(made)))
        except zlib.error:
            pass
        return made[: self._most]

"""proxy.core.inflate: what it makes depends on the bytes alone, not on how they come, and is bounded."""

import gzip
import zlib

import pytest

from proxy.core.inflate import Inflater, Inflating

MOST = 20_000
PACKED = gzip.compress(b"head" + b"x" * 9_000 + bytes(range(256)) * 4)


def made(packed: bytes, size: int, coding: str = "gzip", most: int = MOST) -> tuple[bytes, bool]:
    inflater = Inflater(coding, most)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    return b"".join(part for piece in pieces for part in inflater.feed(piece)), inflater.is_broken


@pytest.mark.parametrize("length", range(1, len(PACKED) + 1))
def test_the_cut_never_decides_even_where_a_body_ends_too_early(length: int) -> None:
    part = PACKED[:length]
    whole = made(part, length)
    for size in (1, 2, 5, 100):
        assert made(part, size) == whole


def test_no_more_is_made_than_was_allowed() -> None:
    bomb = gzip.compress(b"x" * 5_000_000)
    for size in (1, 100, len(bomb)):
        assert made(bomb, size) == (b"x" * MOST, False)


def test_the_bare_stream_is_known_from_zlibs() -> None:
    packer = zlib.compressobj(wbits=-15)
    raw = packer.compress(b"words") + packer.flush()
    for packed in (raw, zlib.compress(b"words")):
        assert made(packed, 1, "deflate") == (b"words", False)


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_what_came_before_the_break_is_kept(size: int) -> None:
    text = b"head" + b"x" * 3_000
    spoiled = gzip.compress(text)[:-8] + b"\0" * 8
    assert made(spoiled, size) == (text, True)
    assert made(b"not gzip at all", size) == (b"", True)


def test_only_codings_it_can_look_into_are_known() -> None:
    assert Inflater.knows("gzip")
    assert Inflater.knows("deflate")
    assert not Inflater.knows("br")
    assert not Inflater.knows("gzip, gzip")


def test_what_becomes_far_too_long_is_no_text() -> None:
    """Zeros become a thousandth; texts stay far above that."""
    bomb = gzip.compress(bytes(50_000_000))
    made: list[int] = []

    def make() -> None:
        made.extend(map(len, Inflating("gzip").feed(bomb)))

    with pytest.raises(ValueError, match="far too long"):
        make()
    assert sum(made) < 400 * len(bomb)

"""proxy.upstream.framing: where a body ends, by the byte."""

import pytest

from proxy.errors import UpstreamFailed
from proxy.upstream.framing import Chunked, Length, UntilClose, framing_of, has_no_body
from proxy.upstream.wire import Head


def test_the_head_decides() -> None:
    assert isinstance(framing_of(Head(200, {}, None, True, True)), Chunked)
    assert isinstance(framing_of(Head(200, {}, 5, False, True)), Length)
    assert isinstance(framing_of(Head(200, {}, None, False, True)), UntilClose)


@pytest.mark.parametrize(
    ("method", "status", "expected"), [("HEAD", 200, True), ("GET", 204, True), ("GET", 304, True), ("GET", 200, False)]
)
def test_what_has_no_body(method: str, status: int, expected: bool) -> None:
    assert has_no_body(method, status) is expected


def test_a_length_ends_at_its_byte() -> None:
    framing = Length(5)
    assert framing.feed(b"abc") == b"abc"
    assert not framing.is_done
    assert framing.feed(b"defg") == b"de"
    assert (framing.is_done, framing.has_excess) == (True, True)
    assert Length(0).is_done


def test_the_end_of_the_connection_ends_it() -> None:
    framing = UntilClose()
    assert framing.feed(b"abc") == b"abc"
    assert (framing.is_done, framing.has_excess, framing.ends_with_connection) == (False, False, True)


CHUNKS = b'3\r\nabc\r\nA ;x="y"\r\n0123456789\r\n000\r\nT: 1\r\nU:\r\n\r\n'


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_chunks_are_read_however_they_are_cut(size: int) -> None:
    framing, body = Chunked(), b""
    for at in range(0, len(CHUNKS), size):
        assert not framing.is_done
        body += framing.feed(CHUNKS[at : at + size])
    assert (body, framing.is_done, framing.has_excess) == (b"abc0123456789", True, False)


def test_bytes_behind_the_last_chunk_are_noticed() -> None:
    framing = Chunked()
    assert framing.feed(CHUNKS + b"x") == b"abc0123456789"
    assert (framing.is_done, framing.has_excess) == (True, True)


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    "raw",
    [
        *(b"x\r\n", b"\r\n", b" 3\r\nabc\r\n", b"+3\r\nabc\r\n", b"0x3\r\nabc\r\n", b"3\nabc\r\n", b"3\r\r\nabc\r\n"),
        *(b"3\r\nabcd\r\n", b"3\r\nabc\n", b"3\r\nabc\rx", b"3,3\r\nabc\r\n", b"3;\x00\r\nabc\r\n"),
        *(b"3;a\nb\r\nabc\r\n", b"0\r\nno header\r\n\r\n", b"0\r\n: x\r\n\r\n", b"0\r\nT: \x00\r\n\r\n"),
        *(b"0\r\nT: 1\n\n", b"0\r\n folded\r\n\r\n"),
        *(b"1234567890abcdef\r\n", b"3;" + b"x" * 2000, b"0\r\n" + b"T: 1\r\n" * 20_000, b"\xef\xbc\x93\r\nabc\r\n"),
    ],
)
def test_chunks_that_are_none(raw: bytes, size: int) -> None:
    framing = Chunked()
    with pytest.raises(UpstreamFailed):
        [framing.feed(raw[at : at + size]) for at in range(0, len(raw), size)]

"""Servers whose answers are no answers, or odd ones."""

import asyncio

import pytest

from tests.live.conftest import World
from tests.live.hostile import GOOD, Call, Hostile, ask, bytes_and_close, bytes_and_wait
from tests.live.upstream.conftest import LONG, OK, SMUGGLED

BAD_HEADS = {
    "nothing": b"",
    "half a status line": b"HTTP/1.1 2",
    "half a head": OK + b"Content-Le",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "lower case": b"http/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "status of two digits": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    "status 000": b"HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 High\r\nContent-Length: 0\r\n\r\n",
    "status 1000": b"HTTP/1.1 1000 Higher\r\nContent-Length: 0\r\n\r\n",
    "status in other digits": "HTTP/1.1 ２００ OK\r\nContent-Length: 0\r\n\r\n".encode(),
    "101 unasked": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "101 after 100": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "control in the reason": b"HTTP/1.1 200 O\x01K\r\nContent-Length: 0\r\n\r\n",
    "carriage return in the reason": b"HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n",
    "two lengths": OK + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\ngood!",
    "one length twice": OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\ngood",
    "a list of lengths": OK + b"Content-Length: 4, 4\r\n\r\ngood",
    "a length with a sign": OK + b"Content-Length: +4\r\n\r\ngood",
    "a negative length": OK + b"Content-Length: -1\r\n\r\ngood",
    "a length in hex": OK + b"Content-Length: 0x4\r\n\r\ngood",
    "a length in other digits": OK + "Content-Length: ４\r\n\r\ngood".encode(),
    "an endless length": OK + b"Content-Length: " + b"9" * 40 + b"\r\n\r\ngood",
    "an empty length": OK + b"Content-Length:\r\n\r\ngood",
    "length and chunks": OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    "chunks and length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\ngood",
    "two codings": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    "chunked and identity": OK + b"Transfer-Encoding: chunked, identity\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    "chunked with a tab inside": OK + b"Transfer-Encoding: chun\tked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
    "NUL in a value": OK + b"ETag: a\0b\r\nContent-Length: 0\r\n\r\n",
    "carriage return in a value": OK + b"ETag: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "line feed in a value": OK + b"ETag: a\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n",
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 4\n\ngood",
    "a folded line": OK + b"ETag: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a blank before the colon": OK + b"Content-Length : 4\r\n\r\ngood",
    "a blank before the name": b"HTTP/1.1 200 OK\r\n Content-Length: 4\r\n\r\ngood",
    "no name": OK + b": 4\r\nContent-Length: 0\r\n\r\n",
    "no colon": OK + b"Content-Length\r\n\r\n",
    "a name with a control": OK + b"Content\x00-Length: 4\r\n\r\ngood",
    "5,000 headers": OK + b"".join(b"X-%d: x\r\n" % n for n in range(5000)) + b"Content-Length: 0\r\n\r\n",
    "129 headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(129)) + b"\r\n",
    "a header of 100 kB": OK + b"X: " + b"x" * 100_000 + b"\r\nContent-Length: 0\r\n\r\n",
    "a head without an end": OK + b"X: x\r\n" * 50_000,
    "20,000 interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + GOOD,
    "nine interim answers": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 9 + GOOD,
    "interim answers alone": b"HTTP/1.1 102 Processing\r\n\r\n" * 3,
    "a chunk without a size": OK + b"Transfer-Encoding: chunked\r\n\r\n\r\ngood\r\n0\r\n\r\n",
    "a chunk's size with a sign": OK + b"Transfer-Encoding: chunked\r\n\r\n+4\r\ngood\r\n0\r\n\r\n",
    "a chunk's size with 0x": OK + b"Transfer-Encoding: chunked\r\n\r\n0x4\r\ngood\r\n0\r\n\r\n",
    "a chunk's size that overflows": OK + b"Transfer-Encoding: chunked\r\n\r\n10000000000000004\r\ngood\r\n0\r\n\r\n",
    "a chunk longer than its size": OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\ngood\r\n0\r\n\r\n",
    "chunks with line feeds alone": OK + b"Transfer-Encoding: chunked\r\n\r\n4\ngood\n0\n\n",
    "an endless extension": OK + b"Transfer-Encoding: chunked\r\n\r\n4;" + b"x" * 5000 + b"\r\ngood\r\n0\r\n\r\n",
    "a header after the chunks that is none": OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nno header\r\n\r\n",
}


@pytest.mark.parametrize("raw", BAD_HEADS.values(), ids=BAD_HEADS.keys())
async def test_what_is_no_answer_is_502(world: World, hostile: Hostile, raw: bytes) -> None:
    hostile.script = bytes_and_close(raw)
    heard = await ask(world, f"{hostile.url}/a")
    assert (heard.status, heard.slug, heard.is_whole) == (502, "bad_answer", True)
    assert b"set-cookie" not in heard.raw.lower()
    assert len(hostile.heads) == 1


async def test_a_connection_that_is_reset_is_502(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        call.reset()

    hostile.script = script
    heard = await ask(world, f"{hostile.url}/a")
    assert (heard.status, heard.slug, len(hostile.heads)) == (502, "bad_answer", 1)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BROKEN_BODIES = {
    "inside a length": (OK + b"Content-Length: 200000\r\n\r\n", LONG),
    "before the body": (OK + b"Content-Length: 200000\r\n\r\n",),
    "inside a chunk": (CHUNKED, b"30d40\r\n", LONG),
    "between two chunks": (CHUNKED, b"186a0\r\n" + LONG + b"\r\n"),
    "inside the size of a chunk": (CHUNKED, b"186a0\r\n" + LONG + b"\r\n1"),
    "before the last empty line": (CHUNKED, b"186a0\r\n" + LONG + b"\r\n0\r\n"),
    "with a chunk that is none": (CHUNKED, b"186a0\r\n" + LONG + b"\r\nzz\r\n"),
    "with a second answer in place of a chunk": (CHUNKED, b"186a0\r\n" + LONG + b"\r\n", SMUGGLED),
    "with a chunk longer than its size": (CHUNKED, b"186a0\r\n" + LONG + b"xx\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("pieces", BROKEN_BODIES.values(), ids=BROKEN_BODIES.keys())
async def test_a_body_that_breaks_off_breaks_off_for_the_client(
    world: World, hostile: Hostile, pieces: tuple[bytes, ...]
) -> None:
    hostile.script = bytes_and_close(*pieces)
    heard = await ask(world, f"{hostile.url}/a")
    assert heard.status == 200
    assert not heard.is_whole
    assert b"smuggled" not in heard.raw
    (line,) = await world.logged("request")
    assert line["outcome"] == "cut"


CLEAN = {
    "more than the length": OK + b"Content-Length: 4\r\n\r\ngoodbye",
    "a second answer": OK + b"Content-Length: 4\r\n\r\ngood" + SMUGGLED,
    "a second answer behind chunks": CHUNKED + b"4\r\ngood\r\n0\r\n\r\n" + SMUGGLED,
    "extensions and trailers": CHUNKED + b'4;a="b"\r\ngood\r\n0;c\r\nX-T: 1\r\nSet-Cookie: a=b\r\n\r\n',
    "interim answers before it": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" + GOOD,
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 4\r\n\r\ngood",
    "an empty reason": b"HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\ngood",
    "zeros before the length": OK + b"Content-Length: 0004\r\n\r\ngood",
    "HTTP/1.0 with a length": b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\ngood",
    "HTTP/1.0 to the end": b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\ngood",
    "HTTP/1.1 to the end": OK + b"Connection: close\r\n\r\ngood",
    "letter case": b"HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\n4\r\ngood\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("raw", CLEAN.values(), ids=CLEAN.keys())
async def test_an_odd_answer_passes_clean(world: World, hostile: Hostile, raw: bytes, size: int) -> None:
    """However it is cut."""

    async def script(call: Call) -> None:
        for at in range(0, len(raw), size):
            call.writer.write(raw[at : at + size])
            await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        call.writer.close()

    hostile.script = script
    heard = await ask(world, f"{hostile.url}/a")
    assert (heard.status, heard.is_whole) == (200, True)
    assert b"good" in heard.body
    assert b"smuggled" not in heard.raw
    assert b"set-cookie" not in heard.raw.lower()
    assert b"bye" not in heard.raw


@pytest.mark.parametrize("status", [204, 304])
async def test_what_can_have_no_body_has_none(world: World, hostile: Hostile, status: int) -> None:
    hostile.script = bytes_and_wait(b"HTTP/1.1 %d So\r\nContent-Length: %d\r\n\r\n" % (status, len(SMUGGLED)), SMUGGLED)
    heard = await ask(world, f"{hostile.url}/a")
    assert (heard.status, heard.body) == (status, b"")
    assert (await ask(world, f"{hostile.url}/b")).body == b""
    assert hostile.connections == 2


async def test_the_body_of_a_head_request_answers_nobody(world: World, hostile: Hostile) -> None:
    hostile.script = bytes_and_wait(OK + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED)
    heard = await ask(world, f"{hostile.url}/a", "HEAD")
    assert (heard.status, heard.body) == (200, b"")
    assert b"content-length: %d" % len(SMUGGLED) in heard.head.lower()

"""Upstreams that lie, break off, stall and smuggle: what the client gets, what it never gets, and that the next
request works. On asyncio's own loop and on uvloop."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from tests.live.conftest import Build, World
from tests.live.hostile import GOOD, Call, Hostile, ask, bytes_and_close, bytes_and_wait, dialled, good, request, until

SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nsmuggled"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.fixture
async def world(build: Build, hostile: Hostile) -> AsyncIterator[World]:
    """A proxy with one rule for the hostile upstream. Whatever happened, the next request is answered rightly."""
    started: World = await build(
        {
            "server": {"listen": "127.0.0.1:0", "limits": {"body": "8MiB", "idleTimeout": "2s"}},
            "admin": {"listen": None},
            "allowedReferers": ["https://maps.example.com"],
            "upstream": {"connectTimeout": "1s", "headerTimeout": "600ms", "idleTimeout": "600ms", "maxConnections": 4},
            "serverUrls": [{"url": hostile.url, "access": "edit"}],
        }
    )
    yield started
    hostile.script = good
    for _ in range(3):
        heard = await ask(started, f"{hostile.url}/next")
        assert (heard.status, heard.body, heard.is_whole) == (200, b"good", True)


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


LONG = b"x" * 100_000  # more than is handed on in one piece
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
    assert '"outcome":"cut"' in await _log_line(world)


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


async def test_a_resting_connection_that_hears_anything_is_dropped(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        await good(call)
        await call.say(b"", b"", SMUGGLED)

    hostile.script = script
    for count in (1, 2, 3):
        assert (await ask(world, f"{hostile.url}/a")).body == b"good"
        await asyncio.sleep(0.1)
        assert (hostile.connections, hostile.open) == (count, 0)


async def test_a_resting_connection_that_ends_is_not_used_again(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        await good(call)
        call.writer.close()

    hostile.script = script
    for _ in range(3):
        assert (await ask(world, f"{hostile.url}/a", "POST", body=b"x=1")).body == b"good"
        await asyncio.sleep(0.05)
    assert [head[:4] for head in hostile.heads] == [b"POST"] * 3


async def test_a_connection_rests_for_less_than_the_server_says(world: World, hostile: Hostile) -> None:
    hostile.script = bytes_and_wait(b"HTTP/1.1 204 No\r\nKeep-Alive: timeout=1\r\n\r\n")
    await ask(world, f"{hostile.url}/a")
    assert hostile.open == 1
    await asyncio.sleep(0.7)
    assert hostile.open == 0


async def test_connections_are_used_again(world: World, hostile: Hostile) -> None:
    for _ in range(5):
        assert (await ask(world, f"{hostile.url}/a")).body == b"good"
    assert hostile.connections == 1


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("HEAD", 2), ("POST", 1), ("PUT", 1), ("DELETE", 1)])
async def test_only_reads_are_sent_again_and_only_on_a_connection_that_had_served(
    world: World, hostile: Hostile, method: str, times: int, is_reset: bool
) -> None:
    async def script(call: Call) -> None:
        """Serves the first request of each connection and breaks off at the second."""
        body = await call.body()
        if sum(head.startswith(b"GET /warm") for head in hostile.heads) and call.connection == 1 and served:
            call.reset() if is_reset else call.writer.close()
            return
        served.append(body)
        call.writer.write(GOOD if call.method != "HEAD" else OK + b"Content-Length: 4\r\n\r\n")

    served: list[bytes] = []
    hostile.script = script
    assert (await ask(world, f"{hostile.url}/warm")).body == b"good"
    heard = await ask(world, f"{hostile.url}/a", method, body=b"x=1" if method in ("POST", "PUT") else b"")
    assert heard.status == (200 if times == 2 else 502)
    assert sum(b" /a " in head for head in hostile.heads) == times


async def test_once_more_is_once(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        if b"/warm" in call.head:
            await good(call)
        else:
            call.writer.close()

    hostile.script = script
    assert (await ask(world, f"{hostile.url}/warm")).body == b"good"
    assert (await ask(world, f"{hostile.url}/a")).status == 502
    assert len(hostile.heads) == 3


async def test_a_byte_of_an_answer_is_an_answer(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        if b"/warm" in call.head:
            await good(call)
        else:
            await call.say(b"H")
            call.writer.close()

    hostile.script = script
    assert (await ask(world, f"{hostile.url}/warm")).body == b"good"
    assert (await ask(world, f"{hostile.url}/a")).status == 502
    assert len(hostile.heads) == 2


SILENCES = {
    "nothing": b"",
    "half a head": OK,
    "interim answers alone": b"HTTP/1.1 102 Processing\r\n\r\n" * 3,
}


@pytest.mark.parametrize("raw", SILENCES.values(), ids=SILENCES.keys())
async def test_a_server_that_falls_silent_is_504(world: World, hostile: Hostile, raw: bytes) -> None:
    hostile.script = bytes_and_wait(raw)
    async with asyncio.timeout(1.5):
        heard = await ask(world, f"{hostile.url}/a")
    assert (heard.status, heard.slug) == (504, "upstream_timeout")
    await asyncio.sleep(0.05)
    assert hostile.open == 0


async def test_a_head_that_drips_is_504(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        for byte in GOOD * 3:
            call.writer.write(bytes([byte]))
            await asyncio.sleep(0.1)

    hostile.script = script
    async with asyncio.timeout(1.5):
        assert (await ask(world, f"{hostile.url}/a")).status == 504


async def test_a_body_that_stalls_is_cut_and_one_that_goes_on_is_not(world: World, hostile: Hostile) -> None:
    async def slow(call: Call) -> None:
        call.writer.write(OK + b"Content-Length: 10\r\n\r\n")
        for _ in range(10):
            await call.say(b"x")
            await asyncio.sleep(0.1)

    async def stalled(call: Call) -> None:
        await call.say(OK + b"Content-Length: 10\r\n\r\nx")
        await asyncio.sleep(5)

    hostile.script = slow
    heard = await ask(world, f"{hostile.url}/a")
    assert (heard.is_whole, heard.body) == (True, b"x" * 10)
    hostile.script = stalled
    async with asyncio.timeout(2):
        heard = await ask(world, f"{hostile.url}/a")
    assert (heard.is_whole, heard.body) == (False, b"x")


async def test_an_upload_that_is_not_taken_is_504(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        call.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(5)

    hostile.script = script
    async with asyncio.timeout(5):
        heard = await ask(world, f"{hostile.url}/a", "POST", body=b"x" * (8 << 20))
    assert (heard.status, heard.slug) == (504, "upstream_timeout")


async def test_an_early_answer_is_passed_while_the_body_still_comes(world: World, hostile: Hostile) -> None:
    hostile.script = bytes_and_wait(b"HTTP/1.1 413 Much\r\nContent-Length: 4\r\n\r\nmuch")
    async with dialled(world) as (reader, writer), asyncio.timeout(3):
        writer.write(request(f"{hostile.url}/a", "POST", "Content-Length: 8000000") + b"x" * 2_000_000)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413 ")
        assert await reader.readexactly(4) == b"much"
    await asyncio.sleep(0.05)
    assert hostile.open == 0  # what it had of the body it would take for a request


async def test_a_long_upload_arrives_whole_in_each_framing(world: World, hostile: Hostile) -> None:
    arrived: list[bytes] = []

    async def script(call: Call) -> None:
        arrived.append(await call.body())
        call.writer.write(GOOD)

    hostile.script = script
    body = bytes(range(256)) * 20_000
    assert (await ask(world, f"{hostile.url}/a", "POST", body=body)).body == b"good"
    async with dialled(world) as (reader, writer):
        writer.write(request(f"{hostile.url}/a", "POST", "Transfer-Encoding: chunked"))
        for at in range(0, len(body), 100_000):
            piece = body[at : at + 100_000]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")
        assert b"good" in await reader.read()
    assert [each == body for each in arrived] == [True, True]
    assert b"expect" not in b"".join(hostile.heads).lower()


# --- the client's own faults are not the server's (streamed bodies: over a mebibyte) --------------------------------

BEGUN = b"%x\r\n%b\r\n" % (1_500_000, b"x" * 1_500_000)


@pytest.mark.parametrize(
    ("rest", "status", "slug"),
    [
        (b"%x\r\n%b\r\n0\r\n\r\n" % (7_500_000, b"x" * 7_500_000), 413, b"PROXY_BODY_TOO_LARGE"),
        (b"zz\r\n", 400, b"_BODY"),
        (b"", 408, b"PROXY_SLOW_BODY"),
    ],
    ids=["too much", "no chunk", "too slow"],
)
async def test_a_body_that_fails_is_the_clients_own_fault(
    world: World, hostile: Hostile, rest: bytes, status: int, slug: bytes
) -> None:
    async with dialled(world) as (reader, writer), asyncio.timeout(5):
        writer.write(request(f"{hostile.url}/a", "POST", "Transfer-Encoding: chunked") + BEGUN)
        await hostile.asked.wait()
        writer.write(rest)
        raw = await reader.read()
    assert raw.startswith(b"HTTP/1.1 %d " % status)
    assert slug in raw
    await asyncio.sleep(0.05)
    assert hostile.open == 0


async def test_a_client_that_leaves_during_its_upload_is_gone(world: World, hostile: Hostile) -> None:
    async with dialled(world) as (_, writer):
        writer.write(request(f"{hostile.url}/a", "POST", "Transfer-Encoding: chunked") + BEGUN)
        await hostile.asked.wait()
    assert '"outcome":"client_gone"' in await _log_line(world)
    assert hostile.open == 0


@pytest.mark.parametrize(("is_reset", "seconds"), [(True, 0.2), (False, 0.5 + 0.2)])
async def test_a_client_that_leaves_ends_the_request_upstream(
    build: Build, hostile: Hostile, is_reset: bool, seconds: float
) -> None:
    """Long before the server's time is over, which would end it as well. One whose end of the line is closed, and not
    the line, may be listening still: it has half a second for an answer to begin."""
    world: World = await build(
        {
            "server": {"listen": "127.0.0.1:0"},
            "admin": {"listen": None},
            "allowedReferers": ["https://maps.example.com"],
            "upstream": {"headerTimeout": "60s"},
            "serverUrls": [{"url": hostile.url}],
        }
    )
    hostile.script = bytes_and_wait(b"")
    async with dialled(world) as (_, writer):
        writer.write(request(f"{hostile.url}/a"))
        await hostile.asked.wait()
        if is_reset:
            line: socket.socket = writer.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await until(lambda: hostile.open == 0, seconds)
    assert '"outcome":"client_gone"' in await _log_line(world)


# --- many at once ---------------------------------------------------------------------------------------------------


async def test_connections_are_bounded_and_who_waits_is_served_in_order(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        await asyncio.sleep(0.05)
        await good(call)

    hostile.script = script
    heard = await asyncio.gather(*(ask(world, f"{hostile.url}/{n}") for n in range(20)))
    assert {each.body for each in heard} == {b"good"}
    assert (hostile.connections, hostile.most_open) == (4, 4)


async def test_who_waits_too_long_for_a_connection_is_told(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        call.writer.write(OK + b"Content-Length: 100\r\n\r\n")
        for _ in range(20):
            await call.say(b"x")
            await asyncio.sleep(0.1)
        call.writer.close()

    hostile.script = script
    busy = [asyncio.create_task(ask(world, f"{hostile.url}/{n}")) for n in range(4)]
    await asyncio.sleep(0.2)
    heard = await ask(world, f"{hostile.url}/late")
    assert (heard.status, heard.slug) == (504, "upstream_timeout")
    assert b"stayed busy" in heard.body
    await asyncio.gather(*busy)


async def test_a_dead_server_takes_no_connections_of_another(build: Build, hostile: Hostile) -> None:
    dead = Hostile(bytes_and_wait(b""))
    await dead.start()
    world: World = await build(
        {
            "server": {"listen": "127.0.0.1:0"},
            "admin": {"listen": None},
            "allowedReferers": ["https://maps.example.com"],
            "upstream": {"connectTimeout": "2s", "headerTimeout": "2s", "maxConnections": 4},
            "serverUrls": [{"url": hostile.url}, {"url": dead.url}],
        }
    )
    stuck = [asyncio.create_task(ask(world, f"{dead.url}/{n}")) for n in range(8)]
    await until(lambda: len(dead.heads) == 4)
    async with asyncio.timeout(1):
        assert {(await ask(world, f"{hostile.url}/{n}")).body for n in range(8)} == {b"good"}
    assert {(await task).status for task in stuck} == {504}
    await dead.stop()


async def test_a_server_that_comes_back_is_not_run_over_by_those_who_waited(build: Build, hostile: Hostile) -> None:
    """It falls silent, a crowd gathers, and it comes back able to do four things at a time: with more it falls over."""
    is_well, at_once, most = asyncio.Event(), 0, 0

    async def script(call: Call) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await is_well.wait()
        if at_once > 4:
            call.reset()
        else:
            await asyncio.sleep(0.005)
            await good(call)
        at_once -= 1

    hostile.script = script
    world: World = await build(
        {
            "server": {"listen": "127.0.0.1:0"},
            "admin": {"listen": None},
            "allowedReferers": ["https://maps.example.com"],
            "upstream": {"connectTimeout": "10s", "headerTimeout": "10s", "maxConnections": 4},
            "serverUrls": [{"url": hostile.url}],
        }
    )
    crowd = [asyncio.create_task(ask(world, f"{hostile.url}/{n}")) for n in range(60)]
    await until(lambda: len(hostile.heads) == 4)
    impatient = [crowd.pop() for _ in range(20)]  # those who leave are not asked for any more
    for task in impatient:
        task.cancel()
    await asyncio.wait(impatient)
    await asyncio.sleep(0.1)
    is_well.set()
    assert {(await task).body for task in crowd} == {b"good"}
    assert most == 4
    assert len(hostile.heads) <= 44
    assert hostile.most_open == 4


async def test_bytes_behind_a_long_body_end_its_connection(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        call.writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(LONG) + LONG + SMUGGLED[:20])

    hostile.script = script
    for count in (1, 2):
        heard = await ask(world, f"{hostile.url}/a")
        assert (heard.body, heard.is_whole, hostile.connections) == (LONG, True, count)


async def test_a_slow_reader_holds_the_server_back_and_costs_little(world: World, hostile: Hostile) -> None:
    size, sent = 64 << 20, 0
    block = b"x" * 65536

    async def script(call: Call) -> None:
        nonlocal sent
        call.writer.transport.set_write_buffer_limits(0)
        call.writer.write(OK + b"Content-Length: %d\r\n\r\n" % size)
        while sent < size:
            call.writer.write(block)
            await call.writer.drain()
            sent += len(block)

    assert (await ask(world, f"{hostile.url}/warm")).body == b"good"
    hostile.script = script
    async with dialled(world) as (reader, writer):
        before = _memory()
        writer.write(request(f"{hostile.url}/a"))
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.8)  # longer than the server's own time-out: that it waits is not its fault
        assert sent < 32 << 20  # what the system's own buffers hold
        assert _memory() - before < 2 << 20
        held, total = sent, 0
        while piece := await reader.read(1 << 20):
            total += len(piece)
    assert (total, sent > held) == (size, True)


def _memory() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read())
    assert found is not None
    return int(found[1]) * 1024


async def _log_line(world: World) -> str:
    """The last request's, once it is written."""
    await asyncio.sleep(0.3)
    return [line for line in world.log.getvalue().splitlines() if '"outcome"' in line][-1]

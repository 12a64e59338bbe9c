"""Servers that fall silent, bodies that stall or break off on either side."""

import asyncio
import re
import socket
import struct

import pytest

from tests.live.conftest import Build, World
from tests.live.hostile import GOOD, Call, Hostile, ask, bytes_and_wait, dialled, request
from tests.live.upstream.conftest import OK
from tests.until import until

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
    await until(lambda: hostile.open == 0)


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
    await until(lambda: hostile.open == 0)  # what it had of the body it would take for a request


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
    await until(lambda: hostile.open == 0)


async def test_a_client_that_leaves_during_its_upload_is_gone(world: World, hostile: Hostile) -> None:
    async with dialled(world) as (_, writer):
        writer.write(request(f"{hostile.url}/a", "POST", "Transfer-Encoding: chunked") + BEGUN)
        await hostile.asked.wait()
    (line,) = await world.logged("request")
    assert line["outcome"] == "client_gone"
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
        assert "\nresource_proxy_in_flight 1.0\n" in world.service.metrics.render().decode()
        if is_reset:
            raw: socket.socket = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await until(lambda: hostile.open == 0, seconds)
    (line,) = await world.logged("request")
    assert line["outcome"] == "client_gone"
    assert "\nresource_proxy_in_flight 0.0\n" in world.service.metrics.render().decode()


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

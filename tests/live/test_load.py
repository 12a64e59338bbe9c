"""Crowds and large bodies beside a normal client, who notices nothing; and what they cost in memory. The proxy is a
process of its own, as in production; what it takes is the system's word on it."""

import asyncio
import random
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from tests.live.hostile import Call, Hostile
from tests.live.limits import asked, large_and_good, picture
from tests.live.served import Serve, Served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc, and a crowd comes from many addresses")

IDLE, SLOW_HEADS, SLOW_READERS = 10_000, 300, 50
PIECE = b"x" * 262_144
MEBIBYTE = 2**20


@pytest.fixture
async def proxy(hostile: Hostile, tmp_path: Path, serve: Serve) -> Served:
    document = {
        "server": {
            "listen": "127.0.0.1:0",
            "limits": {"connections": 12_000, "headerTimeout": "60s", "body": "1024MiB", "drain": "1s"},
        },
        "admin": {"listen": "127.0.0.1:0"},
        "allowedReferers": ["https://maps.example.com"],
        "upstream": {"headerTimeout": "3s"},
        "serverUrls": [{"url": hostile.url, "access": "edit"}],
    }
    path = tmp_path / "proxy.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return await serve(path)


def memory(proxy: Served, what: str = "VmRSS") -> float:
    """MiB of the process; `VmHWM` is the most it ever had."""
    status = Path(f"/proc/{proxy.process.pid}/status").read_text(encoding="ascii")
    return int(status.partition(f"{what}:")[2].split()[0]) / 1024


@contextmanager
def many_descriptors(wanted: int) -> Iterator[int]:
    """As many as are allowed, less those that everything else needs."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted + 1000 if hard == resource.RLIM_INFINITY else min(hard, wanted + 1000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    try:
        yield min(wanted, max(soft, most) - 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connected(proxy: Served, number: int) -> socket.socket:
    """From one of many addresses: each has but a share."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.bind((f"127.0.1.{number % 32 + 1}", 0))
    line.connect(("127.0.0.1", proxy.port))
    return line


def is_open(line: socket.socket) -> bool:
    line.setblocking(False)
    try:
        return line.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True


async def times(proxy: Served, hostile: Hostile, count: int) -> list[float]:
    """Seconds that a normal client waits, on a connection that it keeps."""
    found = []
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    for number in range(count):
        began = time.perf_counter()
        writer.write(asked(hostile, f"normal/{number}"))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(4) == b"good"
        found.append(time.perf_counter() - began)
    writer.close()
    return found


async def test_a_crowd_troubles_no_normal_client(proxy: Served, hostile: Hostile) -> None:
    """Idle connections, heads that drip in, readers who hardly read. Where fewer descriptors are allowed, the crowd of
    the idle is smaller, and says so."""
    hostile.script = large_and_good
    alone = await times(proxy, hostile, 200)
    before = memory(proxy)
    with many_descriptors(IDLE + SLOW_HEADS + SLOW_READERS) as allowed, ExitStack() as crowd:
        idle = allowed - SLOW_HEADS - SLOW_READERS
        if idle < IDLE:
            sys.stderr.write(f"only {idle} idle connections: the limit of descriptors allows no more\n")
        assert idle > 1000
        lines = await asyncio.to_thread(lambda: [connected(proxy, number) for number in range(allowed)])
        for line in lines:
            crowd.enter_context(line)
        heads, readers = lines[:SLOW_HEADS], lines[SLOW_HEADS : SLOW_HEADS + SLOW_READERS]
        for line in readers:
            line.sendall(asked(hostile, "large"))
        dripping = asyncio.create_task(_drip(heads, asked(hostile, "head"), readers))
        beside = await times(proxy, hostile, 200)
        took = memory(proxy) - before
        dripping.cancel()
        for line in random.sample(lines, 200):  # nobody was put out for it
            assert is_open(line)
    assert statistics.median(beside) < 5 * statistics.median(alone) + 0.02
    assert sorted(beside)[-5] < 1.0
    assert took < 20 * idle / 1024 + SLOW_HEADS / 10 + 2 * SLOW_READERS


async def _drip(heads: list[socket.socket], head: bytes, readers: list[socket.socket]) -> None:
    for at in range(len(head) - 1):
        for line in heads:
            line.sendall(head[at : at + 1])
        for line in readers:
            line.recv(64, socket.MSG_DONTWAIT)
        await asyncio.sleep(0.1)


async def test_two_gibibytes_pass_at_constant_memory(proxy: Served, hostile: Hostile) -> None:
    hostile.script = picture(64 * MEBIBYTE)
    assert await asyncio.to_thread(_downloaded, proxy, hostile) == 64 * MEBIBYTE
    before = memory(proxy, "VmHWM")
    hostile.script = picture(2048 * MEBIBYTE)
    began = time.monotonic()
    assert await asyncio.to_thread(_downloaded, proxy, hostile) == 2048 * MEBIBYTE
    assert memory(proxy, "VmHWM") - before < 8
    assert time.monotonic() - began < 60


def _downloaded(proxy: Served, hostile: Hostile) -> int:
    """Bytes of a body."""
    with socket.create_connection(("127.0.0.1", proxy.port)) as line:
        line.sendall(asked(hostile, "large", "GET", "Connection: close"))
        room = bytearray(MEBIBYTE)
        count = line.recv_into(room)
        seen = count - room.index(b"\r\n\r\n") - 4
        while count := line.recv_into(room):
            seen += count
        return seen


async def test_an_upload_that_nobody_takes_costs_little(proxy: Served, hostile: Hostile) -> None:
    """The server does not read: the client has to wait, and not the proxy to keep what it sends."""

    async def deaf(call: Call) -> None:
        call.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(60)

    assert len(await times(proxy, hostile, 5)) == 5
    hostile.script = deaf
    before = memory(proxy)
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    head = asked(hostile, "upload", "POST", f"Content-Length: {512 * MEBIBYTE}", "Content-Type: image/tiff")
    sending = asyncio.create_task(_sent(writer, head, 2048))
    await asyncio.sleep(1.5)
    assert memory(proxy) - before < 16
    assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 504")
    sending.cancel()
    await asyncio.wait((sending,))
    writer.transport.abort()
    assert memory(proxy) - before < 16
    hostile.script = large_and_good
    assert len(await times(proxy, hostile, 5)) == 5


async def _sent(writer: asyncio.StreamWriter, head: bytes, pieces: int) -> None:
    writer.write(head)
    for _ in range(pieces):
        writer.write(PIECE)
        await writer.drain()

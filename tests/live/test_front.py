"""Raw bytes on the public port: what is no request gets an answer of ours, and nothing is repeated."""

import asyncio
import json
from typing import Any

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import Build, World, config


async def say(world: World, raw: bytes, seconds: float = 3.0) -> tuple[int, bytes]:
    """Status and body of the answer to raw bytes; the connection must close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.service.public.port)
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(), seconds)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


TAIL = b" HTTP/1.1\r\nHost: p\r\nReferer: https://maps.example.com/\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE canary\r\n\r\n",
        b"GET /proxy?https://canary.example/" + TAIL + b"Bad Header: x\r\n\r\n",
        b"GET /proxy?https://canary.example/" + TAIL + b"Content-Length: x\r\n\r\n",
        b"GET /proxy?https://canary.example/ HTTP/2.0\r\nHost: p\r\nConnection: close\r\n\r\n",
        b"GET /proxy#canary" + TAIL + b"\r\n",
        b"GET https://canary.example/" + TAIL + b"\r\n",
        b"GET /proxy?https://canary.example/" + TAIL + b"Host: q\r\n\r\n",
        b"POST /proxy?https://canary.example/" + TAIL + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET /proxy?https://canary.example/" + TAIL + b"Content-Length: 3\r\n\r\nabc",
    ],
)
async def test_a_malformed_request_is_400_in_our_own_words(world: World, raw: bytes) -> None:
    status, body = await say(world, raw)
    assert status == 400
    assert json.loads(body)["error"]["code"] == 400
    assert b"canary" not in body


async def test_a_head_that_drips_in_is_cut_off(build: Build, arcgis: Simulator) -> None:
    document: dict[str, Any] = config(arcgis.url)
    document["server"]["limits"]["headerTimeout"] = "300ms"
    world = await build(document)
    status, body = await say(world, b"GET /proxy?https://h/ HTTP/1.1\r\nHost:")
    assert (status, json.loads(body)["error"]["code"]) == (408, 408)
    assert (await world.client.get(world.url())).status == 200  # others are not touched
    await asyncio.sleep(0.4)
    assert (await world.client.get(world.url())).status == 200  # nor a kept-alive connection


async def test_connections_over_the_limit_get_a_503(build: Build, arcgis: Simulator) -> None:
    document: dict[str, Any] = config(arcgis.url)
    document["server"]["limits"]["connections"] = 2
    world = await build(document)
    held = [await asyncio.open_connection("127.0.0.1", world.service.public.port) for _ in range(2)]
    await asyncio.sleep(0.05)
    status, body = await say(world, b"")
    assert (status, json.loads(body)["error"]["code"]) == (503, 503)
    for _, writer in held:
        writer.close()
        await writer.wait_closed()
    await asyncio.sleep(0.05)
    assert (await world.client.get(world.url())).status == 200


async def test_expect_is_answered_only_when_the_body_is_wanted(world: World) -> None:
    tail = TAIL + b"Expect: 100-continue\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", world.service.public.port)
    writer.write(b"POST /proxy?https://not-listed.example/" + tail)
    assert (await reader.readline()).startswith(b"HTTP/1.1 403")
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", world.service.public.port)
    target = world.url("Secure/City/MapServer/0/query?f=json&where=1%3D1").encode()
    writer.write(b"POST /proxy?" + target + tail)
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 2) == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"body")
    assert (await asyncio.wait_for(reader.readline(), 2)).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_a_name_that_no_host_can_have_is_not_kept(world: World) -> None:
    for number in range(20):
        host = f"Host: {'a' * 20_000}{number}\r\n".encode()
        status, _ = await say(world, b"GET /proxy?ping" + TAIL.replace(b"Host: p\r\n", host) + b"\r\n")
        assert status == 200
    assert len(repr(world.service.current.runtime.said)) < 20_000

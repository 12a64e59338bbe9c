"""Clients that drip, stall or read slowly have their limits. On asyncio's own loop and on uvloop."""

import asyncio
import re
from contextlib import AsyncExitStack
from typing import Any

from tests.got import Got
from tests.live.conftest import Build, World, config
from tests.live.hostile import Hostile
from tests.live.limits import endless, limited, picture
from tests.live.raw import CITY, Line, connect, request
from tests.until import until


def refused(world: World, reason: str) -> float:
    """How often the metrics say so."""
    page = world.service.metrics.render().decode()
    found = re.search(rf'resource_proxy_malformed_requests_total{{reason="{reason}"}} (\S+)', page)
    return float(found[1]) if found else 0.0


async def test_a_head_that_drips_in_has_one_limit_for_all_of_it(build: Build, hostile: Hostile) -> None:
    world = await limited(build, hostile.url, headerTimeout="400ms", idleTimeout="60s")
    async with connect(world) as line:
        answer = asyncio.create_task(line.answer(5.0))
        for byte in request(world)[:75]:  # a second and a half of it
            if answer.done():
                break
            line.send(bytes([byte]))
            await asyncio.sleep(0.02)
        assert answer.done()  # and not when the client was silent for as long
        assert (await answer).error["messageCode"] == "PROXY_SLOW_HEAD"


async def test_a_second_head_has_the_same_limit(build: Build, arcgis: Any) -> None:
    world = await limited(build, arcgis.url, headerTimeout="300ms", idleTimeout="60s")
    async with connect(world) as line:
        line.send(request(world) + request(world)[:40])
        assert (await line.answer()).status == 200
        assert (await line.answer()).status == 408


async def test_an_idle_connection_is_closed_without_a_word(build: Build, arcgis: Any) -> None:
    world = await limited(build, arcgis.url, headerTimeout="300ms", idleTimeout="600ms")
    async with connect(world) as unused, connect(world) as used:
        used.send(request(world))
        assert (await used.answer()).status == 200
        assert await unused.rest() == b""
        used.send(request(world))  # longer than headerTimeout ago, and within idleTimeout
        assert (await used.answer()).status == 200
        assert await used.rest() == b""


async def answer_to_drops(line: Line) -> Got:
    answering = asyncio.create_task(line.answer(5))
    while not answering.done():
        line.send(b"x")
        await asyncio.sleep(0.05)
    return await answering


async def test_a_body_that_drips_is_not_waited_for(build: Build, arcgis: Any) -> None:
    """Each byte comes within the idle limit, and all of them would take an hour."""
    world = await limited(build, arcgis.url, headerTimeout="500ms", idleTimeout="60s")
    async with connect(world) as line:
        line.send(request(world, CITY, "Content-Length: 100000", "Content-Type: text/plain", method="POST"))
        assert (await answer_to_drops(line)).error["messageCode"] == "PROXY_SLOW_BODY"
    assert arcgis.journal.to("City/MapServer") == []


async def test_the_end_of_a_large_body_is_not_waited_for_either(build: Build, arcgis: Any) -> None:
    """What came at once would pay for a minute of dripping, were the average all that counts."""
    world = await limited(build, arcgis.url, headerTimeout="300ms", idleTimeout="1s")
    form = "Content-Type: application/x-www-form-urlencoded"
    async with connect(world) as line:
        line.send(request(world, CITY, "Content-Length: 100000", form, method="POST") + b"f=json&where=" + b"x" * 65536)
        await asyncio.sleep(0.9)  # a pause within the idle limit is nobody's fault
        assert (await answer_to_drops(line)).error["messageCode"] == "PROXY_SLOW_BODY"
    assert arcgis.journal.to("City/MapServer") == []


async def test_a_reader_who_stalls_holds_the_upstream_back_and_is_cut_off(build: Build, hostile: Hostile) -> None:
    hostile.script = endless
    document = {**config(hostile.url), "serverUrls": [{"url": hostile.url}]}
    document["server"]["limits"] |= {"idleTimeout": "800ms"}
    world = await build(document)
    async with AsyncExitStack() as stack:
        for _ in range(8):
            line = await stack.enter_async_context(connect(world, limit=1024))
            line.send(f"GET /proxy?{hostile.url}/a HTTP/1.1\r\n".encode() + request(world).partition(b"\r\n")[2])
        await asyncio.sleep(0.5)
        sent = hostile.sent
        await asyncio.sleep(0.2)
        assert hostile.sent == sent  # nobody reads, so nobody sends
        await until(lambda: hostile.open == 0, 5.0)
    assert refused(world, "slow_reader") == 8


async def test_a_slow_reader_who_goes_on_reading_is_served(build: Build, hostile: Hostile) -> None:
    size = 12 * 1024 * 1024
    hostile.script = picture(size)
    document = {**config(hostile.url), "serverUrls": [{"url": hostile.url}]}
    document["server"]["limits"] |= {"idleTimeout": "500ms"}
    world = await build(document)
    async with connect(world, limit=1024) as line:
        line.send(f"GET /proxy?{hostile.url}/a HTTP/1.1\r\n".encode() + request(world).partition(b"\r\n")[2])
        head = await line.reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.partition(b"\r\n")[0]
        left = size
        while left:
            left -= len(await line.reader.readexactly(min(left, 512 * 1024)))
            await asyncio.sleep(0.1)

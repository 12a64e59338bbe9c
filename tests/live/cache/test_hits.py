"""Hits of a target that was judged before, which `web.hits` answers at once: as the long way answers them."""

import asyncio
from typing import Any

import yaml
from aiohttp import web

from proxy.settings.load import load
from tests.live.cache.conftest import Origin, document, state
from tests.live.conftest import PAGE, Build, Got, World
from tests.live.raw import connect


async def hot(build: Build, origin: Origin, **rule: Any) -> World:
    """One stored answer, which was asked for twice."""
    origin.numbers(Cache_Control="max-age=60", ETag='"a"', Vary="Accept-Language")
    world: World = await build(document(origin, **rule))
    for _ in range(2):
        await world.client.get(f"{origin.url}/a?f=json")
    assert f"{origin.url}/a?f=json" in world.service.current.runtime.known
    return world


async def test_the_short_way_says_what_the_long_one_says(build: Build, origin: Origin) -> None:
    world = await hot(build, origin)
    for headers in ({}, {"Origin": "https://maps.example.com"}, {"X_Request_Id": "mine"}, {"If_None_Match": '"a"'}):
        world.service.current.runtime.known.clear()
        got = [await world.client.get(f"{origin.url}/a?f=json", **headers) for _ in range(4)]
        told = [{**each.headers, "status": str(each.status), "body": each.body.decode()} for each in got]
        for each in told:
            assert state(got[0]).startswith("hit; ttl=")
            assert headers.get("X_Request_Id", each["x-request-id"]) == each["x-request-id"]
            each["age"] = each["cache-status"] = each["x-request-id"] = ""
        assert all(each == told[0] for each in told)
        assert got[-1].status == (304 if "If_None_Match" in headers else 200)
    part = await world.client.get(f"{origin.url}/a?f=json", Range="bytes=0-2")
    assert (part.status, part.body) == (206, b"ans")
    assert len(origin.requests) == 1


async def test_the_short_way_looks_at_who_asks(build: Build, origin: Origin) -> None:
    world = await hot(build, origin)
    target = f"{origin.url}/a?f=json"
    for headers in (
        {"Referer": "https://evil.example.com/"},
        {"Referer": ""},
        {"Origin": "https://evil.example.com"},
        {"Sec_Fetch_Dest": "script"},
    ):
        got = [await world.client.get(target, **headers) for _ in range(2)]
        assert {each.status for each in got} == {403}, headers
        assert (await world.client.get(target)).status == 200
    assert (await world.client.get(target, "DELETE")).status == 405
    assert (await world.client.get(target, Cache_Control="no-cache")).body == b"answer 1"
    assert [request.headers.get("If-None-Match") for request in origin.requests] == [None, '"a"']
    assert (await world.client.get(target, Accept_Language="de")).body == b"answer 3"
    assert (await world.client.get(target)).body == b"answer 1"


async def test_the_short_way_counts_each_client(build: Build, origin: Origin) -> None:
    world = await hot(build, origin, rateLimit=5, rateLimitPeriod=1)
    got = [await world.client.get(f"{origin.url}/a?f=json") for _ in range(6)]
    assert [each.status for each in got] == [200] * 3 + [429] * 3
    assert got[-1].headers["retry-after"]


async def test_the_short_way_ends_with_the_answers_life_and_with_its_configuration(
    build: Build, origin: Origin
) -> None:
    origin.numbers(Cache_Control="max-age=1")
    rules = document(origin)
    world = await build(rules)
    bodies = [(await world.client.get(f"{origin.url}/a")).body for _ in range(3)]
    await asyncio.sleep(1.1)
    bodies += [(await world.client.get(f"{origin.url}/a")).body for _ in range(3)]
    assert bodies == [b"answer 1"] * 3 + [b"answer 2"] * 3
    rules["allowedReferers"] = ["https://other.example.com"]
    world.path.write_text(yaml.safe_dump(rules), encoding="utf-8")
    await world.service.apply(load(world.path, {}))
    assert (await world.client.get(f"{origin.url}/a")).status == 403
    await world.client.get(f"{origin.url}/a", Referer="https://other.example.com/")
    world.service.draining = True
    assert (await world.client.get(f"{origin.url}/a", Referer="https://other.example.com/")).status == 503
    world.service.draining = False


async def test_what_is_one_users_or_a_mounts_goes_the_long_way(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60")
    rules = document(origin, mount="/gis")
    world = await build(rules)
    for _ in range(3):
        async with world.client.session.get(
            f"{world.client.proxy.removesuffix('/proxy')}/gis/a", headers={"Referer": PAGE}
        ) as got:
            assert got.status == 200
    assert state(Got(got.status, {k.lower(): v for k, v in got.headers.items()}, b"")).startswith("hit")
    assert not world.service.current.runtime.known


async def test_the_short_way_keeps_to_the_connection(build: Build, origin: Origin) -> None:
    world = await hot(build, origin)
    head = f"GET /proxy?{origin.url}/a?f=json HTTP/1.1\r\nHost: x\r\nReferer: {PAGE}\r\n"
    async with connect(world) as line:
        line.send(f"{head}\r\n".encode() * 500)
        assert {(await line.answer()).body for _ in range(500)} == {b"answer 1"}
        line.send(f"{head}\r\n".encode())
        assert "connection" not in (await line.answer()).headers
        line.send(f"{head}Connection: close\r\n\r\n".encode())
        assert (await line.answer()).headers["connection"] == "close"
        assert await line.rest() == b""
    async with connect(world) as line:
        for number in range(1, 1001):
            line.send(f"{head}\r\n".encode())
            assert ("connection" in (await line.answer()).headers) == (number == 1000)
        assert await line.rest() == b""
    async with connect(world) as line:
        line.send(f"{head}\r\n".replace("HTTP/1.1", "HTTP/1.0").encode())
        assert (await line.answer()).headers["connection"] == "close"


async def test_who_does_not_read_hits_fills_no_memory(build: Build, origin: Origin) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(1_000_000), headers={"Cache-Control": "max-age=60"})

    origin.script = script
    world = await build(document(origin))
    for _ in range(2):
        await world.client.get(f"{origin.url}/a")
    head = f"GET /proxy?{origin.url}/a HTTP/1.1\r\nHost: x\r\nReferer: {PAGE}\r\n\r\n".encode()
    async with connect(world, limit=1024) as line:
        for _ in range(60):
            line.send(head)
            await asyncio.sleep(0.005)
        found = world.service.metrics.cached()["hit"]
        assert found < 25  # the kernel's buffers hold some megabytes


async def test_the_short_way_is_counted_and_logged_alike(build: Build, origin: Origin) -> None:
    world = await hot(build, origin)
    for _ in range(2):
        await world.client.get(f"{origin.url}/a?f=json")
    log = await world.logged("request", 4)
    alike = [
        {name: value for name, value in line.items() if name not in ("time", "request_id", "duration_ms")}
        for line in log[1:]
    ]
    assert alike[0] == alike[1] == alike[2]
    assert [list(line) for line in log[1:]] == [list(log[1])] * 3
    assert (alike[1]["cache"], alike[1]["target"], alike[1]["query"]) == ("hit", f"{origin.url}/a", "f")
    text = world.service.metrics.render().decode()
    assert f'resource_proxy_cache_total{{result="hit",rule="{origin.url}"}} 3.0' in text
    assert f'resource_proxy_requests_total{{outcome="ok",rule="{origin.url}",status="200"}} 4.0' in text
    assert f'resource_proxy_response_bytes_total{{rule="{origin.url}"}} 32.0' in text

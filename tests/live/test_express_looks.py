"""What `web.express` looks at each time, although a course knows the rest."""

import asyncio
import socket
import struct
import time
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from tests.live.conftest import PAGE, Build, World, config
from tests.live.express import GOOD, HEAD, LEGEND, faulty, good, is_known, told, warm_line, warmed
from tests.live.hostile import Call, Hostile, bytes_and_wait
from tests.live.raw import connect
from tests.until import until


async def test_no_task_is_made(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    async with warm_line(world, f"{hostile.url}/map?f=json") as (_, asked), connect(world) as line:
        before = asyncio.all_tasks()
        for _ in range(3):
            line.send(asked)
            assert (await line.answer()).body == b'{"all": 1}'
        assert asyncio.all_tasks() <= before


async def test_who_asks_is_looked_at_each_time(world: World) -> None:
    target = await warmed(world)
    for headers in (
        {"Referer": "https://evil.example.com/"},
        {"Referer": ""},
        {"Origin": "https://evil.example.com"},
        {"Sec_Fetch_Dest": "script"},
    ):
        assert (await world.client.get(target, **headers)).status == 403, headers
        assert (await world.client.get(target)).status == 200


async def test_what_a_proxy_in_front_was_let_in_with_lets_in_nobody_else(build: Build, hostile: Hostile) -> None:
    document = config(hostile.url)
    document["credentials"] = {"city": {"type": "token", "accessToken": "canary-of-a-proxy-in-front"}}
    document["serverUrls"] = [{"url": hostile.url, "credential": "city", "inject": "header"}]
    document["allowMissingReferer"] = True
    document["server"] |= {"publicUrl": "https://maps.example.com", "trustedProxies": ["127.0.0.1/32"]}
    world, hostile.script = await build(document), good
    asked = f"GET /proxy?{hostile.url}/map?f=json HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: maps.example.com"
    for peer, status in (*[("127.0.0.1", 200)] * 4, ("127.0.0.2", 403), ("127.0.0.1", 200)):
        async with connect(world, peer) as line:
            line.send(f"{asked}\r\n\r\n".encode())
            assert (await line.answer()).status == status, peer
    assert is_known(world)


@pytest.mark.parametrize(
    ("query", "status", "sent"),
    [
        ("f=html", 403, None),
        ("f=json&callback=run", 403, None),
        ("f=json#x", 400, None),
        ("f=json&a=<", 200, "f=json&a=%3C"),
        ("f=json&a=%3Cb", 200, "f=json&a=%3Cb"),
        ("f=json&token=mine", 200, "f=json"),
        ("", 200, ""),
    ],
)
async def test_the_query_is_looked_at_each_time(world: World, query: str, status: int, sent: str | None) -> None:
    target = world.url("Secure/City/MapServer/legend?")
    async with warm_line(world, f"{target}f=json") as (line, asked):
        assert is_known(world)
        before = len(world.arcgis.journal.to("legend"))
        line.send(asked.replace(b"?f=json ", f"?{query} ".encode()))
        assert (await line.answer()).status == status
        entries = world.arcgis.journal.to("legend")[before:]
        assert [entry.query for entry in entries] == ([] if sent is None else [sent])


async def test_the_limit_counts_each_request(build: Build) -> None:
    world = await build(rateLimit=8, rateLimitPeriod=60)
    got = [await world.client.get(world.url(LEGEND)) for _ in range(10)]
    assert [each.status for each in got] == [200] * 8 + [429] * 2
    assert len(world.arcgis.journal.to("MapServer")) == 8


async def test_the_request_line_is_looked_at_each_time(world: World) -> None:
    async with warm_line(world, world.url(LEGEND)) as (line, asked):
        line.send(asked.replace(b"/proxy?", b"/elsewhere?"))
        assert (await line.answer()).status == 404
        line.send(asked.replace(b"GET", b"HEAD"))
        assert (await line.answer(is_head=True)).status == 200
        assert world.arcgis.journal.to("legend")[-1].method == "HEAD"
        line.send(asked.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (await line.answer()).headers["connection"] == "close"
        assert await line.rest() == b""


async def test_who_keeps_a_connection_of_http_1_0_open_is_told_so(world: World) -> None:
    async with connect(world) as line:
        lines = f"Host: x\r\nReferer: {PAGE}\r\nConnection: keep-alive\r\n\r\n"
        for version in ("1.1", "1.1", "1.1", "1.1", "1.0", "1.0"):
            line.send(f"GET /proxy?{world.url(LEGEND)} HTTP/{version}\r\n{lines}".encode())
            got = await line.answer()
            assert got.headers.get("connection") == (None if version == "1.1" else "keep-alive")
    assert is_known(world)


async def test_a_proxy_that_stops_takes_no_more(world: World) -> None:
    target = await warmed(world)
    world.service.draining = True
    assert (await world.client.get(target)).status == 503
    world.service.draining = False
    assert (await world.client.get(target)).status == 200


async def test_the_token_and_its_place_are_those_of_now(world: World) -> None:
    target = await warmed(world)
    world.arcgis.revoke_all()
    for _ in range(3):
        assert (await world.client.get(target)).status == 200
    world.arcgis.options.accepts = {"query"}
    for _ in range(3):
        assert (await world.client.get(target)).status == 200
    seen = [(line["attempts"], line["renewals"]) for line in (await world.logged("request", 10))[-6:]]
    assert seen == [(2, 1), (1, 0), (1, 0), (2, 0), (1, 0), (1, 0)]
    entries = world.arcgis.journal.to("legend")[-8:]
    assert [entry.credential for entry in entries] == ["header"] * 5 + ["query"] * 3
    assert {entry.query.partition("&token=")[0] for entry in entries} == {"f=json"}


async def test_a_token_that_was_renewed_ahead_is_proven_by_what_passes_with_it(world: World) -> None:
    """Or a few rejections of it would count as those of tokens that never were any good."""
    world.arcgis.options.token_seconds = 4.0  # renewed ahead in the second half of its life
    target = await warmed(world)
    (held,) = world.service.store._held.values()
    first = held.slot.token
    await asyncio.sleep(2.1)
    assert (await world.client.get(target)).status == 200  # which has it renewed, on the side
    await until(lambda: held.slot.token is not first)
    assert not held.slot.proven
    assert (await world.client.get(target)).status == 200
    assert held.slot.proven


async def test_a_request_keeps_its_name_and_its_keys_are_logged_up_to_a_number(world: World) -> None:
    target = f"{world.url(LEGEND)}&{'&'.join(f'k{number}=1' for number in range(40))}"
    for name in (*["mine"] * 5, "", "", "", ""):
        got = await world.client.get(target, X_Request_Id=name)
        assert name in ("", got.headers["x-request-id"])
        assert world.arcgis.journal.to("legend")[-1].headers["x-request-id"] == got.headers["x-request-id"]
    assert is_known(world)
    lines = await world.logged("request", 9)
    assert [line["request_id"] for line in lines[:5]] == ["mine"] * 5
    assert len({line["request_id"] for line in lines}) == 5
    assert {line["query"] for line in lines} == {lines[0]["query"]}
    assert "k28" in lines[0]["query"]
    assert "k29" not in lines[0]["query"]


async def test_a_page_with_the_first_bytes_of_a_picture_is_no_picture(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    body = b"\xff\xd8\xff<script>1</script>"
    hostile.script = bytes_and_wait(
        b"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    got = [await world.client.get(f"{hostile.url}/map?f=json") for _ in range(3)]
    assert [(each.status, each.error["messageCode"]) for each in got] == [(403, "SB_0008")] * 3


async def test_the_date_is_the_servers_or_ours(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    told_by_us = (await world.client.get(f"{hostile.url}/map?f=json")).headers["date"]
    assert abs(parsedate_to_datetime(told_by_us).timestamp() - time.time()) < 60
    date = "Thu, 01 Jan 2015 00:00:00 GMT"
    hostile.script = bytes_and_wait(GOOD.replace(HEAD, HEAD + f"Date: {date}\r\n".encode()))
    assert (await world.client.get(f"{hostile.url}/map?f=json")).headers["date"] == date


async def test_the_time_that_the_server_took_is_logged(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)

    async def late(call: Call) -> None:
        await asyncio.sleep(0.1)
        call.writer.write(GOOD)

    hostile.script = late
    await world.client.get(f"{hostile.url}/map?f=json")
    assert (await world.logged("request", 5))[-1]["upstream_ms"] >= 99


async def test_pages_of_other_origins_are_told_what_is_theirs(build: Build, hostile: Hostile) -> None:
    """One server says the same to all of them; what is said beside it differs."""
    world = await faulty(build, hostile)
    ours = {"Origin": "https://maps.example.com"}
    for headers, origin in ((ours, ours["Origin"]), ({}, None), (ours, ours["Origin"]), ({}, None)):
        for _ in range(4):
            got = await world.client.get(f"{hostile.url}/map?f=json", **headers)
            assert got.headers.get("access-control-allow-origin") == origin


async def test_what_fails_in_an_unforeseen_way_ends_with_an_answer(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    target = f"{hostile.url}/map?f=json"
    before = told(await world.client.get(target))
    courses = world.service.current.runtime.courses.values()
    for course in courses:
        if course.authorized is not None:
            broken: Any = (None,)
            course.authorized = replace(course.authorized, secrets=broken)
    got = await world.client.get(target)
    assert got.status == 500
    assert [line["outcome"] for line in await world.logged("request", 6)][-1] == "internal"
    assert world.in_flight == 0
    for course in courses:
        course.authorized = None
    assert told(await world.client.get(target)) == before


async def test_what_fails_in_an_unforeseen_way_before_it_is_sent_ends_its_connection(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    target = await warmed(world)
    broken: Any = {"accept": None}
    for course in world.service.current.runtime.courses.values():
        if course.authorized is not None:
            course.authorized = replace(course.authorized, headers=broken)
    with pytest.raises(aiohttp.ClientError):
        await world.client.get(target)
    said = {record.getMessage() for record in caplog.records if record.levelname == "ERROR"}
    assert said == {"an answer failed in an unforeseen way: TypeError"}
    assert world.in_flight == 0


async def test_who_leaves_as_a_long_answer_begins_leaves_nothing_behind(build: Build, hostile: Hostile) -> None:
    """The answer needs a task, and the client has left before that runs."""
    world = await faulty(build, hostile, "20s")
    body = b'{"a": "' + b"x" * 200_000 + b'"}'
    called = asyncio.get_running_loop().create_future()

    async def waits(call: Call) -> None:
        called.set_result(call)

    async with warm_line(world, f"{hostile.url}/map?f=json") as (_, asked):
        client = socket.create_connection(("127.0.0.1", world.service.public.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        hostile.script = waits
        client.sendall(asked)
        call = await called
        before = hostile.open
        client.close()  # at once: both are there when the loop looks next, and this comes first
        call.writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await until(lambda: world.in_flight == 0)
        await until(lambda: hostile.open == before - 1)
    assert (await world.logged("request", 8))[-1]["outcome"] == "client_gone"

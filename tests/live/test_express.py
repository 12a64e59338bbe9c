"""Requests like those before them, which `web.express` passes on without a task: they fare as on the long way, whatever
becomes of them."""

import asyncio
import gzip

import pytest
import yaml

from proxy.settings.load import load
from proxy.simulator.server import Simulator
from tests.live.conftest import PAGE, Build, World
from tests.live.express import GOOD, HEAD, LEGEND, TOKEN, faulty, good, is_known, told, warm_line, warmed
from tests.live.hostile import Call, Hostile, Script, bytes_and_close, bytes_and_wait
from tests.live.raw import connect, request
from tests.until import until


@pytest.mark.parametrize("path", ["/0/query?f=json", "/export?f=image", "/legend?f=json", "/tile/13/1/1?f=image"])
@pytest.mark.parametrize("inject", ["header", "query", "bearer"])
@pytest.mark.parametrize("is_gzipped", [False, True])
async def test_both_ways_ask_and_say_the_same(
    build: Build, arcgis: Simulator, path: str, inject: str, is_gzipped: bool
) -> None:
    arcgis.options.is_gzipped = is_gzipped
    world = await build(inject=inject)
    target = world.url(f"Secure/City/MapServer{path}")
    courses = world.service.current.runtime.courses
    for headers in ({}, {"Origin": "https://maps.example.com"}, {"X_Request_Id": "mine"}, {"Accept_Language": "de"}):
        seen, sent = [], []
        for number in range(6):
            if number < 3:
                courses.clear()
            seen.append(told(await world.client.get(target, **headers)))
            entry = arcgis.journal.to("MapServer")[-1]
            sent.append((entry.method, entry.path, entry.query, {**entry.headers, "x-request-id": ""}))
        assert is_known(world)
        assert all(each == seen[0] for each in seen)
        assert all(each == sent[0] for each in sent)
    lines = [
        {**line, "request_id": "", "time": "", "duration_ms": 0, "upstream_ms": 0, "query": sorted(line["query"])}
        for line in await world.logged("request", 24)
    ]
    assert all(line == lines[0] for line in lines)
    assert lines[0]["attempts"] == 1
    assert lines[0]["bytes_out"]
    assert world.in_flight == 0


@pytest.mark.parametrize("style", ["json200", "status", "status_only", "html200"])
@pytest.mark.parametrize("path", ["/legend?f=json", "/export?f=image"])
@pytest.mark.parametrize("is_gzipped", [False, True])
async def test_a_dead_token_is_healed_in_the_middle(world: World, style: str, path: str, is_gzipped: bool) -> None:
    options = world.arcgis.options
    options.is_gzipped = is_gzipped
    options.json_failure = options.image_failure = options.tile_failure = style
    target = world.url(f"Secure/City/MapServer{path}")
    before = [await world.client.get(target) for _ in range(4)][-1]
    assert is_known(world)
    world.arcgis.revoke_all()
    got = await asyncio.gather(*(world.client.get(target) for _ in range(8)))
    assert all(told(each) == told(before) for each in got)
    assert world.arcgis.accounts.logins == 2
    lines = await world.logged("request", 12)
    assert sum(line["renewals"] for line in lines) >= 1
    assert {line["outcome"] for line in lines} == {"ok"}


def answer(head: bytes, body: bytes = b"") -> Script:
    return bytes_and_wait(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body))


CASES: list[tuple[str, Script, int, str]] = [
    ("in pieces", bytes_and_wait(GOOD[:20], GOOD[20:70], GOOD[70:]), 200, ""),
    ("in chunks", bytes_and_wait(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), 200, ""),
    ("to its end", bytes_and_close(HEAD + b'\r\n{"all": 1}'), 200, ""),
    ("no content", bytes_and_wait(b"HTTP/1.1 204 No Content\r\n\r\n"), 204, ""),
    ("forbidden", answer(b"403 Forbidden", b"no"), 403, ""),
    ("elsewhere", answer(b"302 Found\r\nLocation: http://evil.example/"), 502, ""),
    ("a page", answer(b"200 OK\r\nContent-Type: text/html", b"<html>"), 403, ""),
    ("no HTTP", bytes_and_close(b"SSH-2.0-OpenSSH_9\r\n"), 502, "bad_answer"),
    ("two lengths", bytes_and_wait(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12"), 502, "bad_answer"),
    ("cut off in its head", bytes_and_close(GOOD[:30]), 502, ""),
    ("silent", bytes_and_wait(), 504, ""),
]  # fmt: skip


@pytest.mark.parametrize(("says", "script", "status", "slug"), CASES, ids=[case[0] for case in CASES])
async def test_whatever_the_server_says(
    build: Build, hostile: Hostile, says: str, script: Script, status: int, slug: str
) -> None:
    world = await faulty(build, hostile)
    hostile.script = script
    got = [await world.client.get(f"{hostile.url}/map?f=json")]
    hostile.script = good
    for _ in range(4):
        assert (await world.client.get(f"{hostile.url}/map?f=json")).body == b'{"all": 1}'
    world.service.current.runtime.courses.clear()
    hostile.script = script
    got.append(await world.client.get(f"{hostile.url}/map?f=json"))
    assert [each.status for each in got] == [status] * 2, says
    if status < 400:
        assert told(got[0]) == told(got[1])
    elif slug:
        assert [each.error["messageCode"] for each in got] == [f"PROXY_{slug.upper()}"] * 2
    outcomes = [line["outcome"] for line in await world.logged("request", 10)]
    assert outcomes[4] == outcomes[9]
    assert world.in_flight == 0


@pytest.mark.parametrize("is_long", [False, True])
async def test_an_answer_that_breaks_off_is_cut_off_here(build: Build, hostile: Hostile, is_long: bool) -> None:
    world = await faulty(build, hostile)
    async with warm_line(world, f"{hostile.url}/map?f=json") as (line, asked):
        size = 200_000 if is_long else 10
        body = (b'{"a": "' + b"x" * size)[: size - 3]
        hostile.script = bytes_and_close(HEAD + b"Content-Length: %d\r\n\r\n" % size + body)
        line.send(asked)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await line.answer()
        assert [each["outcome"] for each in await world.logged("request", 8)][-1] == "cut"


async def test_nothing_is_asked_more_than_twice(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    release = asyncio.Event()

    async def late(call: Call) -> None:
        await release.wait()
        await good(call)

    hostile.script = late
    several = [asyncio.create_task(world.client.get(f"{hostile.url}/map?f=json")) for _ in range(3)]
    await until(lambda: len(hostile.heads) == 3)
    release.set()
    assert [(await each).status for each in several] == [200] * 3
    assert hostile.open == 3
    for is_known_here in (True, False):
        if not is_known_here:
            world.service.current.runtime.courses.clear()
        hostile.heads.clear()
        hostile.script = bytes_and_close()
        assert (await world.client.get(f"{hostile.url}/map?f=json")).status == 502
        assert len(hostile.heads) == 2, is_known_here


@pytest.mark.parametrize("date", ["Date: Saturday, 21-Nov-26 18:00:00 GMT", "date:Sat, 21 Nov 2026 18:00:00 GMT"])
async def test_a_date_in_a_form_of_its_own_is_told_once(build: Build, hostile: Hostile, date: str) -> None:
    world = await faulty(build, hostile)
    hostile.script = bytes_and_wait(HEAD + date.encode() + b'\r\nContent-Length: 10\r\n\r\n{"all": 1}')
    async with warm_line(world, f"{hostile.url}/map?f=json") as (line, asked):
        line.send(asked)
        assert (await line.answer()).headers["date"] == date.partition(":")[2].strip()


async def test_a_connection_that_the_server_closed_meanwhile_costs_nobody_an_answer(
    build: Build, hostile: Hostile
) -> None:
    world = await faulty(build, hostile)

    async def closes(call: Call) -> None:
        if call.connection <= first:
            call.reset()
        else:
            await good(call)

    first = hostile.connections
    hostile.script = closes
    assert (await world.client.get(f"{hostile.url}/map?f=json")).body == b'{"all": 1}'
    line = (await world.logged("request", 5))[-1]
    assert (line["attempts"], line["outcome"]) == (1, "ok")


async def test_a_long_answer_is_streamed(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    body = b'{"a": "' + b"x" * 1_000_000 + b'"}'
    hostile.script = bytes_and_wait(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    for _ in range(3):
        assert (await world.client.get(f"{hostile.url}/map?f=json")).body == body


async def test_an_echo_is_taken_out(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    plain = b'{"a": "%b"}' % TOKEN.encode()
    for body, coding in ((plain, b""), (gzip.compress(plain), b"Content-Encoding: gzip\r\n")):
        hostile.script = bytes_and_wait(HEAD + coding + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        for _ in range(3):
            assert (await world.client.get(f"{hostile.url}/map?f=json")).body == b'{"a": "%b"}' % (b"x" * len(TOKEN))
    hostile.script = bytes_and_wait(HEAD + b'ETag: "%b"\r\nContent-Length: 2\r\n\r\n{}' % TOKEN.encode())
    for _ in range(3):
        assert (await world.client.get(f"{hostile.url}/map?f=json")).headers["etag"] == f'"{"x" * len(TOKEN)}"'


@pytest.mark.parametrize("stage", ["asked", "begun", "streaming"])
async def test_a_client_that_leaves_leaves_nothing_behind(build: Build, hostile: Hostile, stage: str) -> None:
    world = await faulty(build, hostile, "20s")
    body = b'{"a": "' + b"x" * 5_000_000 + b'"}'
    async with warm_line(world, f"{hostile.url}/map?f=json") as (line, asked):
        hostile.asked.clear()
        parts = {
            "asked": (),
            "begun": (HEAD,),
            "streaming": (HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body[:300_000],),
        }
        hostile.script = bytes_and_wait(*parts[stage])
        before = hostile.open
        line.send(asked)
        await hostile.asked.wait()
        if stage == "streaming":
            await line.reader.readuntil(b"\r\n\r\n")
        assert world.in_flight == 1
        line.writer.transport.abort()
        await until(lambda: world.in_flight == 0)
        await until(lambda: hostile.open == before - 1)
    assert (await world.logged("request", 8))[-1]["outcome"] == "client_gone"
    hostile.script = good
    assert (await world.client.get(f"{hostile.url}/map?f=json")).status == 200


async def test_many_in_a_row_and_at_once_on_one_connection(world: World) -> None:
    await warmed(world)
    async with connect(world) as line:
        asked = request(world, LEGEND)
        line.send(asked * 60)
        for _ in range(60):
            assert "layers" in (await line.answer()).json
        for number in range(60):
            line.send(asked[:-2])
            await asyncio.sleep(0)
            line.send(asked[-2:])
            assert (await line.answer()).status == 200, number
        line.send(request(world, LEGEND, "Connection: close"))
        assert (await line.answer()).headers["connection"] == "close"
        assert await line.rest() == b""
    assert world.in_flight == 0


async def test_a_connection_has_its_thousand_requests(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    async with connect(world) as line:
        asked = f"GET /proxy?{hostile.url}/map?f=json HTTP/1.1\r\nHost: x\r\nReferer: {PAGE}\r\n\r\n".encode()
        for number in range(1, 1001):
            line.send(asked)
            assert ("connection" in (await line.answer()).headers) == (number == 1000)
        assert await line.rest() == b""


async def test_what_is_in_flight_ends_with_the_configuration_that_it_began_with(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    document = yaml.safe_load(world.path.read_text(encoding="utf-8"))
    document["allowedReferers"] = ["https://other.example.com"]
    for says in (GOOD, HEAD + b"Content-Length: 100000\r\n\r\n" + b'{"a": "' + b"x" * 99_991 + b'"}'):
        release = asyncio.Event()

        async def late(call: Call, says: bytes = says, release: asyncio.Event = release) -> None:
            await release.wait()
            call.writer.write(says)

        hostile.script, hostile.asked = late, asyncio.Event()
        asking = asyncio.create_task(world.client.get(f"{hostile.url}/map?f=json"))
        await hostile.asked.wait()
        before = world.path.read_text(encoding="utf-8")
        world.path.write_text(yaml.safe_dump(document), encoding="utf-8")
        await world.service.apply(load(world.path, {}))
        release.set()
        assert (await asking).status == 200
        assert (await world.client.get(f"{hostile.url}/map?f=json")).status == 403
        world.path.write_text(before, encoding="utf-8")
        await world.service.apply(load(world.path, {}))
        hostile.script = good
        for _ in range(4):
            await world.client.get(f"{hostile.url}/map?f=json")
        assert is_known(world)


async def test_a_stop_waits_for_what_is_in_flight(build: Build, hostile: Hostile) -> None:
    world = await faulty(build, hostile)
    release = asyncio.Event()

    async def late(call: Call) -> None:
        await release.wait()
        call.writer.write(GOOD)

    async with warm_line(world, f"{hostile.url}/map?f=json") as (line, asked):
        hostile.script, hostile.asked = late, asyncio.Event()
        line.send(asked)
        await hostile.asked.wait()
        stopping = asyncio.create_task(world.service.stop())
        await asyncio.sleep(0.05)
        release.set()
        got = await line.answer()
        assert (got.body, got.headers["connection"]) == (b'{"all": 1}', "close")
        await stopping
    assert (await world.logged("request", 8))[-1]["outcome"] == "ok"

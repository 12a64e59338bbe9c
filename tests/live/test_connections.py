"""How many connections, and how they end: each one, the crowd, and all of them when the proxy stops. On asyncio's own
loop and on uvloop."""

import asyncio
import json
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.live.conftest import Build, World, config
from tests.live.hostile import Call, Hostile
from tests.live.limits import PIECE, asked, endless, limited, picture
from tests.live.raw import CITY, Line, connect, own, request
from tests.until import until

# --- the end of a connection ----------------------------------------------------------------------------------------


async def test_http_1_0_is_kept_open_where_the_client_says_so(world: World) -> None:
    asked = request(world).replace(b"HTTP/1.1", b"HTTP/1.0")
    kept = asked.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive\r\n\r\n")
    async with connect(world) as line:
        for _ in range(2):
            line.send(kept)
            answer = await line.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "keep-alive")
        line.send(asked)
        assert (await line.answer()).headers["connection"] == "close"
        assert await line.rest() == b""


async def test_a_body_without_a_length_is_chunks_or_the_end_of_the_connection(build: Build, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n")
        await call.say(b"2\r\nab\r\n", b"2\r\ncd\r\n", b"0\r\n\r\n")

    hostile.script = script
    world = await build({**config(hostile.url), "serverUrls": [{"url": hostile.url}]})
    head = f"Host: {own(world)}\r\nReferer: https://maps.example.com/\r\nConnection: keep-alive\r\n\r\n"
    for version, framing in (("1.1", "chunked"), ("1.0", None)):
        async with connect(world) as line:
            line.send(f"GET /proxy?{hostile.url}/a HTTP/{version}\r\n{head}".encode())
            answer = await line.answer()
            assert (answer.status, answer.body) == (200, b"abcd"), version
            assert answer.headers.get("transfer-encoding") == framing


@pytest.mark.parametrize("count", [1, 3])
async def test_a_client_that_closed_its_own_half_gets_its_answers(world: World, count: int) -> None:
    async with connect(world) as line:
        line.send(request(world) * count)
        line.writer.write_eof()
        for _ in range(count):
            assert (await line.answer()).status == 200
        assert await line.rest() == b""


async def test_a_client_that_closed_its_half_within_a_head_is_told(world: World) -> None:
    async with connect(world) as line:
        line.send(request(world)[:-2])
        line.writer.write_eof()
        assert (await line.answer()).error["messageCode"] == "PROXY_MALFORMED"
    assert world.arcgis.journal.to("City/MapServer") == []


@pytest.mark.parametrize("path", ["/canary", "/proxy?http://canary.example/"])
async def test_an_early_answer_arrives_although_the_client_is_still_sending(world: World, path: str) -> None:
    size = 4 * 1024 * 1024
    async with connect(world) as line:
        head = f"POST {path} HTTP/1.1\r\nHost: {own(world)}\r\nReferer: https://maps.example.com/\r\n"
        line.send(f"{head}Content-Length: {size}\r\n\r\n".encode())
        for _ in range(size // len(PIECE)):
            line.send(PIECE)
            await line.writer.drain()
            await asyncio.sleep(0.001)
        answer = await line.answer()
        assert answer.status in (403, 404)
        assert answer.headers["connection"] == "close"
        assert await line.rest() == b""


async def test_who_never_stops_sending_to_a_refusal_is_closed(build: Build, hostile: Hostile) -> None:
    world = await limited(build, hostile.url)
    async with connect(world) as line:
        line.send(f"POST /canary HTTP/1.1\r\nHost: {own(world)}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        with pytest.raises(ConnectionError):
            await _send_for(line, 4.0)


async def _send_for(line: Line, seconds: float) -> None:
    for _ in range(int(seconds / 0.05)):
        line.send(PIECE)
        await line.writer.drain()
        await asyncio.sleep(0.05)


# --- many -----------------------------------------------------------------------------------------------------------


async def test_requests_that_are_pipelined_go_up_one_at_a_time_and_wait_bounded(build: Build, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        await asyncio.sleep(0.01)
        call.writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    hostile.script = script
    world = await build({**config(hostile.url), "serverUrls": [{"url": hostile.url}]})
    asked = f"GET /proxy?{hostile.url}/a HTTP/1.1\r\n".encode() + request(world).partition(b"\r\n")[2]
    padded = asked.replace(b"\r\n\r\n", b"\r\nX-Padding: " + b"a" * 8000 + b"\r\n\r\n")
    async with connect(world) as line:
        line.send(padded * 2000)  # 16 MB
        for _ in range(20):
            assert (await line.answer()).status == 204
        assert hostile.most_open == 1
        assert line.writer.transport.get_write_buffer_size() > 2**20  # they wait at the client's


async def test_a_connection_is_given_back_after_a_thousand_requests(world: World) -> None:
    ping = f"GET /proxy?ping HTTP/1.1\r\nHost: {own(world)}\r\nReferer: https://maps.example.com/\r\n\r\n".encode()
    async with connect(world) as line:
        line.send(ping * 1001)
        answers = [await line.answer() for _ in range(1000)]
        assert {answer.status for answer in answers} == {200}
        assert ["connection" in answer.headers for answer in answers] == [False] * 999 + [True]
        assert await line.rest() == b""


async def test_one_address_gets_its_share_and_no_more(build: Build, arcgis: Any) -> None:
    world = await limited(build, arcgis.url, connections=512)
    async with AsyncExitStack() as stack:
        for _ in range(64):
            line = await stack.enter_async_context(connect(world))
        async with connect(world) as more, connect(world, "127.0.0.2") as other:
            assert (await more.answer()).error["messageCode"] == "PROXY_TOO_MANY_CONNECTIONS"
            other.send(request(world))
            assert (await other.answer()).status == 200
        line.send(request(world))
        assert (await line.answer()).status == 200


async def test_who_has_idled_longest_makes_room(build: Build, arcgis: Any) -> None:
    world = await limited(build, arcgis.url, connections=2)
    async with connect(world) as oldest, connect(world) as newer:
        oldest.send(request(world))
        assert (await oldest.answer()).status == 200
        await asyncio.sleep(0.2)
        newer.send(request(world))
        assert (await newer.answer()).status == 200
        await asyncio.sleep(2.2)
        async with connect(world) as newest:
            newest.send(request(world))
            assert (await newest.answer()).status == 200
            assert await oldest.rest() == b""
            newer.send(request(world))
            assert (await newer.answer()).status == 200


async def test_who_still_reads_an_answer_is_not_idle(build: Build, hostile: Hostile) -> None:
    size = 14 * 1024 * 1024  # more than the kernel takes for a client that does not read
    hostile.script = picture(size)
    document = config(hostile.url)
    document["server"]["limits"] |= {"connections": 2}
    document["serverUrls"] = [{"url": hostile.url, "cache": {"maxAge": "10m"}}]
    world: World = await build(document)
    async with connect(world, limit=1024) as reader, connect(world) as other:
        for _ in range(2):
            other.send(asked(hostile, "large"))
            assert len((await other.answer(20.0)).body) == size
        reader.send(asked(hostile, "large"))
        head = await reader.reader.readuntil(b"\r\n\r\n")
        assert b"cache-status: arcgis-resource-proxy; hit" in head.lower()
        other.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")  # after the reader
        assert (await other.answer()).status == 200
        await asyncio.sleep(2.2)
        async with connect(world) as newest:
            newest.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await newest.answer()).status == 200
            assert await other.rest() == b""
            async with asyncio.timeout(20):
                assert len(await reader.reader.readexactly(size)) == size


async def test_idle_connections_and_slow_heads_trouble_nobody(build: Build, arcgis: Any) -> None:
    world = await limited(build, arcgis.url, connections=2000)
    async with AsyncExitStack() as stack:
        for number in range(400):
            line = await stack.enter_async_context(connect(world, f"127.0.1.{number % 8 + 1}"))
            if number % 2:
                line.send(request(world)[:30])
        assert {(await world.client.get(world.url())).status for _ in range(20)} == {200}


# --- the end of the process -----------------------------------------------------------------------------------------


async def test_what_is_in_flight_ends_well_and_the_rest_at_once(build: Build, hostile: Hostile) -> None:
    release = asyncio.Event()

    async def script(call: Call) -> None:
        call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4\r\n\r\nab")
        await release.wait()
        call.writer.write(b"cd")

    hostile.script = script
    document = {**config(hostile.url), "serverUrls": [{"url": hostile.url}]}
    document["server"]["limits"] |= {"drain": "5s"}
    document["admin"] = {"listen": None}
    world = await build(document)
    asked = f"GET /proxy?{hostile.url}/a HTTP/1.1\r\n".encode() + request(world).partition(b"\r\n")[2]
    async with connect(world) as idle, connect(world) as busy, connect(world) as late:
        busy.send(asked)
        late.send(asked[:50])
        await hostile.asked.wait()
        await asyncio.sleep(0.05)
        stopping = asyncio.create_task(world.service.stop())
        assert await idle.rest(0.5) == b""
        late.send(asked[50:])
        answer = await late.answer()  # its head was on its way: an answer, though no service
        assert (answer.status, answer.headers["connection"]) == (503, "close")
        assert not stopping.done()
        release.set()
        assert (await busy.answer()).body == b"abcd"
        assert await busy.rest() == b""
        await asyncio.wait_for(stopping, 1)


async def test_the_end_comes_when_the_time_to_drain_is_over(build: Build, hostile: Hostile) -> None:
    hostile.script = endless
    document = {**config(hostile.url), "serverUrls": [{"url": hostile.url}]}
    document["server"]["limits"] |= {"drain": "300ms"}
    document["admin"] = {"listen": None}
    world = await build(document)
    async with connect(world) as line:
        line.send(f"GET /proxy?{hostile.url}/a HTTP/1.1\r\n".encode() + request(world).partition(b"\r\n")[2])
        await hostile.asked.wait()
        await asyncio.wait_for(world.service.stop(), 2)
    await until(lambda: '"outcome":"client_gone"' in world.log.getvalue())


# --- TLS ------------------------------------------------------------------------------------------------------------


async def _with_tls(build: Build, folder: Path, site: str, **limits: object) -> tuple[World, ssl.SSLContext]:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(folder / "tls.crt"))
    issued.private_key_pem.write_to_path(str(folder / "tls.key"))
    document = config(site)
    document["server"] |= {"tls": {"certificate": str(folder / "tls.crt"), "key": str(folder / "tls.key")}}
    document["server"]["limits"] |= {"headerTimeout": "400ms"} | limits
    world = await build(document)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return world, trust


async def test_who_begins_no_handshake_counts_and_gives_way(build: Build, arcgis: Any, tmp_path: Path) -> None:
    world, trust = await _with_tls(build, tmp_path, arcgis.url, headerTimeout="20s", connections=65)
    port = world.service.public.port
    async with AsyncExitStack() as stack:
        for _ in range(64):
            silent = await stack.enter_async_context(connect(world))
        async with connect(world) as one_more:
            assert await one_more.rest() == b""
        other = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trust, server_hostname="localhost", local_addr=("127.0.0.2", 0)
        )
        line = Line(*other)
        line.send(request(world))
        assert (await line.answer()).status == 200
        await line.close()
        await asyncio.sleep(2.1)
        welcome = Line(*await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost"))
        welcome.send(request(world))
        assert (await welcome.answer()).status == 200
        await welcome.close()
        silent.send(b"x")


async def test_tls_is_as_strict_and_a_handshake_has_its_time(build: Build, arcgis: Any, tmp_path: Path) -> None:
    world, trust = await _with_tls(build, tmp_path, arcgis.url)
    async with connect(world) as silent, connect(world) as plain:
        plain.send(request(world))
        assert b"HTTP/" not in await plain.rest()
        assert await silent.rest(2) == b""
    for raw, statuses in (
        (request(world) + request(world, CITY, "Connection: close"), [200, 200]),
        (b"GET * HTTP/1.1\r\n\r\n", [400]),
        (request(world)[:-2], [408]),
    ):
        port = world.service.public.port
        line = Line(*await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost"))
        line.send(raw)
        assert [(await line.answer()).status for _ in statuses] == statuses
        assert await line.rest() == b""
        await line.close()
    assert json.loads(world.log.getvalue().splitlines()[-1])["outcome"] == "ok"
    assert "Traceback" not in world.log.getvalue()

"""How connections are made and ended: addresses that do not answer, TLS that lies, tunnels, reloads."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from tests.live.conftest import PAGE, Build, World
from tests.live.hostile import GOOD, Call, Hostile, ask, bytes_and_close, bytes_and_wait, dialled, good, request
from tests.running import configured
from tests.until import until

UPSTREAM = {"connectTimeout": "1s", "headerTimeout": "1s"}


def document(url: str, **more: Any) -> dict[str, Any]:
    return {
        "server": {"listen": "127.0.0.1:0"},
        "admin": {"listen": None},
        "allowedReferers": ["https://maps.example.com"],
        "upstream": UPSTREAM,
        "serverUrls": [{"url": url, "access": "edit", **more}],
    }


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def secure(authority: trustme.CA, tmp_path: Path) -> AsyncIterator[Hostile]:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = Hostile(tls=context)
    await server.start()
    yield server
    await server.stop()


async def test_an_address_that_swallows_everything_is_504(build: Build) -> None:
    with ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        for _ in range(4):  # fills the queue of those who wait to be accepted
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        world: World = await build(document(f"http://127.0.0.1:{port}"))
        began = time.monotonic()
        heard = await ask(world, f"http://127.0.0.1:{port}/a")
    assert (heard.status, heard.slug) == (504, "upstream_timeout")
    assert 0.9 < time.monotonic() - began < 2


async def test_a_name_that_does_not_exist_is_502(build: Build) -> None:
    world: World = await build(document("http://no-such-host.invalid"))
    heard = await ask(world, "http://no-such-host.invalid/a")
    assert (heard.status, heard.slug) == (502, "unreachable")


async def test_a_name_with_a_dead_address_beside_a_good_one_is_reached(build: Build) -> None:
    """`localhost` is ::1 too on most machines, and nobody listens there."""
    server = Hostile()
    await server.start()
    world: World = await build(document(f"http://localhost:{server.port}"))
    heard = await ask(world, f"http://localhost:{server.port}/a")
    assert (heard.status, heard.body) == (200, b"good")
    await server.stop()


async def test_two_proxies_that_lead_to_each_other_end_it_and_serve_on(build: Build, hostile: Hostile) -> None:
    """Nobody counts the hops: a request in a circle holds a connection for each, and of these there are few."""
    one, other = [await build(document(hostile.url)) for _ in range(2)]

    async def lead(world: World, mount: str, place: str, port: int) -> None:
        circle = document(hostile.url)
        circle["allowedReferers"].append("https://arcgis-resource-proxy")  # else the second one refuses it at once
        circle["upstream"] = UPSTREAM | {"maxConnections": 5}
        circle["serverUrls"].append({"url": f"http://127.0.0.1:{port}{place}", "mount": mount})
        world.path.write_text(yaml.safe_dump(circle), "utf-8")
        await world.service.apply(configured(world.path))

    await lead(one, "/one", "/other", other.service.public.port)
    await lead(other, "/other", "/one", one.service.public.port)
    site = f"http://127.0.0.1:{one.service.public.port}"
    async with asyncio.timeout(5), one.client.session.get(f"{site}/one/x", headers={"Referer": PAGE}) as response:
        assert response.status in (502, 504), await response.text()
    assert (await ask(one, f"{hostile.url}/a")).body == b"good"
    await one.service.stop()
    await one.logged("stopped")  # the last of all lines
    hops = one.log.getvalue().count('"rule":"http://127.0.0.1:')
    assert 5 < hops < 30


async def test_a_handshake_that_stalls_is_504(build: Build) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    world: World = await build(document(url))
    heard = await ask(world, f"{url}/a")
    assert (heard.status, heard.slug) == (504, "upstream_timeout")
    server.close()


async def test_a_port_without_tls_hears_no_request(build: Build) -> None:
    heard_there = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard_there.extend(await reader.read(65536))
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    world: World = await build(document(url))
    heard = await ask(world, f"{url}/a-path")
    assert (heard.status, heard.slug) == (502, "certificate")
    assert b"a-path" not in heard_there
    server.close()


async def test_tls_sessions_are_taken_up_again(build: Build, secure: Hostile, tmp_path: Path) -> None:
    async def script(call: Call) -> None:
        resumed.append(call.writer.get_extra_info("ssl_object").session_reused)
        call.writer.write(GOOD)
        call.writer.close()

    resumed: list[bool] = []
    secure.script = script
    world: World = await build(document(secure.url, caBundle=str(tmp_path / "ca.pem")))
    for _ in range(3):
        assert (await ask(world, f"{secure.url}/a")).body == b"good"
        await asyncio.sleep(0.05)
    assert resumed == [False, True, True]


@pytest.mark.parametrize(
    ("raw", "is_whole"),
    [(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000, False), (GOOD, True)],
)
async def test_a_body_that_breaks_off_inside_tls(
    build: Build, secure: Hostile, tmp_path: Path, raw: bytes, is_whole: bool
) -> None:
    secure.script = bytes_and_close(raw)
    world: World = await build(document(secure.url, caBundle=str(tmp_path / "ca.pem")))
    heard = await ask(world, f"{secure.url}/a")
    assert (heard.status, heard.is_whole) == (200, is_whole)


TUNNELS = {
    "refused": (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope", 502, "outbound_proxy"),
    "a login": (b"HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n", 502, "outbound_proxy"),
    "garbage": (b"garbage\r\n\r\n", 502, "bad_answer"),
    "silence": (b"", 504, "upstream_timeout"),
    "an answer behind it": (b"HTTP/1.1 200 Yes\r\n\r\n" + GOOD, 502, "bad_answer"),
    "no TLS behind it": (b"HTTP/1.1 200 Yes\r\n\r\n", 504, "upstream_timeout"),
}


@pytest.mark.parametrize(("raw", "status", "slug"), TUNNELS.values(), ids=TUNNELS.keys())
async def test_a_tunnel_that_is_none(build: Build, hostile: Hostile, raw: bytes, status: int, slug: str) -> None:
    hostile.script = bytes_and_wait(raw)
    world: World = await build(document("https://gis.inner.example", outboundProxy=hostile.url))
    for _ in range(2):
        heard = await ask(world, "https://gis.inner.example/a-path")
        assert (heard.status, heard.slug) == (status, slug)
    assert not any(b"a-path" in head for head in hostile.heads)
    await until(lambda: hostile.open == 0)


async def test_a_reload_lets_requests_in_flight_end_and_closes_what_rests(build: Build, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        if b"/slow" in call.head:
            await asyncio.sleep(0.3)
        await good(call)

    hostile.script = script
    world: World = await build(document(hostile.url))
    slow = asyncio.create_task(ask(world, f"{hostile.url}/slow"))
    await hostile.asked.wait()
    assert (await ask(world, f"{hostile.url}/a")).body == b"good"
    assert hostile.open == 2
    world.path.write_text(yaml.safe_dump(document(hostile.url, timeout="3s")), "utf-8")
    await world.service.apply(configured(world.path))
    await until(lambda: hostile.open == 1)
    assert (await slow).body == b"good"
    await until(lambda: hostile.open == 0)


async def test_stopping_leaves_no_connection_behind(build: Build, hostile: Hostile) -> None:
    world: World = await build(document(hostile.url))
    assert (await ask(world, f"{hostile.url}/a")).body == b"good"
    hostile.script = bytes_and_wait(b"")
    async with dialled(world) as (_, writer):
        hostile.asked.clear()
        writer.write(request(f"{hostile.url}/b"))
        await hostile.asked.wait()
        await world.service.transport.close()
        await until(lambda: hostile.open == 0)

"""The admin listener against those who should not see it, or want to see nothing else work."""

import asyncio
import time
from base64 import b64encode
from contextlib import AsyncExitStack, suppress

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import Build, World, config
from tests.until import until


async def asked(world: World, path: str, host: str, *headers: str) -> bytes:
    assert world.service.admin is not None
    reader, writer = await asyncio.open_connection("127.0.0.1", world.service.admin.port)
    writer.write("\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", ""]).encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    return answer


@pytest.mark.parametrize("path", ["/status", "/status.json", "/status/live", "/metrics"])
async def test_a_page_whose_name_leads_here_by_its_own_dns_sees_nothing(world: World, path: str) -> None:
    for host in (
        "evil.example",
        "evil.example:8081",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example.",
    ):
        answer = await asked(world, path, host)
        assert answer.startswith(b"HTTP/1.1 421 "), host
        assert b"generation" not in answer
    assert (await asked(world, "/healthz", "evil.example")).startswith(b"HTTP/1.1 200 ")


async def test_on_this_machine_every_name_of_it_is_good(world: World) -> None:
    for host in ("localhost", "localhost:8081", "127.0.0.1:8081", "[::1]:8081", "proxy:8081", "status.localhost"):
        assert (await asked(world, "/metrics", host)).startswith(b"HTTP/1.1 200 "), host


@pytest.mark.parametrize("path", ["/status", "/metrics", "/healthz", "/nothing"])
async def test_no_answer_says_with_what_it_was_made(world: World, path: str) -> None:
    head = (await asked(world, path, "localhost")).partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nserver:" not in head
    assert b"aiohttp" not in head


async def test_a_password_is_guessed_slowly_and_known_at_once(build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    document["admin"]["password"] = "canary-admin"
    world = await build(document)
    world.secrets.add("canary-admin")

    def login(password: str) -> str:
        return f"Authorization: Basic {b64encode(f'x:{password}'.encode()).decode()}"

    began = time.monotonic()
    guesses = [asyncio.create_task(asked(world, "/metrics", "evil.example", login(f"guess{n}"))) for n in range(6)]
    await asyncio.sleep(0.1)
    assert (await asked(world, "/metrics", "any.example", login("canary-admin"))).startswith(b"HTTP/1.1 200 ")
    assert time.monotonic() - began < 1.5
    for guess in guesses:
        assert (await guess).startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - began > 2.5


async def test_who_holds_connections_open_keeps_nobody_out(world: World) -> None:
    assert world.service.admin is not None
    async with AsyncExitStack() as stack:
        ended = 0
        for _ in range(300):
            reader, writer = await asyncio.open_connection("127.0.0.1", world.service.admin.port)
            stack.callback(writer.close)

            async def until_it_ends(reader: asyncio.StreamReader) -> None:
                nonlocal ended
                with suppress(ConnectionError):
                    await reader.read()
                ended += 1

            task = asyncio.create_task(until_it_ends(reader))
            stack.callback(task.cancel)
        assert (await asked(world, "/readyz", "x")).startswith(b"HTTP/1.1 200 ")
        await until(lambda: ended >= 300 - 128)

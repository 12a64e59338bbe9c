"""A password that changes under load: how many wrong tries the server sees before everybody waits."""

import asyncio

import pytest

from tests.live.conftest import Build, World
from tests.live.hostile import GOOD, Call, Hostile, ask
from tests.until import until

NO = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'


@pytest.fixture
async def world(build: Build, hostile: Hostile) -> World:
    """A proxy with three connections to a server that asks for a login."""
    world: World = await build(
        {
            "server": {"listen": "127.0.0.1:0"},
            "admin": {"listen": None},
            "allowedReferers": ["https://maps.example.com"],
            "upstream": {"maxConnections": 3},
            "credentials": {"tier": {"type": "basic", "username": "webmap", "password": "canary-old-password"}},
            "serverUrls": [{"url": hostile.url, "credential": "tier"}],
        }
    )
    world.secrets.add("canary-old-password")
    return world


async def test_who_waits_for_a_connection_is_not_sent_once_another_was_refused(world: World, hostile: Hostile) -> None:
    assert (await ask(world, f"{hostile.url}/map")).status == 200
    before = len(hostile.heads)
    go = asyncio.Event()

    async def changed(call: Call) -> None:
        await go.wait()
        call.writer.write(NO if b"\r\nauthorization: " in call.head.lower() else GOOD)

    hostile.script = changed
    asking = [asyncio.ensure_future(ask(world, f"{hostile.url}/{n}")) for n in range(20)]
    await until(lambda: len(hostile.heads) == before + 3)
    await asyncio.sleep(0.1)  # the other seventeen stand in the queue for one of the three connections
    go.set()
    heard = await asyncio.gather(*asking)
    assert {each.status for each in heard} == {502}
    tries = [head for head in hostile.heads if b"\r\nauthorization: " in head.lower()]
    assert len(tries) <= 1 + 3 + 2  # the good one, those on their way, and two that were asked alone


async def test_who_had_to_wait_passes_where_the_login_is_good(world: World, hostile: Hostile) -> None:
    assert (await ask(world, f"{hostile.url}/map")).status == 200
    before = len(hostile.heads)
    go = asyncio.Event()

    async def one_is_forbidden(call: Call) -> None:
        await go.wait()
        call.writer.write(NO if b" /forbidden " in call.head or b"authorization" not in call.head.lower() else GOOD)

    hostile.script = one_is_forbidden
    asking = [asyncio.ensure_future(ask(world, f"{hostile.url}/{n or 'forbidden'}")) for n in range(20)]
    await until(lambda: len(hostile.heads) == before + 3)
    await asyncio.sleep(0.1)
    go.set()
    assert [each.status for each in await asyncio.gather(*asking)] == [403] + [200] * 19

"""Worlds in which the next request goes by a course (`web.express`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.got import Got
from tests.live.conftest import PAGE, Build, World, config
from tests.live.hostile import Call, Hostile
from tests.live.raw import Line, connect

LEGEND = "Secure/City/MapServer/legend?f=json"
TOKEN = "canary-AAPK.0123456789-abcdefghijklmnopqrstuvwxyz"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = HEAD + b'Content-Length: 10\r\n\r\n{"all": 1}'


async def good(call: Call) -> None:
    call.writer.write(GOOD)


def is_known(world: World) -> bool:
    """Whether the next such request goes by a course that has its token."""
    return any(course.authorized is not None for course in world.service.current.runtime.courses.values())


async def warmed(world: World) -> str:
    """The third request is the first that a course knows, and so the first without a task."""
    target = world.url(LEGEND)
    for number in range(4):
        assert (await world.client.get(f"{target}&n={number}")).status == 200
    assert is_known(world)
    return target


async def faulty(build: Build, hostile: Hostile, patience: str = "400ms") -> World:
    """Before a server whose answers a test writes."""
    hostile.script = good
    document = config(hostile.url)
    document["credentials"] = {"city": {"type": "token", "accessToken": TOKEN}}
    document["upstream"] = {"connectTimeout": "1s", "headerTimeout": patience, "idleTimeout": patience}
    document["serverUrls"] = [{"url": hostile.url, "credential": "city", "inject": "header"}]
    world: World = await build(document)
    world.secrets.add(TOKEN)
    for number in range(4):
        assert (await world.client.get(f"{hostile.url}/map?f=json&n={number}")).body == b'{"all": 1}'
    assert is_known(world)
    hostile.heads.clear()
    return world


@asynccontextmanager
async def warm_line(world: World, target: str) -> AsyncIterator[tuple[Line, bytes]]:
    """A connection whose next request goes by a course, and that request."""
    asked = f"GET /proxy?{target} HTTP/1.1\r\nHost: x\r\nReferer: {PAGE}\r\n\r\n".encode()
    async with connect(world) as line:
        for _ in range(3):
            line.send(asked)
            assert (await line.answer()).status == 200
        yield line, asked


def told(got: Got) -> dict[str, str]:
    """All that a client sees, less what is another's each time."""
    return {**got.headers, "status": str(got.status), "body": got.body.hex(), "date": "", "x-request-id": ""}

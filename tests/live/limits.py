"""A proxy whose limits are set, and a server that sends without end."""

from contextlib import suppress
from typing import Any

from tests.live.conftest import Build, World, config
from tests.live.hostile import Call

PIECE = b"x" * 64 * 1024


async def limited(build: Build, site: str, **limits: Any) -> World:
    document = config(site)
    document["server"]["limits"] |= limits
    world: World = await build(document)
    return world


async def endless(call: Call) -> None:
    """An answer as large as whoever reads it lets it become."""
    call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
    with suppress(ConnectionError):
        while True:
            call.writer.write(PIECE)
            await call.writer.drain()
            call.server.sent += len(PIECE)

"""A proxy whose limits are set, and servers that send much, or without end."""

from contextlib import suppress
from typing import Any, Protocol

from tests.live.conftest import Build, World, config
from tests.live.hostile import Call, Script, good, request

PIECE = b"x" * 65_536
LARGE = 64 * 1024 * 1024
_MUCH = b"x" * 262_144


async def limited(build: Build, site: str, **limits: Any) -> World:
    document = config(site)
    document["server"]["limits"] |= limits
    world: World = await build(document)
    return world


class Site(Protocol):
    """A server behind the proxy."""

    @property
    def url(self) -> str: ...


def asked(site: Site, path: str, method: str = "GET", *headers: str) -> bytes:
    """The head of a request for the server's `path`, on a connection that is used again."""
    return request(f"{site.url}/{path}", method, *headers, close=False)


def picture(size: int) -> Script:
    """A picture of so many bytes, a multiple of 256 KiB, as fast as it is read."""

    async def script(call: Call) -> None:
        call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/tiff\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(_MUCH)):
            call.writer.write(_MUCH)
            await call.writer.drain()

    return script


async def large_and_good(call: Call) -> None:
    """A large picture for slow readers, a small answer for others."""
    await (picture(LARGE) if b"/large" in call.head else good)(call)


async def endless(call: Call) -> None:
    """An answer as large as whoever reads it lets it become."""
    call.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
    with suppress(ConnectionError):
        while True:
            call.writer.write(PIECE)
            await call.writer.drain()
            call.server.sent += len(PIECE)

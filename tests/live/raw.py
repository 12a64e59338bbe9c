"""Bytes to the public port and back, and the answers told apart by their framing alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.got import Got
from tests.live.conftest import World

BASE = "Host: {own}\r\nReferer: https://maps.example.com/\r\nConnection: close\r\n"
CITY = "Secure/City/MapServer?f=json"


def fill(world: World, text: str) -> bytes:
    """The bytes of a case in `tests/cases/raw_requests.yaml`."""
    base = BASE.replace("{own}", own(world))
    target = f"/proxy?{world.url(CITY)}"
    post = f"POST {target} HTTP/1.1\r\n{base}"
    words = {
        "{get}": f"GET {target} HTTP/1.1\r\n{base}",
        "{first}": f"GET {target} HTTP/1.1\r\n{base}".replace("Connection: close\r\n", ""),
        "{post}": post,
        "{chunked}": f"{post}Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n",
        "{target}": target,
        "{bad}": f"/proxy?{world.url('Secure/smuggled/MapServer?f=json')}",
        "{base}": base,
        "{own}": own(world),
        "{sixty}": "".join(f"X-{n}: canary\r\n" for n in range(60)),
        "{long}": "a" * 33 * 1024,
        "{half}": "a" * 12 * 1024,
        "{big}": "a" * 70 * 1024,
        "{tiny}": "1\r\na\r\n" * 1100,
    }
    for word, meant in words.items():
        text = text.replace(word, meant)
    return text.encode("latin-1")


def own(world: World) -> str:
    return f"127.0.0.1:{world.service.public.port}"


def request(world: World, path: str = CITY, *headers: str, method: str = "GET") -> bytes:
    """A good request; kept alive unless a header says otherwise."""
    lines = [f"{method} /proxy?{world.url(path)} HTTP/1.1", f"Host: {own(world)}", "Referer: https://maps.example.com/"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


class Line:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, seconds: float = 3.0, *, is_head: bool = False) -> Got:
        """The next answer; raises IncompleteReadError where the connection ends before it does."""
        async with asyncio.timeout(seconds):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.rstrip("\r\n").split("\r\n")
            version, status, _ = status_line.split(" ", 2)
            assert version in ("HTTP/1.1", "HTTP/1.0")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            assert len(headers) == len(lines), "a header came twice"
            return Got(int(status), headers, b"" if is_head else await self._body(int(status), headers))

    async def _body(self, status: int, headers: dict[str, str]) -> bytes:
        if status < 200 or status in (204, 304):
            return b""
        if "content-length" in headers:
            return await self.reader.readexactly(int(headers["content-length"]))
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.read()
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        assert await self.reader.readline() == b"\r\n"
        return body

    async def rest(self, seconds: float = 3.0) -> bytes:
        """Whatever comes until the connection ends; a reset is an end, too."""
        try:
            async with asyncio.timeout(seconds):
                return await self.reader.read()
        except ConnectionError:
            return b""

    async def read_slowly(self, size: int) -> None:
        """An answer of so many bytes, or to the end of the connection: 20 KB a second."""
        await self.reader.readuntil(b"\r\n\r\n")
        for _ in range(size // 2048):
            await self.reader.readexactly(2048)
            await asyncio.sleep(0.1)

    async def send_slowly(self) -> None:
        """More of a body, at 20 KB a second, to the end of the connection."""
        while not self.writer.is_closing():
            self.send(b"x" * 2048)
            await self.writer.drain()
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@asynccontextmanager
async def connect(world: World, address: str = "127.0.0.1", limit: int = 2**22) -> AsyncIterator[Line]:
    """`address`: the client's own; `limit`: bytes that it reads ahead."""
    port = world.service.public.port
    line = Line(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0), limit=limit))
    try:
        yield line
    finally:
        await line.close()

"""An upstream that answers with whatever bytes a test gives it, and a client that sees every byte of ours."""

import asyncio
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.live.conftest import PAGE, World

GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\ngood"


@dataclass(slots=True)
class Call:
    """One request as it arrived, its body still to be read."""

    server: "Hostile"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: int  # counted from one
    head: bytes

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode()

    async def say(self, *pieces: bytes) -> None:
        """Each piece arrives by itself."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.01)

    async def body(self) -> bytes:
        """The request's body, as it is framed."""
        length = re.search(rb"\r\ncontent-length: (\d+)\r\n", self.head, re.IGNORECASE)
        if length is not None:
            return await self.reader.readexactly(int(length[1]))
        if b"\r\ntransfer-encoding: chunked\r\n" not in self.head.lower():
            return b""
        whole = b""
        while size := int((await self.reader.readline()).strip(), 16):
            whole += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return whole

    def reset(self) -> None:
        """Ends the connection with RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Call], Awaitable[None]]


async def good(call: Call) -> None:
    await call.body()
    call.writer.write(GOOD)


def bytes_and_close(*pieces: bytes) -> Script:
    """Answers so, and closes."""

    async def script(call: Call) -> None:
        await call.say(*pieces)
        call.writer.close()

    return script


def bytes_and_wait(*pieces: bytes) -> Script:
    """Answers so, and goes on listening."""

    async def script(call: Call) -> None:
        await call.say(*pieces)

    return script


@dataclass(slots=True)
class Hostile:
    """`script` answers each request; `open` says how many connections there are."""

    script: Script = good
    tls: ssl.SSLContext | None = None
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most_open: int = 0
    sent: int = 0  # bytes, where a script counts them
    port: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self.tls else f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        number = self.connections
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                self.asked.set()
                await self.script(Call(self, reader, writer, number, head))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.transport.abort()


@dataclass(slots=True)
class Heard:
    """Everything that came down one connection until it ended."""

    raw: bytes

    @property
    def status(self) -> int:
        assert self.raw.startswith(b"HTTP/1.1 "), self.raw[:60]
        return int(self.raw[9:12])

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        """As far as it came, without its chunks."""
        return self._body()[0]

    @property
    def is_whole(self) -> bool:
        """Exactly one answer, and it came to its end."""
        return self._body()[1]

    def _body(self) -> tuple[bytes, bool]:
        rest = self.raw.partition(b"\r\n\r\n")[2]
        length = re.search(rb"\r\ncontent-length: (\d+)", self.head, re.IGNORECASE)
        if length is not None:
            return rest, len(rest) == int(length[1])
        if b"transfer-encoding: chunked" not in self.head.lower():
            return rest, rest == b"" and self.status in (204, 304)
        body = b""
        while match := re.match(rb"([0-9a-f]+)\r\n", rest, re.IGNORECASE):
            size = int(match[1], 16)
            if size == 0:
                return body, rest == b"0\r\n\r\n"
            body, rest = body + rest[match.end() : match.end() + size], rest[match.end() + size + 2 :]
        return body, False

    @property
    def slug(self) -> str:
        """Of an error of ours."""
        found = re.search(rb'"messageCode": ?"PROXY_(\w+)"', self.body)
        return found[1].decode().lower() if found else ""


@asynccontextmanager
async def dialled(world: World) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the proxy, which ends abruptly if it did not before."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.service.public.port, limit=4096)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        writer.close()


def request(target: str, method: str = "GET", *headers: str, close: bool = True) -> bytes:
    """A request head for `target` through the proxy."""
    ours = ["Host: proxy.example", f"Referer: {PAGE}", *headers, *(["Connection: close"] if close else [])]
    return "\r\n".join([f"{method} /proxy?{target} HTTP/1.1", *ours, "", ""]).encode()


async def ask(world: World, target: str, method: str = "GET", *headers: str, body: bytes = b"") -> Heard:
    """One request on a connection of its own, heard to its end."""
    length = [f"Content-Length: {len(body)}"] if body else []
    raw = bytearray()
    async with dialled(world) as (reader, writer):
        writer.write(request(target, method, *length, *headers) + body)
        with suppress(ConnectionError):  # cut off: what came before counts
            while piece := await asyncio.wait_for(reader.read(65536), 10):
                raw += piece
    world.client.seen.append(bytes(raw))
    return Heard(bytes(raw))

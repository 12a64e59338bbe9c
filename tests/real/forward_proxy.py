"""An organisation's own proxy on the way out: CONNECT and absolute-form, with or without a login."""

import asyncio
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_LONGEST = 64 * 1024


@dataclass(slots=True)
class ForwardProxy:
    """Listens at `port`. `names` are hosts that only it can resolve, as an inner network has them."""

    login: str = ""  # user:password
    names: dict[str, tuple[str, int]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)  # hosts that are answered with 403
    asked: list[str] = field(default_factory=list)  # request lines, in order
    carried: list[bytes] = field(default_factory=list)  # whole heads, and what followed in the same piece
    port: int = 0
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LONGEST)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request for a connection; a tunnel lasts as long as its ends do."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.carried.append(head)
        line, *fields = head.decode("latin-1").split("\r\n")
        self.asked.append(line)
        method, target, _ = line.split(" ")
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        if self.login and f"Basic {b64encode(self.login.encode()).decode()}" not in _values(
            fields, "proxy-authorization"
        ):
            return await _refuse(writer, '407 Login\r\nProxy-Authenticate: Basic realm="outside"')
        host, port = parts.hostname or "", parts.port or 80
        if host in self.denied:
            return await _refuse(writer, "403 Forbidden")
        try:
            there_reader, there_writer = await asyncio.open_connection(*self.names.get(host, (host, port)))
        except OSError:
            return await _refuse(writer, "502 Unreachable")
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                path = parts._replace(scheme="", netloc="").geturl() or "/"
                kept = [each for each in fields if not each.lower().startswith("proxy-") and each]
                once = [each for each in kept if not each.lower().startswith("connection:")]
                there_writer.write(
                    "\r\n".join([f"{method} {path} HTTP/1.1", *once, "Connection: close", "", ""]).encode("latin-1")
                )
            await asyncio.gather(_carry(reader, there_writer), _carry(there_reader, writer))
        finally:
            there_writer.close()


def _values(fields: list[str], name: str) -> list[str]:
    pairs = (each.partition(":") for each in fields)
    return [value.strip() for key, _, value in pairs if key.lower() == name]


async def _refuse(writer: asyncio.StreamWriter, status: str) -> None:
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("latin-1"))
    await writer.drain()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(_LONGEST):
            sink.write(piece)
            await sink.drain()
        sink.close()

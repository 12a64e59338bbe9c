"""Garbage on a socket: an answer or a close, no silence and no 500; and what the handler got is what was sent."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings

from proxy.model import Limits
from proxy.traffic import Exchange, Reply
from proxy.web import answer
from proxy.web.connection import Connection
from proxy.web.front import Front
from tests.properties.test_framing import LIMITS, STREAMS, read

ALLOWED = {"100", "200", "400", "405", "408", "413", "414", "417", "431"}
STATUS = re.compile(rb"^HTTP/1\.1 (\d{3}) [A-Za-z ]+\r$", re.MULTILINE)


@dataclass
class Served:
    """A front on a loop of its own, and what its handler was asked."""

    port: int = 0
    asked: list[tuple[str, str, bytes]] = field(default_factory=list)

    async def handle(self, connection: Connection) -> None:
        body = b""
        if connection.inbox is not None:
            with suppress(Exception):
                async for piece in connection.inbox:
                    body += piece
        self.asked.append((connection.head.method, connection.head.target, body))
        await answer.send(connection, Reply(200, {"content-type": "text/plain"}, b"ok"), Exchange("", "", 0.0))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    limits = Limits(LIMITS.request_line, LIMITS.headers, LIMITS.header_count, header_timeout=0.2, idle_timeout=0.2)
    found, loop = Served(), asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        front = Front(found.handle, limits, lambda reason: None)
        return await loop.create_server(front, "127.0.0.1", 0)

    server = loop.run_until_complete(start())
    found.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield found
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()


def said(port: int, stream: bytes, *, says_end: bool) -> bytes:
    """All that comes back until the connection ends."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as line, suppress(ConnectionError):
        line.sendall(stream)
        if says_end:
            with suppress(OSError):  # it may have been reset by now: then there is no connection to end
                line.shutdown(socket.SHUT_WR)
        while piece := line.recv(65536):
            heard += piece
    return heard


def check(served: Served, stream: bytes, heard: bytes) -> None:
    statuses = [status.decode() for status in STATUS.findall(heard)]
    assert set(statuses) <= ALLOWED
    assert heard == b"" or statuses
    whole = read([stream]).requests
    handled = [(method, target) for method, target, _ in served.asked]
    assert handled[: len(whole)] == [(head.method, head.target) for head, _ in whole][: len(handled)]
    for (_, _, got), (_, body) in zip(served.asked, whole, strict=False):
        assert got == body
    assert len(served.asked) <= len(whole) + 1  # a last one, whose body broke off


@settings(max_examples=300, deadline=None)
@given(STREAMS)
def test_a_client_that_says_it_is_done_is_answered_or_closed(served: Served, stream: bytes) -> None:
    served.asked.clear()
    check(served, stream, said(served.port, stream, says_end=True))


@settings(max_examples=20, deadline=None)
@given(STREAMS)
def test_a_client_that_waits_is_answered_or_closed(served: Served, stream: bytes) -> None:
    served.asked.clear()
    check(served, stream, said(served.port, stream, says_end=False))

"""proxy.web.answer: the last look at a head before it is sent."""

import asyncio

import pytest

from proxy.model import Limits
from proxy.traffic import Exchange, Reply
from proxy.web import answer
from proxy.web.connection import Connection
from proxy.web.front import Front


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\nb", "a\rb", "a\r\n\r\n<script>"])
async def test_a_line_break_in_a_header_is_no_answer(value: str) -> None:
    """It would be a header of its own, or the begin of another answer: better none."""

    async def handle(connection: Connection) -> None:
        await answer.send(connection, Reply(200, {"etag": value}, b"body"), Exchange("", "", 0.0))

    server = await asyncio.get_running_loop().create_server(Front(handle, Limits(), lambda reason: None), "127.0.0.1")
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(b"GET / HTTP/1.1\r\nHost: p\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    server.close()

"""A proxy before a server that answers with whatever bytes its script has."""

from collections.abc import AsyncIterator

import pytest

from tests.live.conftest import Build, World
from tests.live.hostile import Hostile, ask, good

SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nsmuggled"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@pytest.fixture
async def world(build: Build, hostile: Hostile) -> AsyncIterator[World]:
    """A proxy with one rule for the hostile upstream. Whatever happened, the next request is answered rightly."""
    started: World = await build(
        {
            "server": {"listen": "127.0.0.1:0", "limits": {"body": "8MiB", "idleTimeout": "2s"}},
            "admin": {"listen": None},
            "allowedReferers": ["https://maps.example.com"],
            "upstream": {"connectTimeout": "1s", "headerTimeout": "600ms", "idleTimeout": "600ms", "maxConnections": 4},
            "serverUrls": [{"url": hostile.url, "access": "edit"}],
        }
    )
    yield started
    hostile.script = good
    for _ in range(3):
        heard = await ask(started, f"{hostile.url}/next")
        assert (heard.status, heard.body, heard.is_whole) == (200, b"good", True)


LONG = b"x" * 100_000  # more than is handed on in one piece

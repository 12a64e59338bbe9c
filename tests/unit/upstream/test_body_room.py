"""proxy.upstream.body: how much memory the bodies of all requests may take together."""

from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from proxy.core.hygiene import client_headers
from proxy.errors import Overloaded
from proxy.traffic import Incoming
from proxy.upstream.body import Room, take

LARGE, ORDINARY = 300 * 1024, 60 * 1024  # bytes


def form(size: int) -> Incoming:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(0, size, 1024):
            yield b"x" * 1024

    headers = client_headers([(b"Content-Type", b"application/x-www-form-urlencoded")])
    return Incoming("POST", "/proxy", None, headers, "192.0.2.1", None, body=pieces())


async def test_large_bodies_share_a_room_and_ordinary_ones_need_none() -> None:
    room = Room(LARGE * 2)
    with closing(room.stay()) as first:
        await take(form(LARGE), first, limit=LARGE)
        with closing(room.stay()) as second:
            await take(form(LARGE), second, limit=LARGE)
            with closing(room.stay()) as third:
                with pytest.raises(Overloaded) as refused:
                    await take(form(LARGE), third, limit=LARGE)
                assert refused.value.retry_after == 1
                assert len((await take(form(ORDINARY), third, limit=LARGE)).whole or b"") == ORDINARY
        with closing(room.stay()) as third:
            await take(form(LARGE), third, limit=LARGE)
    assert room.taken == 0


async def test_one_body_that_the_limit_allows_always_finds_room() -> None:
    room = Room(LARGE // 2)
    with closing(room.stay()) as only:
        assert len((await take(form(LARGE), only, limit=LARGE)).whole or b"") == LARGE
    assert room.taken == 0

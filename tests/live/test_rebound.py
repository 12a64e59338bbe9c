"""A page whose name is made to lead to the proxy (DNS rebinding), and which hides where it comes from: to its browser
it is of one origin with us, so the name by which it asks is all that tells it from a program."""

from typing import Any

import pytest

from tests.live.conftest import PAGE, Build, World, config
from tests.live.hostile import Hostile
from tests.live.raw import connect

OURS = ["maps.example.com", "maps.example.com:8080", "MAPS.example.com.", "maps.example.net"]
OF_HERE = [
    "localhost:8080",
    "proxy",
    "gis.localhost",
    "proxy.gis.svc.cluster.local:8080",
    "MAPS.internal.",
    "192.0.2.7",
    "127.0.0.1:80",
    "[::1]:8080",
]
FOREIGN = [
    "evil.example",
    "evil.example:8080",
    "maps.example.com.evil.example",
    "xmaps.example.com",
    "internal.example",
    "evil-internal.example.",
    "7f000001.rbndr.us",
]


async def _world(build: Build, hostile: Hostile, **server: Any) -> World:
    document = {**config(hostile.url), "serverUrls": [{"url": hostile.url, "cache": {"maxAge": "1m"}}]}
    document["allowMissingReferer"] = True
    document["allowedReferers"] = ["https://maps.example.net"]
    document["server"] |= {"publicUrl": "https://maps.example.com/gis", **server}
    started: World = await build(document)
    return started


async def _status(
    world: World, hostile: Hostile, host: str, *headers: str, query: str = "", peer: str = "127.0.0.1"
) -> int:
    head = [f"GET /proxy?{hostile.url}/a{query} HTTP/1.1", f"Host: {host}", *headers, "", ""]
    async with connect(world, peer) as line:
        line.send("\r\n".join(head).encode())
        return (await line.answer()).status


@pytest.mark.parametrize("host", [*OURS, *OF_HERE])
async def test_programs_ask_by_a_name_that_is_ours_or_of_here(build: Build, hostile: Hostile, host: str) -> None:
    world = await _world(build, hostile)
    assert [await _status(world, hostile, host) for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("hides", [[], ["Referer: "], ["Referer: about:blank"]])
async def test_a_page_that_hides_asks_by_its_own(build: Build, hostile: Hostile, host: str, hides: list[str]) -> None:
    world = await _world(build, hostile)
    assert await _status(world, hostile, host, *hides) == 403
    assert not hostile.heads
    for _ in range(3):  # now it is stored, given out without a long look, and such a client was let in
        assert await _status(world, hostile, "maps.example.com", *hides) == 200
    assert len(hostile.heads) == 1
    assert await _status(world, hostile, host, *hides) == 403


async def test_a_page_that_says_who_it_is_is_judged_by_that(build: Build, hostile: Hostile) -> None:
    world = await _world(build, hostile)
    assert await _status(world, hostile, "any.example", "Referer: https://maps.example.net/map") == 200
    assert await _status(world, hostile, "any.example", f"Referer: {PAGE}") == 403


async def test_a_proxy_in_front_says_by_which_name_it_was_asked(build: Build, hostile: Hostile) -> None:
    world = await _world(build, hostile, trustedProxies=["127.0.0.1/32"])
    inside = "backend.city.example"
    assert await _status(world, hostile, inside) == 200  # it has its own list of names
    assert await _status(world, hostile, inside, "X-Forwarded-Host: maps.example.com") == 200
    assert await _status(world, hostile, inside, "X-Forwarded-Host: evil.example") == 403


async def test_what_a_proxy_in_front_was_let_in_with_lets_in_nobody_else(build: Build, hostile: Hostile) -> None:
    world = await _world(build, hostile, trustedProxies=["127.0.0.1/32"])
    said = "evil.example", "X-Forwarded-Host: maps.example.com"
    for number in range(4):  # what is not stored; by then it is not judged anew
        assert await _status(world, hostile, *said, query=f"?n={number}") == 200
    assert await _status(world, hostile, *said, query="?n=4", peer="127.0.0.2") == 403
    assert await _status(world, hostile, *said, query="?n=5") == 200

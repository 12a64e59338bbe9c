"""Attacks of the table of threats as bytes to the public port: what a client hears, and what arrives at the server.

Most of what is in their way is decided by pure functions with tests of their own; here it is seen to stand in the way.
"""

import asyncio
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.got import Got
from tests.live.conftest import PAGE, Build, World, config
from tests.live.hostile import Hostile, bytes_and_wait
from tests.live.raw import connect

KEY = "canary-key-0123456789"
ORIGIN = "https://maps.example.com"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"


@pytest.fixture
async def world(build: Build, hostile: Hostile) -> World:
    document: dict[str, Any] = config(hostile.url)
    document["allowMissingReferer"] = True
    document["credentials"] = {"key": {"type": "token", "accessToken": KEY}}
    document["serverUrls"] = [
        {"url": f"{hostile.url}/gis/rest/services/Public"},
        {"url": f"{hostile.url}/gis/rest/services/Strict", "caseSensitive": True},
        {"url": f"{hostile.url}/gis/rest/services/One/MapServer", "matchAll": False},
        {"url": f"{hostile.url}/whole", "access": "edit"},
        {"url": f"{hostile.url}/signed", "credential": "key", "inject": "header"},
    ]
    started: World = await build(document)
    started.secrets.add(KEY)
    return started


async def say(world: World, target: str, *headers: str) -> Got:
    """A GET for `target`, from a page unless the headers say otherwise."""
    page = [] if any(each.lower().startswith(("referer", "origin")) for each in headers) else [f"Referer: {PAGE}"]
    async with connect(world) as line:
        line.send("\r\n".join([f"GET /proxy?{target} HTTP/1.1", "Host: p", *page, *headers, "", ""]).encode())
        got = await line.answer()
        world.client.seen.append(got.body)
        return got


PLACES = {
    "Public/MapServer": 200,
    "public/MAPSERVER": 200,
    "Public": 200,
    "PublicSecret/MapServer": 403,
    "Publi": 403,
    "//Public/MapServer": 403,
    "Strict/MapServer": 200,
    "STRICT/MapServer": 403,
    "One/MapServer": 200,
    "One/MapServer/": 200,
    "One/MapServer/0": 403,
    "One": 403,
}


async def test_a_rule_ends_with_a_segment(world: World, hostile: Hostile) -> None:
    for place, status in PLACES.items():
        asked = len(hostile.heads)
        got = await say(world, f"{hostile.url}/gis/rest/services/{place}")
        assert (got.status, len(hostile.heads) - asked) == (status, status == 200), place


ODD = [
    "http://x@127.0.0.1:{port}/whole/a",
    "http://127.0.0.1:{port}@evil.example/whole/a",
    "http://[::1]:{port}/whole/a",
    "http://127.0.0.1%3A{port}/whole/a",
    "http://127.0.0.1:{port}:80/whole/a",
    "http://127.0.0.1:+{port}/whole/a",
    "http://127.0.0.1:0{port}/whole/a",
    "http://127.0.0.1:99999/whole/a",
]


@pytest.mark.parametrize("is_encoded", [False, True])
async def test_an_odd_host_is_nobodys(world: World, hostile: Hostile, is_encoded: bool) -> None:
    for each in [*ODD, *(["http://127.0.0.1:{port}/whole/a#b"] if is_encoded else [])]:
        target = each.format(port=hostile.port)
        got = await say(world, quote(target, safe="") if is_encoded else target)
        assert got.status == 400, target
    assert not hostile.heads


async def test_what_stands_behind_the_first_question_mark_is_a_query(world: World, hostile: Hostile) -> None:
    query = "b=http://evil.example/../x?c=%2e%2e/"
    assert (await say(world, f"{hostile.url}/gis/rest/services/One/MapServer?{query}")).status == 200
    assert hostile.heads[0].split(b" ")[1] == f"/gis/rest/services/One/MapServer?{query}".encode()


async def test_what_a_browser_says_of_its_user_stays_here(world: World, hostile: Hostile) -> None:
    said = (
        "Cookie: a=canary-cookie",
        f"Origin: {ORIGIN}",
        "Authorization: Basic Y2FuYXJ5",
        "X-Forwarded-For: 192.0.2.1",
    )
    assert (await say(world, f"{hostile.url}/whole/a", *said, f"Referer: {PAGE}?secret")).status == 200
    head = hostile.heads[0].lower()
    for name in (b"cookie", b"origin", b"authorization", b"forwarded", b"secret", b"maps.example.com"):
        assert name not in head


async def test_what_is_for_the_connection_stays_here(world: World, hostile: Hostile) -> None:
    trace = f"Traceparent: 00-{'1' * 32}-{'2' * 16}-01"
    for named, is_sent in (([], True), (["Connection: traceparent, X-Other"], False)):
        await say(world, f"{hostile.url}/whole/a", trace, "X-Other: b", "Keep-Alive: timeout=9", *named)
        head = hostile.heads[-1].lower()
        assert (b"traceparent" in head) is is_sent
        assert b"x-other" not in head
        assert b"keep-alive" not in head


@pytest.mark.parametrize("name", ["Host", "Referer", "Origin", "Content-Type", "X-Forwarded-For"])
async def test_connection_takes_nothing_away_that_is_judged(world: World, hostile: Hostile, name: str) -> None:
    assert (await say(world, f"{hostile.url}/whole/a", f"Connection: {name}")).status == 400
    assert not hostile.heads


@pytest.mark.parametrize("kind", ["text/html", "image/svg+xml", "application/xml", "text/xsl", ""])
async def test_a_document_of_the_server_has_no_rights_here(world: World, hostile: Hostile, kind: str) -> None:
    head = OK + (f"Content-Type: {kind}\r\n".encode() if kind else b"")
    theirs = b"Set-Cookie: a=b\r\nContent-Security-Policy: x\r\nAccess-Control-Allow-Origin: *\r\nX-Named: x\r\n"
    hostile.script = bytes_and_wait(head + theirs + b"Service-Worker-Allowed: /\r\nRefresh: 0\r\n\r\nok")
    got = await say(world, f"{hostile.url}/whole/a")
    said = {name: got.headers.get(name) for name in ("content-security-policy", "x-content-type-options")}
    assert said == {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
    assert got.headers["referrer-policy"] == "no-referrer"
    theirs_too = {"set-cookie", "access-control-allow-origin", "service-worker-allowed", "refresh", "x-named"}
    assert not theirs_too & got.headers.keys()


@pytest.mark.parametrize("dest", ["script", "worker", "sharedworker", "serviceworker"])
async def test_an_answer_is_no_program(world: World, hostile: Hostile, dest: str) -> None:
    assert (await say(world, f"{hostile.url}/whole/a", f"Sec-Fetch-Dest: {dest}")).status == 403
    assert not hostile.heads


async def test_a_page_that_hides_opens_nothing_with_our_credential(world: World, hostile: Hostile) -> None:
    said = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: cross-site", "Referer: ")
    asked = len(hostile.heads)
    assert (await say(world, f"{hostile.url}/signed/a", *said)).status == 403
    assert len(hostile.heads) == asked
    assert (await say(world, f"{hostile.url}/whole/a", *said)).status == 200


async def test_only_pages_that_are_listed_may_read(world: World, hostile: Hostile) -> None:
    got = await say(world, f"{hostile.url}/whole/a", f"Origin: {ORIGIN}")
    assert (got.status, got.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "origin" in got.headers["vary"].lower()
    for origin in (
        "null",
        "https://evil.example",
        "http://maps.example.com",
        f"{ORIGIN}:444",
        f"{ORIGIN}.evil.example",
    ):
        got = await say(world, f"{hostile.url}/whole/a", f"Origin: {origin}", f"Referer: {PAGE}")
        assert got.status == 403, origin
        assert "access-control-allow-origin" not in got.headers
    assert len(hostile.heads) == 1


CLOSED = ["admin", "admin/services", "manager", "tokens", "tokens/generateToken", "rest/generateToken", "sharing/proxy"]
CLOSED += ["sharing/rest/generateToken", "sharing/rest/oauth2/token", "ADMIN/login", "sharing/proxy.ashx"]
CLOSED += ["proxy.ashx", "old/Proxy.ashx", "proxy.jsp", "proxy.php"]


@pytest.mark.parametrize("place", CLOSED)
async def test_nobody_administers_or_signs_in_or_goes_on_from_here(world: World, hostile: Hostile, place: str) -> None:
    for rule in ("whole", "signed"):
        assert (await say(world, f"{hostile.url}/{rule}/arcgis/{place}?http://evil.example/")).status == 403
    assert not hostile.heads


async def test_hundreds_of_ranges_are_none(world: World, hostile: Hostile) -> None:
    for count, is_sent in ((16, True), (17, False), (1000, False)):
        ranges = ",".join(f"{n}-{n}" for n in range(0, 2 * count, 2))
        await say(world, f"{hostile.url}/whole/a.tif", f"Range: bytes={ranges}")
        assert (b"\r\nrange: " in hostile.heads[-1].lower()) is is_sent


async def test_nobody_writes_a_line_into_the_log(world: World, hostile: Hostile) -> None:
    forged = '\u2028{"event":"request","status":200}\u0085\x1b[2J'
    said = json.dumps({"error": {"code": 403, "message": f"nö{forged}", "details": []}}, ensure_ascii=False).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(said)
    hostile.script = bytes_and_wait(head + said)
    odd = quote(forged)
    got = await say(world, f"{hostile.url}/signed/{odd[:6]}?{odd}=1", "User-Agent: a\x80\x85b", "X-Request-Id: a\tb")
    assert got.status in (400, 403)
    got = await say(world, f"{hostile.url}/signed/a?{odd}=1&x%0a=2", f"Origin: {ORIGIN}")
    assert got.status == 403
    await asyncio.sleep(0.3)
    lines = world.log.getvalue().splitlines()
    assert sum(json.loads(line)["event"] == "request" for line in lines) == 1  # and what is no request has none
    assert world.log.getvalue().isascii()
    assert "\x1b" not in world.log.getvalue()


async def test_what_becomes_far_too_long_is_not_looked_through_to_its_end(world: World, hostile: Hostile) -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    hostile.script = bytes_and_wait(head % len(bomb) + bomb)
    got = await say(world, f"{hostile.url}/signed/a", "Accept-Encoding: gzip")
    assert (got.status, got.error["messageCode"]) == (502, "PROXY_BAD_ANSWER")

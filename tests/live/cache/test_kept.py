"""The cache between a scripted origin and clients, on real sockets: what arrives, and what clients get."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from tests.live.cache.conftest import Origin, document, state
from tests.live.conftest import Build
from tests.until import until


async def test_what_is_fresh_is_fetched_once_and_told_of(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60")
    world = await build(document(origin))
    first, second = [await world.client.get(f"{origin.url}/a?f=json") for _ in range(2)]
    assert (first.body, second.body) == (b"answer 1", b"answer 1")
    assert state(first) == "fwd=uri-miss; stored"
    assert state(second).startswith("hit; ttl=")
    assert second.headers["age"] in "012"
    assert len(origin.requests) == 1
    head = await world.client.get(f"{origin.url}/a?f=json", "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "8")
    part = await world.client.get(f"{origin.url}/a?f=json", Range="bytes=0-2")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"ans", "bytes 0-2/8")
    assert len(origin.requests) == 1
    log = await world.logged("request", 4)
    assert [line["cache"] for line in log] == ["miss", "hit", "hit", "hit"]
    assert log[1]["attempts"] == 0


async def test_another_query_method_or_token_is_another_answer(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60")
    world, url = await build(document(origin)), f"{origin.url}/arcgis/rest/services/A/MapServer/0/query"
    for query in ("f=json", "f=pjson", "f=json&", "f=json&token=x", "f=json&token=x"):
        await world.client.get(f"{url}?{query}")
    assert len(origin.requests) == 5  # what is asked with a client's own token is nobody else's, nor kept
    await world.client.get(f"{url}?f=json", "POST", b"x=1", Content_Type="application/x-www-form-urlencoded")
    assert len(origin.requests) == 6


async def test_whoever_asks_first_says_nothing_of_a_body_that_is_not_there(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60")
    world = await build(document(origin))
    got = await world.client.get(f"{origin.url}/a", Content_Type="text/evil", SOAPAction="evil")
    assert state(got) == "fwd=uri-miss; stored"
    assert "evil" not in str(origin.requests[0].headers)


async def test_what_is_stale_is_asked_after_and_kept_on(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=0", ETag='"v1"')
    world = await build(document(origin))
    first, second = [await world.client.get(f"{origin.url}/a") for _ in range(2)]
    assert origin.requests[1].headers["If-None-Match"] == '"v1"'
    assert (second.status, second.body, state(second)) == (200, first.body, "fwd=stale; fwd-status=304")
    third = await world.client.get(f"{origin.url}/a", If_None_Match='"v1"')
    assert (third.status, third.body, third.headers["etag"]) == (304, b"", '"v1"')
    origin.numbers(Cache_Control="max-age=60", ETag='"v2"')
    assert (await world.client.get(f"{origin.url}/a")).body == b"answer 4"
    assert (await world.client.get(f"{origin.url}/a", If_None_Match='"v1"')).body == b"answer 4"


async def test_a_browser_that_has_it_does_not_keep_a_cold_cache_cold(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60", ETag='"v1"')
    world = await build(document(origin))
    got = await world.client.get(f"{origin.url}/a", If_None_Match='"v1"')
    assert (got.status, got.body) == (304, b"")
    assert "If-None-Match" not in origin.requests[0].headers
    await until(lambda: world.service.responses.bytes_used > 0)
    assert (await world.client.get(f"{origin.url}/a")).body == b"answer 1"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (404, {}, b"none"),
        (500, {}, b"broken"),
        (200, {}, b' {"error": {"code": 400, "message": "Unable to complete operation.", "details": []}}'),
        (200, {}, b'callback({"error":{"code":500,"message":"x"}});'),
        (200, {}, b'<?xml version="1.0"?><ServiceExceptionReport version="1.3.0"/>'),
        (200, {"Set-Cookie": "a=b"}, b"{}"),
        (200, {"Cache-Control": "no-store"}, b"{}"),
        (200, {"Cache-Control": "private, max-age=60"}, b"{}"),
        (200, {"Vary": "*"}, b"{}"),
        (206, {"Content-Range": "bytes 0-1/5"}, b"{}"),
    ],
)
async def test_it_is_never_kept(
    build: Build, origin: Origin, status: int, headers: dict[str, str], body: bytes
) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Cache-Control": "max-age=60", **headers}, body=body)

    origin.script = script
    world = await build(document(origin, {"maxAge": "5m"}, access="all", allowJsonp=True))
    for _ in range(2):
        assert (await world.client.get(f"{origin.url}/a?f=json")).body == body
    assert len(origin.requests) == 2


async def test_what_breaks_off_is_not_kept(build: Build, origin: Origin) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "max-age=60"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"half")
        if len(origin.requests) == 1:
            assert request.transport is not None
            request.transport.abort()
        return response

    origin.script = script
    world = await build(document(origin))
    with pytest.raises(aiohttp.ClientError):
        await world.client.get(f"{origin.url}/a")
    assert (await world.client.get(f"{origin.url}/a")).body == b"half"
    assert (await world.client.get(f"{origin.url}/a")).body == b"half"
    assert len(origin.requests) == 2


async def test_who_gets_which_variant(build: Build, origin: Origin) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        headers = {"Cache-Control": "max-age=60", "Vary": "Accept-Language"}
        return web.Response(text=request.headers.get("Accept-Language", "none"), headers=headers)

    origin.script = script
    world = await build(document(origin))
    for _ in range(2):
        got = await asyncio.gather(
            *(world.client.get(f"{origin.url}/a", Accept_Language=each) for each in ("de", "fr", "de", "it"))
        )
        assert [each.body for each in got] == [b"de", b"fr", b"de", b"it"]
    assert len(origin.requests) == 3


async def test_stale_while_a_new_one_is_fetched(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=0, stale-while-revalidate=60", ETag='"v"')
    world = await build(document(origin))
    await world.client.get(f"{origin.url}/a")
    origin.numbers(Cache_Control="max-age=60", ETag='"w"')
    got = await world.client.get(f"{origin.url}/a")
    assert (got.body, state(got).partition(";")[0]) == (b"answer 1", "hit")
    for _ in range(50):
        got = await world.client.get(f"{origin.url}/a")
        if got.body == b"answer 2":
            break
        await asyncio.sleep(0.02)
    assert got.body == b"answer 2"
    assert len(origin.requests) == 2


async def test_stale_in_place_of_an_error(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=0", ETag='"v"')
    world = await build(document(origin, {"maxAge": "5m", "staleIfError": "1h"}))
    await world.client.get(f"{origin.url}/a")
    origin.status = 503
    got = await world.client.get(f"{origin.url}/a")
    assert (got.status, got.body) == (200, b"answer 1")
    assert "detail=error" in state(got)
    origin.status = 404  # which is no outage
    assert (await world.client.get(f"{origin.url}/a")).status == 404


async def test_only_if_cached(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60")
    world = await build(document(origin))
    assert (await world.client.get(f"{origin.url}/a", Cache_Control="only-if-cached")).status == 504
    await world.client.get(f"{origin.url}/a")
    assert (await world.client.get(f"{origin.url}/a", Cache_Control="only-if-cached")).status == 200
    assert len(origin.requests) == 1

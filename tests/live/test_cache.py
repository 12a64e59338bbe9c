"""The cache between a scripted origin and clients, on real sockets: what arrives, and what clients get."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

from proxy.settings.load import load
from tests.live.conftest import PAGE, Build, Got, World, config
from tests.live.raw import connect

Script = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Origin:
    """Answers as `script` says, and keeps what arrived."""

    script: Script
    requests: list[web.Request] = field(default_factory=list)
    gone: int = 0  # requests whose client left before the end
    port: int = 0
    status: int = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        try:
            return await self.script(request)
        except asyncio.CancelledError:
            self.gone += 1
            raise

    def numbers(self, **headers: str) -> None:
        """From now on each answer says the how-manieth it is; with an ETag, 304 to who has it."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}

        async def script(request: web.Request) -> web.StreamResponse:
            if sent.get("ETag") and request.headers.get("If-None-Match") == sent["ETag"] and self.status == 200:
                return web.Response(status=304, headers=sent)
            return web.Response(status=self.status, text=f"answer {len(self.requests)}", headers=sent)

        self.script = script


async def nothing(request: web.Request) -> web.StreamResponse:
    raise AssertionError("nothing was scripted")


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    made = Origin(nothing)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, handler_cancellation=True, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


def document(origin: Origin, cache: Any = "standard", **rule: Any) -> dict[str, Any]:
    return {
        "server": {"listen": "127.0.0.1:0", "limits": {"drain": "1s"}},
        "admin": {"listen": "127.0.0.1:0"},
        "allowedReferers": ["https://maps.example.com"],
        "cache": {"memory": "32MiB"},
        "serverUrls": [{"url": origin.url, "cache": cache, "timeout": "2s", "maxConnections": 200, **rule}],
    }


def state(got: Got) -> str:
    return got.headers.get("cache-status", "").removeprefix("arcgis-resource-proxy; ")


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
    log = [json.loads(line) for line in await written(world) if '"request"' in line]
    assert [line["cache"] for line in log] == ["miss", "hit", "hit", "hit"]
    assert log[1]["attempts"] == 0


async def written(world: World) -> list[str]:
    for _ in range(100):
        lines = world.log.getvalue().splitlines()
        if len([line for line in lines if '"request"' in line]) >= 4:
            break
        await asyncio.sleep(0.02)
    return lines


async def test_another_query_method_or_token_is_another_answer(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60")
    world, url = await build(document(origin)), f"{origin.url}/arcgis/rest/services/A/MapServer/0/query"
    for query in ("f=json", "f=pjson", "f=json&", "f=json&token=x", "f=json&token=x"):
        await world.client.get(f"{url}?{query}")
    assert len(origin.requests) == 5  # what is asked with a client's own token is nobody else's, nor kept
    await world.client.get(f"{url}?f=json", "POST", b"x=1", Content_Type="application/x-www-form-urlencoded")
    assert len(origin.requests) == 6


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
    await asyncio.sleep(0.1)
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


async def test_a_hundred_who_ask_at_once_cost_one_fetch(build: Build, origin: Origin) -> None:
    release = asyncio.Event()

    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "max-age=60"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for piece in range(20):
            await response.write(bytes([piece]) * 10_000)
            if piece == 10:
                await release.wait()
        return response

    origin.script = script
    world = await build(document(origin))
    asked = [asyncio.create_task(world.client.get(f"{origin.url}/tile")) for _ in range(100)]
    await asyncio.sleep(0.3)
    release.set()
    answers = await asyncio.gather(*asked)
    assert {answer.body for answer in answers} == {b"".join(bytes([piece]) * 10_000 for piece in range(20))}
    assert len(origin.requests) == 1
    words = sorted(state(answer) for answer in answers)
    assert words == ["fwd=uri-miss; collapsed"] * 99 + ["fwd=uri-miss; stored"]


async def test_a_first_client_that_leaves_fails_nobody(build: Build, origin: Origin) -> None:
    release = asyncio.Event()

    async def script(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response(text="whole", headers={"Cache-Control": "max-age=60"})

    origin.script = script
    world = await build(document(origin))
    first = asyncio.create_task(world.client.get(f"{origin.url}/tile"))
    await asyncio.sleep(0.1)
    others = [asyncio.create_task(world.client.get(f"{origin.url}/tile")) for _ in range(5)]
    await asyncio.sleep(0.1)
    first.cancel()
    await asyncio.sleep(0.1)
    release.set()
    assert {got.body for got in await asyncio.gather(*others)} == {b"whole"}
    assert (len(origin.requests), origin.gone) == (1, 0)


async def test_a_fetch_that_nobody_waits_for_is_ended(build: Build, origin: Origin) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    origin.script = script
    world = await build(document(origin))
    asked = [asyncio.create_task(world.client.get(f"{origin.url}/tile")) for _ in range(3)]
    await asyncio.sleep(0.2)
    for each in asked:
        each.cancel()
    for _ in range(50):
        await asyncio.sleep(0.02)
        if origin.gone:
            break
    assert (len(origin.requests), origin.gone) == (1, 1)


async def stalled(world: World, target: str) -> asyncio.StreamWriter:
    """A client that asks and does not read."""
    _, writer = await asyncio.open_connection("127.0.0.1", world.service.public.port, limit=1024)
    head = f"GET /proxy?{target} HTTP/1.1\r\nHost: x\r\nReferer: {PAGE}\r\nAccept-Encoding: gzip, deflate\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    return writer


async def test_a_first_client_that_does_not_read_holds_nobody(build: Build, origin: Origin) -> None:
    body = bytes(1_900_000)

    async def script(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return web.Response(body=body, headers={"Cache-Control": "max-age=60"})

    origin.script = script
    world = await build(document(origin))
    writer = await stalled(world, f"{origin.url}/tile")
    await asyncio.sleep(0.1)
    async with asyncio.timeout(3):
        assert (await world.client.get(f"{origin.url}/tile")).body == body
    assert len(origin.requests) == 1
    writer.transport.abort()


async def test_what_is_too_large_passes_and_is_not_kept(build: Build, origin: Origin) -> None:
    body = bytes(range(256)) * 16_000  # 4 MB of 32 MiB, a sixteenth being 2 MiB

    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "max-age=60"})
        if request.path == "/chunked":
            response.enable_chunked_encoding()
        else:
            response.content_length = len(body)
        await response.prepare(request)
        await asyncio.sleep(0.1)
        for start in range(0, len(body), 100_000):
            await response.write(body[start : start + 100_000])
        return response

    origin.script = script
    world = await build(document(origin))
    for path in ("chunked", "declared"):
        origin.requests.clear()
        got = await asyncio.gather(*(world.client.get(f"{origin.url}/{path}") for _ in range(3)))
        assert {each.body == body for each in got} == {True}
        fetched = len(origin.requests)
        await world.client.get(f"{origin.url}/{path}")
        assert len(origin.requests) == fetched + 1
    assert world.service.responses.bytes_used == 0


async def test_others_do_not_wait_for_what_is_not_for_all(build: Build, origin: Origin) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return web.Response(text=request.headers["User-Agent"], headers={"Cache-Control": "private"})

    origin.script = script
    world = await build(document(origin))
    began = asyncio.get_running_loop().time()
    got = await asyncio.gather(*(world.client.get(f"{origin.url}/mine", User_Agent=f"u{n}") for n in range(20)))
    assert [each.body.decode() for each in got] == [f"u{n}" for n in range(20)]
    assert asyncio.get_running_loop().time() - began < 1.5  # two turns, not twenty


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


async def test_an_unsafe_request_forgets_the_url(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60", Content_Location="/b")
    world = await build(document(origin, access="edit"))
    for path in ("a", "b", "c"):
        await world.client.get(f"{origin.url}/{path}")
    origin.status = 500
    await world.client.get(f"{origin.url}/a", "PUT", b"x")
    await world.client.get(f"{origin.url}/a")
    assert len(origin.requests) == 4
    origin.status = 200
    await world.client.get(f"{origin.url}/a", "PUT", b"x")
    for path in ("a", "b", "c"):
        await world.client.get(f"{origin.url}/{path}")
    assert [request.path for request in origin.requests[5:]] == ["/a", "/b"]


async def test_an_edit_forgets_what_the_service_said_and_is_never_shared(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60")
    rule = document(origin, access="edit")
    service = f"{origin.url}/arcgis/rest/services/City"
    world = await build(rule)
    reads = (f"{service}/MapServer/export?f=image", f"{service}/FeatureServer/0/query?f=json", f"{service}2/MapServer")
    for read in reads:
        await world.client.get(read)
    edits = [world.client.get(f"{service}/FeatureServer/0/applyEdits?adds=1&f=json") for _ in range(2)]
    await asyncio.gather(*edits)
    assert len(origin.requests) == 5
    for read in reads:
        await world.client.get(read)
    assert len(origin.requests) == 7


async def test_a_reload_forgets_what_rules_that_changed_had(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60")
    rules = document(origin)
    rules["serverUrls"].append({"url": f"{origin.url}/other", "cache": "standard"})
    world = await build(rules)

    async def reload() -> None:
        world.path.write_text(yaml.safe_dump(rules), encoding="utf-8")
        await world.service.apply(load(world.path, {}))

    for path in ("a", "other"):
        await world.client.get(f"{origin.url}/{path}")
    await reload()
    for path in ("a", "other"):
        await world.client.get(f"{origin.url}/{path}")
    assert len(origin.requests) == 2
    rules["serverUrls"][1]["denyParameters"] = ["x"]
    await reload()
    for path in ("a", "other"):
        await world.client.get(f"{origin.url}/{path}")
    assert [request.path for request in origin.requests] == ["/a", "/other", "/other"]


async def test_metrics_and_bounds(build: Build, origin: Origin) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(500_000), headers={"Cache-Control": "max-age=60"})

    origin.script = script
    rules = document(origin)
    rules["cache"]["memory"] = "10MiB"
    world = await build(rules)
    for number in range(40):
        await world.client.get(f"{origin.url}/{number}")
    assert 5 * 1024 * 1024 < world.service.responses.bytes_used <= 10 * 1024 * 1024
    await world.client.get(f"{origin.url}/39")
    text = world.service.metrics.render().decode()
    assert f'resource_proxy_cache_total{{result="miss",rule="{origin.url}"}} 40.0' in text
    assert f'resource_proxy_cache_total{{result="hit",rule="{origin.url}"}} 1.0' in text
    assert "resource_proxy_cache_bytes " in text


async def test_with_a_credential_it_stays_private_and_without_the_token(build: Build) -> None:
    world = await build()
    secure = "Secure/City/MapServer?f=json"
    document = config(world.arcgis.url, cache={"maxAge": "5m", "overrule": True})
    world = await build(document)
    await world.client.get(world.url(secure))
    before = world.arcgis.journal.count
    got = await world.client.get(world.url(f"{secure}&token=guess"))
    assert world.arcgis.journal.count == before
    assert state(got).startswith("hit")
    assert got.headers["cache-control"] == "private, max-age=300"


async def test_a_right_that_is_taken_away_takes_the_answer_along(build: Build) -> None:
    world = await build(cache={"maxAge": "1ms", "staleIfError": "1h", "overrule": True})
    url = world.url()
    assert (await world.client.get(url)).status == 200
    assert world.service.responses.bytes_used > 0
    world.arcgis.options.denial = "role"
    assert (await world.client.get(url)).status == 403
    assert world.service.responses.bytes_used == 0


# --- hits of a target that was judged before: answered at once, by `web.hits`


async def hot(build: Build, origin: Origin, **rule: Any) -> World:
    """One stored answer, which was asked for twice."""
    origin.numbers(Cache_Control="max-age=60", ETag='"a"', Vary="Accept-Language")
    world: World = await build(document(origin, **rule))
    for _ in range(2):
        await world.client.get(f"{origin.url}/a?f=json")
    assert f"{origin.url}/a?f=json" in world.service.current.runtime.known
    return world


async def test_the_short_way_says_what_the_long_one_says(build: Build, origin: Origin) -> None:
    world = await hot(build, origin)
    for headers in ({}, {"Origin": "https://maps.example.com"}, {"X_Request_Id": "mine"}, {"If_None_Match": '"a"'}):
        world.service.current.runtime.known.clear()
        got = [await world.client.get(f"{origin.url}/a?f=json", **headers) for _ in range(4)]
        told = [{**each.headers, "status": str(each.status), "body": each.body.decode()} for each in got]
        for each in told:
            assert state(got[0]).startswith("hit; ttl=")
            assert headers.get("X_Request_Id", each["x-request-id"]) == each["x-request-id"]
            each["age"] = each["cache-status"] = each["x-request-id"] = ""
        assert all(each == told[0] for each in told)
        assert got[-1].status == (304 if "If_None_Match" in headers else 200)
    part = await world.client.get(f"{origin.url}/a?f=json", Range="bytes=0-2")
    assert (part.status, part.body) == (206, b"ans")
    assert len(origin.requests) == 1


async def test_the_short_way_looks_at_who_asks(build: Build, origin: Origin) -> None:
    world = await hot(build, origin)
    target = f"{origin.url}/a?f=json"
    for headers in (
        {"Referer": "https://evil.example.com/"},
        {"Referer": ""},
        {"Origin": "https://evil.example.com"},
        {"Sec_Fetch_Dest": "script"},
    ):
        got = [await world.client.get(target, **headers) for _ in range(2)]
        assert {each.status for each in got} == {403}
        assert (await world.client.get(target)).status == 200
    assert (await world.client.get(target, "DELETE")).status == 405
    assert (await world.client.get(target, Cache_Control="no-cache")).body == b"answer 1"
    assert [request.headers.get("If-None-Match") for request in origin.requests] == [None, '"a"']
    assert (await world.client.get(target, Accept_Language="de")).body == b"answer 3"
    assert (await world.client.get(target)).body == b"answer 1"


async def test_the_short_way_counts_each_client(build: Build, origin: Origin) -> None:
    world = await hot(build, origin, rateLimit=5, rateLimitPeriod=1)
    got = [await world.client.get(f"{origin.url}/a?f=json") for _ in range(6)]
    assert [each.status for each in got] == [200] * 3 + [429] * 3
    assert got[-1].headers["retry-after"]


async def test_the_short_way_ends_with_the_answers_life_and_with_its_configuration(
    build: Build, origin: Origin
) -> None:
    origin.numbers(Cache_Control="max-age=1")
    rules = document(origin)
    world = await build(rules)
    bodies = [(await world.client.get(f"{origin.url}/a")).body for _ in range(3)]
    await asyncio.sleep(1.1)
    bodies += [(await world.client.get(f"{origin.url}/a")).body for _ in range(3)]
    assert bodies == [b"answer 1"] * 3 + [b"answer 2"] * 3
    rules["allowedReferers"] = ["https://other.example.com"]
    world.path.write_text(yaml.safe_dump(rules), encoding="utf-8")
    await world.service.apply(load(world.path, {}))
    assert (await world.client.get(f"{origin.url}/a")).status == 403
    world.service.draining = True
    assert (await world.client.get(f"{origin.url}/a", Referer="https://other.example.com/")).status == 503


async def test_what_is_one_users_or_a_mounts_goes_the_long_way(build: Build, origin: Origin) -> None:
    origin.numbers(Cache_Control="max-age=60")
    rules = document(origin, mount="/gis")
    world = await build(rules)
    for _ in range(3):
        async with world.client.session.get(
            f"{world.client.proxy.removesuffix('/proxy')}/gis/a", headers={"Referer": PAGE}
        ) as got:
            assert got.status == 200
    assert state(Got(got.status, {k.lower(): v for k, v in got.headers.items()}, b"")).startswith("hit")
    assert not world.service.current.runtime.known


async def test_the_short_way_keeps_to_the_connection(build: Build, origin: Origin) -> None:
    world = await hot(build, origin)
    head = f"GET /proxy?{origin.url}/a?f=json HTTP/1.1\r\nHost: x\r\nReferer: {PAGE}\r\n"
    async with connect(world) as line:
        line.send(f"{head}\r\n".encode() * 50)
        assert {(await line.answer()).body for _ in range(50)} == {b"answer 1"}
        line.send(f"{head}\r\n".encode())
        assert "connection" not in (await line.answer()).headers
        line.send(f"{head}Connection: close\r\n\r\n".encode())
        assert (await line.answer()).headers["connection"] == "close"
        assert await line.rest() == b""
    async with connect(world) as line:
        for number in range(1, 1001):
            line.send(f"{head}\r\n".encode())
            assert ("connection" in (await line.answer()).headers) == (number == 1000)
        assert await line.rest() == b""
    async with connect(world) as line:
        line.send(f"{head}\r\n".replace("HTTP/1.1", "HTTP/1.0").encode())
        assert (await line.answer()).headers["connection"] == "close"


async def test_who_does_not_read_hits_fills_no_memory(build: Build, origin: Origin) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(1_000_000), headers={"Cache-Control": "max-age=60"})

    origin.script = script
    world = await build(document(origin))
    for _ in range(2):
        await world.client.get(f"{origin.url}/a")
    head = f"GET /proxy?{origin.url}/a HTTP/1.1\r\nHost: x\r\nReferer: {PAGE}\r\n\r\n".encode()
    async with connect(world, limit=1024) as line:
        for _ in range(60):
            line.send(head)
            await asyncio.sleep(0.005)
        found = world.service.metrics.cached()["hit"]
        assert found < 25  # the kernel's buffers hold some megabytes


async def test_the_short_way_is_counted_and_logged_alike(build: Build, origin: Origin) -> None:
    world = await hot(build, origin)
    for _ in range(2):
        await world.client.get(f"{origin.url}/a?f=json")
    log = [json.loads(line) for line in await written(world) if '"request"' in line]
    alike = [
        {name: value for name, value in line.items() if name not in ("time", "request_id", "duration_ms")}
        for line in log[1:]
    ]
    assert alike[0] == alike[1] == alike[2]
    assert [list(line) for line in log[1:]] == [list(log[1])] * 3
    assert (alike[1]["cache"], alike[1]["target"], alike[1]["query"]) == ("hit", f"{origin.url}/a", "f")
    text = world.service.metrics.render().decode()
    assert f'resource_proxy_cache_total{{result="hit",rule="{origin.url}"}} 3.0' in text
    assert f'resource_proxy_requests_total{{outcome="ok",rule="{origin.url}",status="200"}} 4.0' in text
    assert f'resource_proxy_response_bytes_total{{rule="{origin.url}"}} 32.0' in text

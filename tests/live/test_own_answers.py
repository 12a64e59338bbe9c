"""What the proxy answers itself, and what it leaves behind: refusals, CORS, limits, its log line."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from tests.live.conftest import Build, World
from tests.live.raw import CITY, connect, request


async def test_a_rule_for_our_own_listener_does_not_make_a_loop(world: World) -> None:
    current = world.service.current.runtime.configuration
    port = world.service.public.port
    own = replace(current.rules[0], name="own", port=port, path="", credential=None)
    await world.service.apply(replace(current, rules=(own,)))
    got = await world.client.get(f"http://127.0.0.1:{port}/healthz")
    assert got.status == 502
    assert "own_listener" in got.json["error"]["message"]


async def test_a_refused_request_never_reaches_the_upstream(world: World) -> None:
    before = len(world.arcgis.journal)
    refused = [
        await world.client.get(world.url(), Referer="https://evil.example/"),
        await world.client.get(world.url(), Referer=""),
        await world.client.get(world.url(), Origin="https://evil.example"),
        await world.client.get(f"{world.arcgis.url}/admin"),
        await world.client.get(f"{world.arcgis.url}/rest/services/../../admin"),
        await world.client.get(world.url("Secure/City/FeatureServer/0/applyEdits?f=json")),
        await world.client.get(world.url("Secure/City/MapServer?f=json&callback=x")),
        await world.client.get("https://other.example/"),
        await world.client.get("gopher://x"),
        await world.client.get(""),
    ]
    assert [got.status for got in refused] == [403, 403, 403, 403, 400, 403, 403, 403, 400, 400]
    for got in refused:
        error = got.json["error"]
        assert error["code"] == got.status
        assert got.headers["content-type"].startswith("application/json"), error
        assert got.headers["cache-control"] == "no-store", error
        assert got.status != 403 or (error["subcode"], error["messageCode"]) == (1, "SB_0008")
    assert len(world.arcgis.journal) == before


@pytest.mark.parametrize(("target", "status"), [("", 200), ("https://other.example/", 403)])
async def test_cors_is_ours_on_answers_and_errors(world: World, target: str, status: int) -> None:
    got = await world.client.get(target or world.url(), Origin="https://maps.example.com")
    assert got.status == status
    assert got.headers["access-control-allow-origin"] == "https://maps.example.com"
    assert "Origin" in got.headers["vary"]
    assert "access-control-allow-credentials" not in got.headers


async def test_a_preflight_is_answered_here(world: World) -> None:
    got = await world.client.get(
        world.url(),
        "OPTIONS",
        Origin="https://maps.example.com",
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="x-requested-with",
    )
    assert got.status == 204
    assert got.headers["access-control-allow-headers"] == "x-requested-with"
    assert got.headers["access-control-allow-origin"] == "https://maps.example.com"
    assert len(world.arcgis.journal) == 0
    refused = await world.client.get(world.url(), "OPTIONS", Origin="https://evil.example")
    assert refused.status == 403
    assert "access-control-allow-origin" not in refused.headers


async def test_ping_and_health_answer_anyone(world: World) -> None:
    for word in ("ping", "PING"):
        got = await world.client.get(word, Referer="")
        assert set(got.json) == {"Proxy Version", "Configuration File", "Log File"}, word
    base = world.client.proxy.removesuffix("/proxy")
    async with world.client.session.get(f"{base}/healthz") as response:
        assert response.status == 200
    async with world.client.session.get(f"{base}/elsewhere") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (404, 404)


async def test_the_fourth_of_three_allowed_requests_is_429(build: Build) -> None:
    world = await build(rateLimit=3, rateLimitPeriod=1)
    statuses = [(await world.client.get(world.url())).status for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    got = await world.client.get(world.url())
    assert 1 <= int(got.headers["retry-after"]) <= 60


async def test_a_request_leaves_one_line_without_query_values(world: World) -> None:
    await world.client.get(world.url("Secure/City/MapServer?f=json&where=private"), X_Request_Id="abc")
    await world.service.stop()
    await world.logged("stopped")  # the last of all lines
    (line,) = await world.logged("request")
    assert (line["request_id"], line["status"], line["outcome"]) == ("abc", 200, "ok")
    assert (line["query"], line["credential"], line["operation"]) == ("f,where", "city", "mapserver")
    assert "private" not in world.log.getvalue()


async def test_who_asks_is_found_out_anew_where_headers_or_configuration_change(world: World) -> None:
    stranger, (one, two) = world.service.current.runtime.configuration, ("198.51.100.1", "198.51.100.2")
    trusted = replace(stranger, trusted_proxies=(ip_network("127.0.0.1"),))
    async with connect(world) as line:
        for configuration, said in ((stranger, one), (trusted, one), (trusted, two), (stranger, two)):
            await world.service.apply(configuration)
            line.send(request(world, CITY, f"X-Forwarded-For: {said}", f"X-Request-Id: for-{said}"))
            assert (await line.answer()).headers["x-request-id"] == f"for-{said}"
    await world.service.stop()
    await world.logged("stopped")
    assert [each["client"] for each in await world.logged("request")] == ["127.0.0.1", one, two, "127.0.0.1"]

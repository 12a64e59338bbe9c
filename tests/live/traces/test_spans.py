"""Traces on real sockets: what a collector is told, what it is never told, and that its faults are nobody's."""

import asyncio
import re

import pytest

from proxy.simulator.server import Simulator
from tests.live.collector import Collector, Span
from tests.live.conftest import PASSWORD, Build, World, config
from tests.live.served import free_port
from tests.live.traces.conftest import one

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
async def traced(collector: Collector, build: Build) -> World:
    world: World = await build(collector=collector)
    return world


async def ended(world: World, collector: Collector) -> list[Span]:
    """Everything that was traced."""
    await world.service.stop()
    return collector.spans


async def test_a_request_is_one_trace_from_the_client_to_the_server(traced: World, collector: Collector) -> None:
    got = await traced.client.get(traced.url(), traceparent=PARENT, tracestate="vendor=x, other@one=y")
    assert got.status == 200
    spans = await ended(traced, collector)
    assert {span.trace for span in spans} == {TRACE}
    rule = f"{traced.arcgis.url}/rest/services"
    server = one(collector.of("server"))
    assert (server.name, server.parent, server.state) == (f"GET {rule}", CALLER, "vendor=x,other@one=y")
    assert server.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/proxy",
        "resource_proxy.rule": rule,
        "resource_proxy.credential": "city",
        "resource_proxy.operation": server.attributes["resource_proxy.operation"],
        "resource_proxy.outcome": "ok",
        "resource_proxy.target": f"{rule}/Secure/City/MapServer",
        "resource_proxy.attempts": 1,
    }
    assert not server.is_error
    asked = f"{rule}/Secure/City/MapServer"
    client = one([span for span in collector.of("client", url__full=asked) if span.parent == server.id])
    assert client.name == "GET"
    assert client.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.full": asked,
        "server.address": "127.0.0.1",
        "server.port": traced.arcgis.port,
    }
    up = traced.arcgis.journal.to("MapServer")[-1].headers
    assert up["traceparent"] == f"00-{TRACE}-{client.id}-01"
    assert up["tracestate"] == "vendor=x,other@one=y"
    assert collector.resources[server.process]["service.name"] == "resource-proxy"


async def test_the_login_that_a_request_waits_for_is_in_its_trace(traced: World, collector: Collector) -> None:
    await traced.client.get(traced.url(), traceparent=PARENT)
    await ended(traced, collector)
    server = one(collector.of("server"))
    login = one(collector.of("internal"))
    assert (login.name, login.parent, login.links) == ("login city", server.id, [])
    assert login.attributes["resource_proxy.ahead"] is False
    posted = one(collector.of("client", http__request__method="POST"))
    assert posted.parent == login.id
    [arrived] = [entry for entry in traced.arcgis.journal if entry.method == "POST"]
    assert arrived.headers["traceparent"] == f"00-{TRACE}-{posted.id}-01"
    [(name, waited)] = server.events
    assert (name, waited["resource_proxy.credential"]) == ("token awaited", "city")


async def test_a_request_without_a_trace_begins_one_that_its_log_line_names(
    traced: World, collector: Collector
) -> None:
    await traced.client.get(traced.url())
    await traced.client.get(traced.url(), traceparent="00-" + TRACE.upper() + CALLER, tracestate="vendor=x")
    await ended(traced, collector)
    servers = collector.of("server")
    assert len({span.trace for span in servers} - {TRACE}) == 2
    assert {(span.parent, span.state) for span in servers} == {("", "")}
    await traced.logged("stopped")
    assert [line["trace_id"] for line in await traced.logged("request", 2)] == [span.trace for span in servers]


async def test_a_trace_that_is_not_recorded_goes_on_all_the_same(traced: World, collector: Collector) -> None:
    await traced.client.get(traced.url(), traceparent=PARENT[:-2] + "00", tracestate="vendor=x")
    assert await ended(traced, collector) == []
    up = traced.arcgis.journal.to("MapServer")[-1].headers
    assert re.fullmatch(rf"00-{TRACE}-(?!{CALLER})[0-9a-f]{{16}}-00", up["traceparent"])
    assert up["tracestate"] == "vendor=x"


async def test_a_span_holds_no_token_no_query_and_nothing_of_a_client(traced: World, collector: Collector) -> None:
    said = {name: f"canary-{name}" for name in ("User-Agent", "X-Request-Id", "Cookie", "Accept-Language", "Baggage")}
    traced.secrets |= {"canary-value"}
    for target in (
        traced.url("Secure/City/MapServer/0/query?f=json&where=canary-value&token=canary-value"),
        "https://other.example/canary-path?x=canary-value",
        "https://user:canary-value@other.example/",
        f"{traced.arcgis.url}/rest/services/token=canary-value",
    ):
        await traced.client.get(target, traceparent=PARENT, **said)
    await traced.client.get(traced.url(), method="canary-METHOD")
    traced.arcgis.revoke_all()
    await traced.client.get(traced.url())
    await ended(traced, collector)
    told = b"".join(body for body in traced.client.seen if b"service.instance.id" in body)
    assert len(collector.spans) > 8
    for word in ("canary-value", "canary-METHOD", "maps.example.com", "127.0.0.1:0", "generateToken?", *said.values()):
        assert word.encode() not in told, word
    for token in traced.arcgis.accounts.all_tokens:
        assert token.encode() not in told


async def test_answers_from_the_cache_are_traced_as_all_others(collector: Collector, build: Build) -> None:
    world: World = await build(collector=collector, cache={"maxAge": "5m", "overrule": True})
    for _ in range(4):
        assert (await world.client.get(world.url())).status == 200
    await ended(world, collector)
    assert len(collector.of("server")) == 4


async def test_a_rejected_token_shows_with_the_login_and_the_second_try(traced: World, collector: Collector) -> None:
    await traced.client.get(traced.url())
    traced.arcgis.revoke_all()
    traced.arcgis.options.token_delay = 0.05
    assert (await traced.client.get(traced.url(), traceparent=PARENT)).status == 200
    spans = [span for span in await ended(traced, collector) if span.trace == TRACE]
    server = one([span for span in spans if span.kind == "server"])
    assert [name for name, _ in server.events] == ["token rejected", "token awaited"]
    assert server.attributes["resource_proxy.renewals"] == 1
    tries = [span for span in spans if span.kind == "client" and span.parent == server.id]
    assert [span.attributes.get("http.request.resend_count") for span in tries] == [None, 1]
    assert one([span for span in spans if span.kind == "internal"]).parent == server.id


async def test_who_waits_for_the_login_of_another_is_led_to_it(traced: World, collector: Collector) -> None:
    traced.arcgis.options.token_delay = 0.2
    await asyncio.gather(*(traced.client.get(traced.url(f"Secure/City/MapServer?f=json&n={n}")) for n in range(8)))
    await ended(traced, collector)
    login, servers = one(collector.of("internal")), collector.of("server")
    assert len({span.trace for span in servers}) == 8
    assert all([name for name, _ in span.events] == ["token awaited"] for span in servers)
    assert sorted(span.links for span in servers) == [[], *[[login.id]] * 7]


async def test_a_login_made_ahead_is_a_trace_of_its_own(traced: World, collector: Collector) -> None:
    traced.arcgis.options.token_seconds = 11.0  # renewed ten seconds before its end
    await traced.client.get(traced.url())
    async with asyncio.timeout(20):
        while traced.arcgis.accounts.logins < 2:
            await asyncio.sleep(0.1)
            assert (await traced.client.get(traced.url())).status == 200
    await ended(traced, collector)
    ahead = one(collector.of("internal", resource_proxy__ahead=True))
    servers = {span.id: span for span in collector.of("server")}
    assert ahead.parent == ""
    assert servers[one_link(ahead)].trace != ahead.trace
    assert {span.trace for span in collector.of("client") if span.parent == ahead.id} == {ahead.trace}


def one_link(span: Span) -> str:
    [link] = span.links
    return link


async def test_failures_are_named_and_refusals_are_none(collector: Collector, build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    dead = f"http://127.0.0.1:{free_port()}"
    document["serverUrls"].append({"url": f"{dead}/rest/services"})
    document["credentials"]["city"]["password"] = PASSWORD + "wrong"
    world = await build(document, collector=collector)
    assert (await world.client.get(f"{dead}/rest/services/A?f=json")).status == 502
    assert (await world.client.get(world.url(), Referer="https://elsewhere.example/")).status == 403
    assert (await world.client.get(world.url())).status == 502
    await ended(world, collector)
    failed, refused, denied = collector.of("server")
    assert (failed.is_error, failed.attributes["error.type"]) == (True, "unreachable")
    assert failed.attributes["http.response.status_code"] == 502
    client = one([span for span in collector.of("client") if span.parent == failed.id])
    assert (client.is_error, client.attributes["error.type"]) == (True, "unreachable")
    assert (refused.is_error, refused.attributes["resource_proxy.outcome"]) == (False, "referer")
    assert (denied.is_error, denied.attributes["error.type"]) == (True, "credential_refused")
    login = one(collector.of("internal"))
    assert (login.is_error, login.attributes["error.type"]) == (True, "credential_refused")


async def test_probes_make_no_traces(traced: World, collector: Collector) -> None:
    async with traced.client.session.get(f"http://127.0.0.1:{traced.service.public.port}/healthz") as response:
        assert response.status == 200
    assert await ended(traced, collector) == []


async def test_off_a_trace_goes_on_as_it_came(world: World) -> None:
    await world.client.get(world.url(), traceparent=PARENT, tracestate="vendor=x, other@one=y")
    up = world.arcgis.journal.to("MapServer")[-1].headers
    assert (up["traceparent"], up["tracestate"]) == (PARENT, "vendor=x, other@one=y")
    [login] = [entry for entry in world.arcgis.journal if entry.method == "POST"]
    assert "traceparent" not in login.headers

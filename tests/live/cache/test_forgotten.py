"""What the cache forgets, keeps to one user, and takes away with a right."""

import asyncio

import yaml
from aiohttp import web

from proxy.settings.load import load
from tests.live.cache.conftest import Origin, document, state
from tests.live.conftest import Build, config


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


async def test_the_cache_stays_within_its_room_and_says_how_full_it_is(build: Build, origin: Origin) -> None:
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

"""Tokens on real sockets: obtained once, renewed unseen, never shown."""

import asyncio
from typing import Any

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import Build, World, config


async def test_a_secured_service_answers_without_a_prompt(world: World) -> None:
    got = await world.client.get(world.url())
    assert got.status == 200
    assert got.json["mapName"] == "City"
    entry = world.arcgis.journal.to("MapServer")[-1]
    assert entry.credential == "header"
    assert entry.headers["referer"] == "https://arcgis-resource-proxy/"
    assert world.arcgis.accounts.logins == 1


async def test_fifty_cold_callers_make_one_login(world: World) -> None:
    world.arcgis.options.token_delay = 0.1
    got = await asyncio.gather(
        *(world.client.get(world.url(f"Secure/City/MapServer/0?f=json&n={n}")) for n in range(50))
    )
    assert {each.status for each in got} == {200}
    assert world.arcgis.accounts.logins == 1


async def test_a_revocation_with_fifty_in_flight_makes_one_more_and_no_client_sees_it(world: World) -> None:
    await world.client.get(world.url())
    world.arcgis.revoke_all()
    world.arcgis.options.token_delay = 0.1
    got = await asyncio.gather(*(world.client.get(world.url(f"Secure/City/MapServer?f=json&n={n}")) for n in range(50)))
    assert all(each.json["mapName"] == "City" for each in got)
    assert world.arcgis.accounts.logins == 2


@pytest.mark.parametrize("style", ["json200", "status", "status_only", "html200"])
@pytest.mark.parametrize("path", ["?f=json", "/export?f=image", "/tile/13/1/1", "/legend?f=json"])
async def test_a_dead_token_is_healed_in_every_shape(world: World, style: str, path: str) -> None:
    options = world.arcgis.options
    options.json_failure = options.image_failure = options.tile_failure = style
    await world.client.get(world.url())
    world.arcgis.revoke_all()
    got = await world.client.get(world.url(f"Secure/City/MapServer{path}"))
    assert got.status == 200
    assert b"error" not in got.body[:10]
    assert world.arcgis.accounts.logins == 2


@pytest.mark.parametrize(
    "knob", [{"is_pretty": True}, {"is_gzipped": True}, {"error_type": "text/plain;charset=utf-8"}]
)
async def test_formatting_does_not_hide_a_dead_token(world: World, knob: dict[str, Any]) -> None:
    for name, value in knob.items():
        setattr(world.arcgis.options, name, value)
    await world.client.get(world.url())
    world.arcgis.revoke_all()
    got = await world.client.get(world.url(), Accept_Encoding="gzip")
    assert got.json["mapName"] == "City"


async def test_a_server_that_hears_no_header_is_learned_before_a_client_waits(build: Build, arcgis: Simulator) -> None:
    arcgis.options.accepts = {"query", "form"}
    document = config(arcgis.url)
    document["serverUrls"][0]["url"] += "/Secure"
    world = await build(document)
    assert (await world.client.get(world.url())).status == 200
    assert [entry.credential for entry in arcgis.journal.to("/City/MapServer")] == ["query"]


async def test_where_the_probe_learns_nothing_the_first_request_falls_back(world: World) -> None:
    world.arcgis.options.accepts = {"query", "form"}
    assert (await world.client.get(world.url())).status == 200
    assert (await world.client.get(world.url())).status == 200
    assert [entry.credential for entry in world.arcgis.journal.to("City/MapServer")] == ["header", "query", "query"]
    assert world.arcgis.accounts.logins == 1


@pytest.mark.parametrize("inject", ["header", "bearer", "query"])
async def test_the_token_travels_where_the_rule_says(build: Build, inject: str) -> None:
    world = await build(inject=inject)
    assert (await world.client.get(world.url())).status == 200
    assert world.arcgis.journal.to("MapServer")[-1].credential == inject


async def test_on_a_form_post_the_query_token_is_a_field(build: Build) -> None:
    world = await build(inject="query")
    form = b"where=1%3D1&f=json&a.b=1&a.b=2"
    got = await world.client.get(
        world.url("Secure/City/FeatureServer/0/query"), "POST", form, Content_Type="application/x-www-form-urlencoded"
    )
    assert len(got.json["features"]) == 12
    entry = world.arcgis.journal.to("query")[-1]
    assert entry.credential == "form"
    assert entry.body.startswith(form + b"&token=")
    assert entry.query == ""


async def test_a_token_is_renewed_ahead_while_the_old_one_serves(world: World) -> None:
    world.arcgis.options.token_seconds = 2.0
    await world.client.get(world.url())
    await asyncio.sleep(1.2)
    world.arcgis.options.token_delay = 0.3
    assert (await world.client.get(world.url())).status == 200
    await asyncio.sleep(0.5)
    assert world.arcgis.accounts.logins == 2
    assert all(entry.is_good for entry in world.arcgis.journal.to("MapServer"))


async def test_a_wrong_password_is_tried_once(build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    document["credentials"]["city"]["password"] = "canary-wrong-password"
    world = await build(document)
    got = [await world.client.get(world.url()) for _ in range(5)]
    assert {each.status for each in got} == {502}
    assert "Invalid credentials" in got[0].json["error"]["message"]
    assert arcgis.accounts.refusals == 1
    (line,) = await world.logged("credential_refused")
    assert "Invalid credentials Correct the credential" in line["why"]
    assert "canary-wrong-password" not in world.log.getvalue()


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("html", 503),
        ("status500", 503),
        ("drop", 503),
        ("empty", 503),
        ("flood", 503),
        ("machines", 503),
        ("redirect", 502),
    ],
)
async def test_a_broken_token_service_is_said_and_not_stormed(world: World, fault: str, status: int) -> None:
    world.arcgis.options.token_fault = fault
    got = await world.client.get(world.url())
    assert got.status == status
    assert got.json["error"]["code"] == status
    assert status != 503 or "retry-after" in got.headers
    for _ in range(5):
        await world.client.get(world.url())
    assert len(world.arcgis.journal.to("generateToken")) <= 2


@pytest.mark.parametrize("fault", ["no_expires", "text_expires", "seconds", "past"])
async def test_odd_ends_are_taken_sanely(world: World, fault: str) -> None:
    world.arcgis.options.token_fault = fault
    assert (await world.client.get(world.url())).status == 200
    await world.client.get(world.url())
    assert world.arcgis.accounts.logins == 1 or fault == "past"


async def test_a_foreign_token_service_gets_no_password(world: World) -> None:
    world.arcgis.options.token_services_url = "https://evil.example/tokens/"
    got = await world.client.get(world.url())
    assert got.status == 502
    assert "evil.example" in got.json["error"]["message"]
    assert world.arcgis.journal.to("tokens") == []


async def test_a_federated_servers_token_is_exchanged_at_the_portal(world: World) -> None:
    world.arcgis.options.federated = True
    assert (await world.client.get(world.url())).status == 200
    assert (world.arcgis.accounts.logins, world.arcgis.accounts.exchanges) == (1, 1)
    world.arcgis.revoke_all()  # the portal's token too: its exchange says 498, and it is renewed first
    assert (await world.client.get(world.url())).status == 200
    assert (world.arcgis.accounts.logins, world.arcgis.accounts.exchanges) == (2, 2)


async def test_a_server_that_rejects_every_token_causes_no_storm_of_logins(world: World) -> None:
    world.arcgis.options.token_seconds = -1  # what it gives out is dead at once
    for _ in range(10):
        got = await world.client.get(world.url())
        assert got.status == 502
        assert got.json["error"]["code"] == 502
    assert world.arcgis.accounts.logins <= 3


async def test_the_clients_own_token_never_reaches_the_server(world: World) -> None:
    target = world.url("Secure/City/MapServer?token=mine&f=json&TOKEN=mine2")
    got = await world.client.get(
        target, X_Esri_Authorization="Bearer mine", Authorization="Bearer mine", Cookie="agstoken=mine"
    )
    assert got.json["mapName"] == "City"
    entry = world.arcgis.journal.to("MapServer")[-1]
    assert "mine" not in entry.query + repr(entry.headers)
    assert entry.query == "f=json"


async def test_rest_info_gives_no_hint_to_sign_in(world: World) -> None:
    got = await world.client.get(f"{world.arcgis.url}/rest/info?f=json")
    assert got.json == {
        "currentVersion": 10.81,
        "fullVersion": "10.8.1",
        "authInfo": {"isTokenBasedSecurity": False},
    }


async def test_a_denial_of_the_servers_own_is_a_quiet_403(world: World) -> None:
    from aiohttp import web

    async def deny(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"error": {"code": 403, "message": "User does not have permissions", "details": []}})

    await world.client.get(world.url())
    world.arcgis.faults.append(deny)
    got = await world.client.get(world.url())
    assert got.status == 403
    assert got.json["error"]["subcode"] == 1
    assert got.json["error"]["messageCode"] == "SB_0008"
    assert got.json["error"]["message"] == "User does not have permissions"
    assert world.arcgis.accounts.logins == 1

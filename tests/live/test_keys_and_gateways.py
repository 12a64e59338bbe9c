"""App logins, keys and gateways in front of every kind of site, on real sockets."""

from typing import Any

import pytest

from proxy.simulator.options import (
    APP_ID,
    GATEWAY_HEADER,
    ITEM_PRIVATE,
)
from proxy.simulator.server import Simulator
from tests.live.conftest import Build, Sites
from tests.live.profiles import USER, document, draws_a_map

KEY = "AAPKcanary0123456789abcdef_-"


SECRET = "canary-app-secret"


GATEWAY = "canary-gateway-key"


# --- app logins -----------------------------------------------------------------------------------------------------


def app(site: Simulator, slash: str = "", **more: Any) -> dict[str, Any]:
    endpoint = f"{site.portal_url}/sharing/rest/oauth2{slash}"
    return {"type": "oauth", "clientId": APP_ID, "clientSecret": SECRET, "oauth2Endpoint": endpoint, **more}


@pytest.mark.parametrize("slash", ["", "/"])
async def test_an_app_login_is_exchanged_for_a_federated_server(build: Build, sites: Sites, slash: str) -> None:
    site = await sites("federated", apps={APP_ID: SECRET})
    world = await build(document(site, app(site, slash)), site=site)
    for _ in range(2):
        await draws_a_map(world, site)
        site.revoke_all()
    form = site.journal.to("oauth2/token")[-1]
    assert (form.method, form.query) == ("POST", "")
    assert b"grant_type=client_credentials" in form.body


async def test_an_app_opens_its_portal_and_not_what_is_not_shared(build: Build, sites: Sites) -> None:
    site = await sites("portal", apps={APP_ID: SECRET}, app_minutes=1.0)
    world = await build(document(site, app(site), url=site.portal_url), site=site)
    item = f"{site.portal_url}/sharing/rest/content/items/{ITEM_PRIVATE}?f=json"
    assert (await world.client.get(item)).json["id"] == ITEM_PRIVATE
    (row,) = world.service.store.snapshot()
    assert 50 < int(str(row["secondsLeft"])) <= 60  # `expires_in` is in seconds
    site.options.app_may = False
    got = await world.client.get(item)
    assert (got.status, got.json["error"]["messageCode"]) == (403, "SB_0008")
    assert "An app opens only what is shared with it" in " ".join(got.json["error"]["details"])


@pytest.mark.parametrize(
    ("change", "words"),
    [({"clientId": "nobody"}, "Invalid client_id"), ({"clientSecret": "canary-wrong"}, "Invalid client_secret")],
)
async def test_a_wrong_app_login_is_tried_once(build: Build, sites: Sites, change: dict[str, str], words: str) -> None:
    site = await sites("federated", apps={APP_ID: SECRET})
    world = await build(document(site, app(site) | change), site=site)
    for _ in range(3):
        got = await world.client.get(f"{site.services_url}/Secure/City/MapServer?f=json")
        assert (got.status, got.json["error"]["messageCode"]) == (502, "PROXY_CREDENTIAL_REFUSED")
        assert words in got.json["error"]["message"]
        assert "client id or client secret" in got.json["error"]["message"]
    assert len(site.journal.to("oauth2/token")) == 1
    assert SECRET not in world.log.getvalue()


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inject", ["auto", "header", "bearer", "query"])
async def test_a_key_is_used_as_it_is(build: Build, sites: Sites, inject: str) -> None:
    site = await sites("ags-11.4", static_tokens={KEY})
    world = await build(document(site, {"type": "token", "accessToken": KEY}, inject=inject), site=site)
    await draws_a_map(world, site)
    assert site.accounts.logins == 0
    assert not site.journal.to("tokens")
    assert (await world.client.session.get(f"http://127.0.0.1:{world.service.admin.port}/status")).status == 200


async def test_a_revoked_key_is_the_operators_problem(build: Build, sites: Sites) -> None:
    site = await sites("ags-11.4", static_tokens={KEY})
    world = await build(document(site, {"type": "token", "accessToken": KEY}), site=site)
    secure = f"{site.services_url}/Secure/City/MapServer?f=json"
    assert (await world.client.get(secure)).status == 200
    site.options.static_tokens.clear()
    site.journal.clear()
    for _ in range(5):
        got = await world.client.get(secure)
        assert (got.status, got.json["error"]["messageCode"]) == (502, "PROXY_TOKEN_REJECTED")
        assert "accessToken" in " ".join(got.json["error"]["details"])
    assert len(site.journal.to("MapServer")) <= 5  # one try for a request, never a second


async def test_a_key_that_never_worked_rests(build: Build, sites: Sites) -> None:
    site = await sites("ags-11.4")
    world = await build(document(site, {"type": "token", "accessToken": KEY}, inject="header"), site=site)
    for _ in range(5):
        got = await world.client.get(f"{site.services_url}/Secure/City/MapServer?f=json")
        assert (got.status, got.json["error"]["messageCode"]) == (502, "PROXY_TOKEN_REJECTED")
    assert len(site.journal.to("City/MapServer")) <= 2


async def test_a_key_under_a_name_of_its_own(build: Build, arcgis: Simulator) -> None:
    credential = {"type": "token", "accessToken": KEY, "tokenParamName": "apiKey"}
    world = await build(document(arcgis, credential, inject="query"))
    await world.client.get(f"{arcgis.url}/rest/services/Public/City/MapServer?f=json&APIKEY=theirs&token=theirs")
    assert arcgis.journal.to("MapServer")[-1].query == f"f=json&apiKey={KEY}"


# --- gateways ---------------------------------------------------------------------------------------------------------


async def test_a_gateways_header_goes_with_everything(build: Build, sites: Sites) -> None:
    site = await sites("arbitrary-root", gateway_header=(GATEWAY_HEADER, GATEWAY))
    credential = {"type": "headers", "headers": {GATEWAY_HEADER: GATEWAY}}
    world = await build(document(site, credential), site=site)
    got = await world.client.get(f"{site.services_url}/Secure/City/MapServer/export?bbox=0,0,1,1&size=8,8&f=image")
    assert (got.status, got.body[:4]) == (200, b"\x89PNG")
    credential["headers"] = {GATEWAY_HEADER: "canary-old"}
    world = await build(document(site, credential), site=site)
    got = await world.client.get(f"{site.services_url}/Secure/City/MapServer/export?f=image")
    assert (got.status, got.json["error"]["messageCode"]) == (502, "PROXY_CREDENTIAL_REFUSED")
    assert "headers" in got.json["error"]["message"]


@pytest.mark.parametrize("where", ["credential", "rule"])
async def test_a_gateway_with_tokens_beneath(build: Build, sites: Sites, where: str) -> None:
    site = await sites("custom-api", gateway_header=(GATEWAY_HEADER, GATEWAY))
    headers: dict[str, Any] = {"headers": {GATEWAY_HEADER: GATEWAY}}
    on_credential, on_rule = (headers, {}) if where == "credential" else ({}, headers)
    world = await build(document(site, {**USER, **on_credential}, **on_rule), site=site)
    for _ in range(2):
        await draws_a_map(world, site)
        site.revoke_all()
    assert site.accounts.logins == 2
    assert all(entry.headers["x-api-key"] == GATEWAY for entry in site.journal)  # rest/info and tokens too


async def test_a_gateway_that_lost_its_key_is_no_dead_token(build: Build, sites: Sites) -> None:
    site = await sites("custom-api", gateway_header=(GATEWAY_HEADER, GATEWAY))
    world = await build(document(site, {**USER, "headers": {GATEWAY_HEADER: GATEWAY}}), site=site)
    await draws_a_map(world, site)
    site.options.gateway_header = (GATEWAY_HEADER, "another")
    for _ in range(3):
        got = await world.client.get(f"{site.services_url}/Secure/City/MapServer?f=json")
        assert (got.status, got.json["error"]["messageCode"]) == (502, "PROXY_CREDENTIAL_REFUSED")
        assert "headers" in got.json["error"]["message"]
    assert site.accounts.logins == 1

"""Every kind of token, against sites as each release behaves: maps drawn, dead tokens healed, failures explained."""

from typing import Any

import pytest
from aiohttp import web

from proxy.simulator.options import (
    APP_ID,
    GATEWAY_HEADER,
    ITEM_ABSENT,
    ITEM_PRIVATE,
    ITEM_UNSHARED,
)
from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD, Build, Sites, World, config

KEY = "AAPKcanary0123456789abcdef_-"
SECRET = "canary-app-secret"
GATEWAY = "canary-gateway-key"
FORM = "application/x-www-form-urlencoded"
SOAP = b"""<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>
<GetServerInfo xmlns="http://www.esri.com/schemas/ArcGIS/RELEASE"/></soap:Body></soap:Envelope>"""
WMS = "services/Secure/City/MapServer/WMSServer?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetCapabilities"
SERVERS = ["ags-9.3", "ags-10.0", "ags-10.2", "ags-10.3", "ags-10.8", "ags-11.4", "ags-12.0"]


def document(site: Simulator, credential: dict[str, Any], url: str = "", **rule: Any) -> dict[str, Any]:
    """The whole site under one rule, so that its SOAP and OGC endpoints are too."""
    made = config(site.url, **rule)
    made["credentials"]["city"] = credential
    made["serverUrls"][0]["url"] = url or site.url
    return made


USER = {"username": "webmap", "password": PASSWORD}


async def draws_a_map(world: World, site: Simulator) -> None:
    """What a map asks for: description, picture, tile, legend, features by form."""
    secure = f"{site.services_url}/Secure/City/MapServer"
    got = await world.client.get(f"{secure}?f=json")
    assert (got.status, got.json["mapName"]) == (200, "City"), got.body
    got = await world.client.get(f"{secure}/export?bbox=0,0,1,1&size=8,8&format=png32&f=image")
    assert (got.status, got.body[:4]) == (200, b"\x89PNG"), got.body[:200]
    got = await world.client.get(f"{secure}/tile/13/1/1")
    assert got.status == 200, got.body[:200]
    got = await world.client.get(f"{secure}/legend?f=json")
    assert "layers" in got.json, got.body[:200]
    features = f"{site.services_url}/Secure/City/FeatureServer/0/query"
    got = await world.client.get(features, "POST", b"where=1%3D1&f=json", Content_Type=FORM)
    assert got.json["features"], got.body[:200]


@pytest.mark.parametrize("profile", SERVERS)
async def test_every_release_is_signed_and_healed(build: Build, sites: Sites, profile: str) -> None:
    site = await sites(profile)
    world = await build(document(site, USER), site=site)
    await draws_a_map(world, site)
    logins = site.accounts.logins
    assert logins == 1
    site.revoke_all()
    await draws_a_map(world, site)
    assert site.accounts.logins == 2


@pytest.mark.parametrize("profile", SERVERS)
async def test_soap_and_ogc_of_every_release(build: Build, sites: Sites, profile: str) -> None:
    site = await sites(profile)
    world = await build(document(site, USER), site=site)
    service = f"{site.url}/services/Secure/City/MapServer"
    body = SOAP.replace(b"RELEASE", str(site.options.soap_release).encode())
    await world.client.get(f"{site.services_url}/Secure/City/MapServer?f=json")
    site.revoke_all()
    got = await world.client.get(service, "POST", body, Content_Type="text/xml; charset=utf-8")
    assert (got.status, b"GetServerInfoResponse" in got.body) == (200, True), got.body[:300]
    site.revoke_all()
    got = await world.client.get(f"{service}?wsdl")
    assert (got.status, b"definitions" in got.body) == (200, True), got.body[:300]
    site.revoke_all()
    got = await world.client.get(f"{site.url}/{WMS}")
    assert (got.status, b"WMS_Capabilities" in got.body) == (200, True), got.body[:300]
    assert site.accounts.logins == 4


@pytest.mark.parametrize("style", ["json200", "status_only", "xml"])
async def test_ogc_failures_in_every_shape_are_healed(build: Build, sites: Sites, style: str) -> None:
    site = await sites("ags-10.8", ogc_failure=style, echoes_token=True)
    world = await build(document(site, USER, inject="query"), site=site)
    for _ in range(2):
        got = await world.client.get(f"{site.url}/{WMS}")
        assert (got.status, b"WMS_Capabilities" in got.body) == (200, True), got.body[:300]
        site.revoke_all()


async def test_without_rest_info_the_soap_catalog_names_the_token_service(build: Build, sites: Sites) -> None:
    site = await sites("ags-9.3")
    world = await build(document(site, USER), site=site)
    await draws_a_map(world, site)
    assert [entry.method for entry in site.journal if entry.path.endswith("/arcgis/services")] == ["GET", "POST"]
    login = site.journal.to("/tokens")[-1]
    assert (login.method, b"clientid=ref." in login.body) == ("POST", True)


async def test_a_portal_and_what_it_does_not_show(build: Build, sites: Sites) -> None:
    site = await sites("portal")
    world = await build(document(site, USER, url=site.portal_url), site=site)
    items = f"{site.portal_url}/sharing/rest/content/items"
    for _ in range(2):
        got = await world.client.get(f"{items}/{ITEM_PRIVATE}?f=json")
        assert (got.status, got.json["id"]) == (200, ITEM_PRIVATE), got.body
        site.revoke_all()
    got = await world.client.get(f"{items}/{ITEM_UNSHARED}?f=json")
    assert (got.status, got.json["error"]["messageCode"]) == (403, "SB_0008")
    assert "You do not have permissions" in got.json["error"]["message"]
    got = await world.client.get(f"{items}/{ITEM_ABSENT}?f=json")
    assert got.json["error"]["messageCode"] == "CONT_0001"


@pytest.mark.parametrize("profile", ["federated", "agol"])
async def test_a_federated_server_takes_an_exchanged_token(build: Build, sites: Sites, profile: str) -> None:
    site = await sites(profile)
    world = await build(document(site, USER), site=site)
    await draws_a_map(world, site)
    assert (site.accounts.logins, site.accounts.exchanges) == (1, 1)
    site.revoke_all()  # the portal's token too: one exchange that fails, one login, one exchange
    await draws_a_map(world, site)
    assert (site.accounts.logins, site.accounts.exchanges) == (2, 2)


async def test_an_expired_portal_token_is_renewed_before_the_exchange(build: Build, sites: Sites) -> None:
    site = await sites("federated", portal_minutes=0.05)
    world = await build(document(site, USER), site=site)
    await draws_a_map(world, site)
    site.accounts.clock_offset += 10
    site.revoke_all()
    await draws_a_map(world, site)
    assert (site.accounts.logins, site.accounts.exchanges) == (2, 2)


async def test_one_chain_for_a_request_and_no_more(build: Build, sites: Sites) -> None:
    """Whatever the server is given, it rejects it: a request ends after one renewal of the whole chain."""
    site = await sites("federated")

    async def reject(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"error": {"code": 498, "message": "Invalid Token", "details": []}})

    site.faults.extend([reject] * 100)
    world = await build(document(site, USER), site=site)
    got = await world.client.get(f"{site.services_url}/Secure/City/MapServer?f=json")
    assert (got.status, got.json["error"]["messageCode"]) == (502, "PROXY_TOKEN_REJECTED")
    assert site.accounts.logins <= 2
    assert site.accounts.exchanges <= 2


@pytest.mark.parametrize("portal_host", ["127.0.0.1", "localhost"])
async def test_a_portal_behind_a_web_tier_exchanges_without_a_token(
    build: Build, sites: Sites, portal_host: str
) -> None:
    site = await sites("federated-web-tier", web_tier_password=PASSWORD)
    portal = site.portal_url.replace("127.0.0.1", portal_host)
    world = await build(document(site, {"type": "basic", **USER, "portalUrl": portal}), site=site)
    for _ in range(2):
        await draws_a_map(world, site)
        site.revoke_all()
    asked = [entry for entry in site.journal.to("generateToken") if entry.login == "basic"]
    assert len(asked) == 2
    assert b"serverUrl=" in asked[0].body
    assert b"token=" not in asked[0].body.replace(b"request=getToken", b"")
    assert all(entry.login != "basic" for entry in site.journal.to("MapServer"))


async def test_a_web_tier_that_asks_for_a_login_says_which(build: Build, sites: Sites) -> None:
    site = await sites("web-tier-basic", web_tier_password=PASSWORD)
    world = await build(document(site, USER), site=site)
    got = await world.client.get(f"{site.services_url}/Secure/City/MapServer?f=json")
    assert got.status == 502
    assert "basic" in " ".join(got.json["error"]["details"])
    assert not [entry for entry in site.journal if PASSWORD.encode() in entry.body]
    world = await build(document(site, {"type": "basic", **USER}), site=site)
    await draws_a_map(world, site)


async def test_a_koop_like_server_is_found_and_hears_the_query(build: Build, sites: Sites) -> None:
    site = await sites("koop")
    world = await build(document(site, USER), site=site)
    for _ in range(2):
        await draws_a_map(world, site)
        site.revoke_all()
    assert {entry.credential for entry in site.journal.to("MapServer")} <= {"header", "query", "none"}


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


# --- each failure, its own words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status", "slug", "words"),
    [
        ("locked", 502, "ACCOUNT_LOCKED", "locked"),
        ("unbound_long", 502, "CREDENTIAL_MISCONFIGURED", ""),
        ("post_query", 502, "CREDENTIAL_MISCONFIGURED", "query string"),
        ("html", 503, "TOKEN_UNAVAILABLE", "something else than a token"),
        ("machines", 503, "TOKEN_UNAVAILABLE", "without a token"),
        ("status500", 503, "TOKEN_UNAVAILABLE", "HTTP status 500"),
        ("empty", 503, "TOKEN_UNAVAILABLE", "something else"),
        ("redirect", 502, "CREDENTIAL_MISCONFIGURED", "redirects"),
        ("drop", 503, "BAD_ANSWER", "broke off"),
    ],
)
async def test_a_token_service_that_fails_is_told_in_words(
    build: Build, sites: Sites, fault: str, status: int, slug: str, words: str
) -> None:
    site = await sites("ags-10.8", token_fault=fault)
    world = await build(document(site, USER), site=site)
    got = await world.client.get(f"{site.services_url}/Secure/City/MapServer?f=json")
    error = got.json["error"]
    assert (got.status, error["messageCode"]) == (status, f"PROXY_{slug}"), error
    assert words in error["message"], error
    assert "retry-after" in got.headers or status == 502


async def test_a_portal_that_cannot_be_reached(build: Build, sites: Sites) -> None:
    site = await sites("federated")
    credential = {**USER, "portalUrl": "http://127.0.0.1:9/portal"}
    world = await build(document(site, credential), site=site)
    got = await world.client.get(f"{site.services_url}/Secure/City/MapServer?f=json")
    assert (got.status, got.json["error"]["messageCode"]) == (503, "PROXY_UNREACHABLE")
    assert "token service could not be reached" in got.json["error"]["message"]


async def test_a_portal_that_does_not_know_the_server(build: Build, sites: Sites) -> None:
    site = await sites("federated", exchange_fault="not_federated")
    world = await build(document(site, USER), site=site)
    got = await world.client.get(f"{site.services_url}/Secure/City/MapServer?f=json")
    assert (got.status, got.json["error"]["messageCode"]) == (502, "PROXY_NOT_FEDERATED")

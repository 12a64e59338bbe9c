"""Every kind of token, against sites as each release behaves: maps drawn, dead tokens healed, failures explained."""

import pytest
from aiohttp import web

from proxy.simulator.options import (
    ITEM_ABSENT,
    ITEM_PRIVATE,
    ITEM_UNSHARED,
)
from tests.live.conftest import PASSWORD, Build, Sites
from tests.live.profiles import USER, document, draws_a_map

SOAP = b"""<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>
<GetServerInfo xmlns="http://www.esri.com/schemas/ArcGIS/RELEASE"/></soap:Body></soap:Envelope>"""


WMS = "services/Secure/City/MapServer/WMSServer?SERVICE=WMS&VERSION=1.3.0&REQUEST=GetCapabilities"


SERVERS = ["ags-9.3", "ags-10.0", "ags-10.2", "ags-10.3", "ags-10.8", "ags-11.4", "ags-12.0"]


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

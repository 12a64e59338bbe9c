"""The portal: logins, the exchange for a server's token, apps, items, and a web tier in front."""

import aiohttp
import pytest

from proxy.simulator.options import ITEM_PRIVATE, ITEM_PUBLIC, PASSWORD
from tests.unit.simulator.conftest import PORTAL_GENERATE, SECURE, Got, Start, Visit

ITEM = f"/portal/sharing/rest/content/items/{ITEM_PRIVATE}"
SELF = "/portal/sharing/rest/portals/self?f=json"
NOT_SHARED = "You do not have permissions to access this resource or perform this operation."
BASIC = aiohttp.encode_basic_auth("webmap", PASSWORD)


async def exchange(visit: Visit, token: str, name: str = "serverUrl", path: str = "") -> Got:
    return await visit.post(PORTAL_GENERATE, **{name: visit.arcgis.url + path, "token": token, "f": "json"})


@pytest.mark.parametrize("name", ["serverUrl", "serverURL", "SERVERURL"])
@pytest.mark.parametrize("path", ["", "/", "/rest/services/Secure/City/MapServer"])
async def test_a_portals_token_is_exchanged_for_a_servers(start: Start, name: str, path: str) -> None:
    site = await start("federated")
    held = await site.log_in(PORTAL_GENERATE)
    assert (await site.ask(f"{SECURE}&token={held}")).json["error"]["code"] == 498  # of another issuer
    got = await exchange(site, held, name, path)
    assert set(got.json) == {"token", "expires", "ssl"}
    assert "mapName" in (await site.ask(f"{SECURE}&token={got.json['token']}")).json
    assert (site.arcgis.accounts.logins, site.arcgis.accounts.exchanges) == (1, 1)


async def test_an_expired_or_foreign_token_is_not_exchanged(start: Start) -> None:
    site = await start("federated")
    held = await site.log_in(PORTAL_GENERATE)
    servers = (await exchange(site, held)).json["token"]
    assert (await exchange(site, servers)).json["error"]["code"] == 498
    site.arcgis.accounts.clock_offset += 2 * 3600 + 1
    assert (await exchange(site, held)).json["error"]["code"] == 498
    held = await site.log_in(PORTAL_GENERATE)
    got = await site.post(PORTAL_GENERATE, serverUrl="https://elsewhere.example/server", token=held, f="json")
    assert got.json["error"]["code"] == 400
    site.arcgis.options.exchange_fault = "not_federated"
    assert (await exchange(site, held)).json["error"]["code"] == 400


async def test_online_takes_a_portals_token_as_it_is_and_exchanged(start: Start) -> None:
    site = await start("agol")
    held = await site.log_in(PORTAL_GENERATE)
    assert "mapName" in (await site.ask(f"{SECURE}&token={held}")).json
    assert "mapName" in (await site.ask(f"{SECURE}&token={(await exchange(site, held)).json['token']}")).json
    other = site.arcgis.site.origin + "/0123456789abcdef/arcgis/rest/services?f=json"
    async with site.session.get(other) as response:
        assert (await response.json(content_type=None))["error"]["message"] == "Invalid URL"


async def test_an_app_gets_seconds_for_minutes(start: Start) -> None:
    site = await start("federated")
    assert (await site.app()).json.keys() == {"access_token", "expires_in"}
    assert (await site.app()).json["expires_in"] == 7200
    assert (await site.app(expiration="10")).json["expires_in"] == 600
    assert (await site.app(expiration="999999")).json["expires_in"] == 20160 * 60
    form = {"client_id": "demo-app", "client_secret": "demo-app-secret", "grant_type": "client_credentials"}
    slashed = await site.post("/portal/sharing/rest/oauth2/token/", **form)
    assert slashed.json["access_token"]
    assert (await site.app(grant_type="password")).json["error"]["code"] == 400


@pytest.mark.parametrize("app_may", [True, False])
async def test_an_app_sees_what_is_shared_with_it(start: Start, app_may: bool) -> None:
    site = await start("federated", app_may=app_may)
    held = (await site.app()).json["access_token"]
    servers = (await exchange(site, held)).json["token"]
    for got in (await site.ask(f"{ITEM}?f=json&token={held}"), await site.ask(f"{SECURE}&token={servers}")):
        assert got.status == 200
        assert ("error" not in got.json) == app_may
        assert app_may or (got.json["error"]["code"], got.json["error"]["message"]) == (403, NOT_SHARED)


async def test_revoking_answers_success_even_for_junk(start: Start) -> None:
    site = await start("federated")
    held = (await site.app()).json["access_token"]
    for token in ("junk", held):
        got = await site.post("/portal/sharing/rest/oauth2/revokeToken", client_id="demo-app", auth_token=token)
        assert got.json == {"success": True}, token
    assert (await site.ask(f"{ITEM}?f=json&token={held}")).json["error"]["code"] == 498


async def test_items_and_self_are_for_those_who_may_see_them(start: Start) -> None:
    site = await start("portal")
    token = await site.log_in(PORTAL_GENERATE)
    assert (await site.ask(f"{ITEM}?f=json&token={token}")).json["id"] == ITEM_PRIVATE
    assert "operationalLayers" in (await site.ask(f"{ITEM}/data?f=json&token={token}")).json
    assert (await site.ask(f"{SELF}&token={token}")).json["user"] == {"username": "webmap"}
    assert "id" in (await site.ask(f"/portal/sharing/rest/content/items/{ITEM_PUBLIC}?f=json")).json
    assert site.arcgis.journal.to("items")[0].is_good


async def test_a_portal_behind_a_web_tier_asks_for_a_login(start: Start) -> None:
    site = await start("federated-web-tier")
    info = "/portal/sharing/rest/info?f=json"
    for headers in ({}, {"Authorization": aiohttp.encode_basic_auth("webmap", "wrong")}, {"Authorization": "Basic !"}):
        got = await site.ask(info, headers=headers)
        assert (got.status, got.headers["www-authenticate"]) == (401, 'Basic realm="portal"'), headers
    headers = {"Authorization": BASIC}
    auth = (await site.ask(info, headers=headers)).json["authInfo"]
    assert auth == {"isTokenBasedSecurity": False}
    got = await site.post(PORTAL_GENERATE, headers, serverUrl=site.arcgis.url, request="getToken", f="json")
    assert "mapName" in (await site.ask(f"{SECURE}&token={got.json['token']}")).json
    assert (await site.ask(SELF, headers=headers)).json["user"] == {"username": "webmap"}
    entry = site.arcgis.journal.to("generateToken")[0]
    assert (entry.login, entry.headers["authorization"], entry.credential) == ("basic", BASIC, "none")


async def test_without_a_web_tier_an_exchange_needs_a_token(start: Start) -> None:
    site = await start("federated")
    got = await site.post(PORTAL_GENERATE, {"Authorization": BASIC}, serverUrl=site.arcgis.url, f="json")
    assert got.json["error"]["code"] == 498

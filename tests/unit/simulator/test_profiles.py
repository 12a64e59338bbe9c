"""Each profile is the release or the arrangement whose name it has: discovery, logins, and what stands in front."""

from typing import Any

import aiohttp
import pytest

from proxy.simulator.options import GATEWAY_KEY, PASSWORD, PROFILES, Options, of_profile
from proxy.simulator.server import Simulator, wishes
from tests.unit.simulator.conftest import SECURE, Start, Visit

INFO = "/rest/info?f=json"
CREDENTIALS = {"username": "webmap", "password": PASSWORD}
PAGE = "https://maps.example.com/"
BASIC = {"Authorization": aiohttp.encode_basic_auth("webmap", PASSWORD)}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_sets_its_options(name: str) -> None:
    assert of_profile(name).profile == name
    assert set(PROFILES[name]) <= set(Options.__slots__)
    assert wishes(Simulator(of_profile(name)))
    with pytest.raises(KeyError, match="known"):
        of_profile("nonsense")


def test_profiles_share_nothing_that_changes() -> None:
    of_profile("koop").accepts.clear()
    assert of_profile("koop").accepts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "ags-10.0",
            {
                "currentVersion": 10.0,
                "soapUrl": "{site}/services",
                "secureSoapUrl": None,
                "authInfo": {"isTokenBasedSecurity": True, "tokenServicesUrl": "{site}/tokens/"},
            },
        ),
        (
            "ags-10.8",
            {
                "currentVersion": 10.81,
                "fullVersion": "10.8.1",
                "soapUrl": "{site}/services",
                "secureSoapUrl": None,
                "authInfo": {
                    "isTokenBasedSecurity": True,
                    "tokenServicesUrl": "{site}/tokens/",
                    "shortLivedTokenValidity": 60,
                },
            },
        ),
        (
            "agol",
            {
                "currentVersion": 11.5,
                "owningSystemUrl": "{portal}",
                "owningTenant": "0123456789ABCDEF",
                "authInfo": {
                    "isTokenBasedSecurity": True,
                    "tokenServicesUrl": "{portal}/sharing/rest/generateToken",
                },
            },
        ),
        (
            "koop",
            {
                "currentVersion": 11.2,
                "fullVersion": "11.2.0",
                "authInfo": {"isTokenBasedSecurity": True, "tokenServicesUrl": "{site}/rest/generateToken"},
            },
        ),
    ],
)
async def test_what_rest_info_says(start: Start, name: str, expected: dict[str, Any]) -> None:
    visit = await start(name)
    got = await visit.ask(INFO)
    text = got.body.decode().replace(visit.arcgis.url, "{site}").replace(visit.arcgis.portal_url, "{portal}")
    assert type(got)(200, {}, text.encode()).json == expected


@pytest.mark.parametrize(
    ("name", "service", "owned"),
    [
        ("ags-10.2", "/tokens/", False),
        ("ags-10.3", "/tokens/", False),
        ("ags-11.4", "/tokens/", False),
        ("ags-12.0", "/security/tokens/", False),
        ("custom-api", "/tokens/", False),
        ("portal", "/tokens/", False),
        ("federated", "/portal/sharing/rest/generateToken", True),
        ("federated-web-tier", "/portal/sharing/rest/generateToken", True),
    ],
)
async def test_where_tokens_come_from(start: Start, name: str, service: str, owned: bool) -> None:
    visit = await start(name)
    info = (await visit.ask(INFO, headers={"X-Api-Key": GATEWAY_KEY})).json
    assert info["currentVersion"] == PROFILES[name].get("version", 10.81)
    assert info["authInfo"]["tokenServicesUrl"].endswith(service)
    assert ("owningSystemUrl" in info) == owned


@pytest.mark.parametrize("name", ["ags-9.3", "arbitrary-root"])
async def test_some_have_no_rest_info(start: Start, name: str) -> None:
    got = await (await start(name)).ask(INFO, headers={"X-Api-Key": GATEWAY_KEY})
    assert b"authInfo" not in got.body
    assert b"currentVersion" not in got.body


async def legacy(visit: Visit, method: str = "GET", **more: str) -> tuple[int, str]:
    asked = {"request": "getToken", **CREDENTIALS, **more}
    got = await visit.ask("/tokens", method, **{"params" if method == "GET" else "data": asked})
    return got.status, got.body.decode()


async def test_9_3_knows_text_tokens_alone(start: Start) -> None:
    visit = await start("ags-9.3")
    for method in ("GET", "POST"):
        status, token = await legacy(visit, method, f="json")
        assert (status, len(token) > 16, token.isprintable()) == (200, True, True), method
        assert "mapName" in (await visit.ask(f"{SECURE}&token={token}")).json
    assert (await visit.post("/tokens/generateToken", **CREDENTIALS, f="json")).status == 404
    headers = {"X-Esri-Authorization": f"Bearer {token}", "Authorization": f"Bearer {token}"}
    assert (await visit.ask(SECURE, headers=headers)).json["error"]["code"] == 499
    assert (await legacy(visit, password="wrong"))[0] == 403
    assert (await legacy(visit, request="other"))[1].startswith("Invalid request<br>Usage: ")


async def test_9_3_binds_by_client_id(start: Start) -> None:
    visit = await start("ags-9.3")
    for life in ("expiration", "timeout"):
        _, said = await legacy(visit, **{life: "1000"})
        assert "Client ID is required for long expiration tokens." in said
        _, token = await legacy(visit, **{life: "1000"}, clientid=f"ref.{PAGE}")
        assert "mapName" in (await visit.ask(f"{SECURE}&token={token}", headers={"Referer": PAGE})).json
        assert (await visit.ask(f"{SECURE}&token={token}")).json["error"]["code"] == 498


@pytest.mark.parametrize(
    ("name", "get", "in_query"),
    [("ags-10.0", None, None), ("ags-10.2", None, None), ("ags-10.3", 405, 405), ("ags-10.8", 405, 405)],
)
async def test_what_each_release_allows(start: Start, name: str, get: int | None, in_query: int | None) -> None:
    visit = await start(name)
    asked = {"params": {**CREDENTIALS, "f": "json"}}
    for method, code in (("GET", get), ("POST", in_query)):
        document = (await visit.ask("/tokens/generateToken", method, **asked)).json
        assert document.get("error", {}).get("code") == code
        assert ("token" in document) == (code is None)
    assert "token" in (await visit.post("/tokens/", **CREDENTIALS, f="json", request="getToken")).json
    assert len((await legacy(visit, "POST"))[1].splitlines()) == 1


async def test_12_0_has_moved_its_token_service(start: Start) -> None:
    visit = await start("ags-12.0")
    assert (await visit.post("/tokens/generateToken", **CREDENTIALS, f="json")).status == 404
    assert (await visit.post("/tokens", **CREDENTIALS, request="getToken")).status == 404
    token = await visit.log_in("/security/tokens/generateToken")
    assert "mapName" in (await visit.ask(f"{SECURE}&token={token}")).json


async def test_koop_hears_the_query_and_a_raw_header(start: Start) -> None:
    visit = await start("koop")
    assert (await visit.post("/tokens/generateToken", **CREDENTIALS, f="json")).status == 404
    token = await visit.log_in("/rest/generateToken")
    assert "mapName" in (await visit.ask(f"{SECURE}&token={token}")).json
    assert "mapName" in (await visit.ask(SECURE, headers={"Authorization": token})).json
    for header, code in (("Authorization", 498), ("X-Esri-Authorization", 499)):
        got = await visit.ask(SECURE, headers={header: f"Bearer {token}"})
        assert got.json["error"]["code"] == code
    error = (await visit.post("/rest/generateToken", username="webmap", password="wrong", f="json")).json["error"]
    assert (error["code"], error["details"]) == (400, ["Invalid username or password."])


async def test_a_web_tier_lets_in_by_its_own_login(start: Start) -> None:
    visit = await start("web-tier-basic")
    for path in (SECURE, INFO, "/services?wsdl", "/tokens/generateToken"):
        got = await visit.ask(path)
        assert (got.status, got.headers["www-authenticate"].split()[0]) == (401, "Basic"), path
    assert "mapName" in (await visit.ask(SECURE, headers=BASIC)).json
    auth = (await visit.ask(INFO, headers=BASIC)).json["authInfo"]
    assert auth == {"isTokenBasedSecurity": False}
    assert (await visit.ask("/tokens/generateToken", "POST", headers=BASIC, data=CREDENTIALS)).status == 404
    entries = visit.arcgis.journal.to("MapServer")
    assert [(entry.login, entry.is_good) for entry in entries] == [("none", False), ("basic", True)]


async def test_a_login_and_a_token_stack(start: Start) -> None:
    visit = await start(web_tier="basic")
    got = await visit.ask("/tokens/generateToken", "POST", headers=BASIC, data={**CREDENTIALS, "f": "json"})
    assert (await visit.ask(SECURE, headers=BASIC)).json["error"]["code"] == 499
    headers = {**BASIC, "X-Esri-Authorization": f"Bearer {got.json['token']}"}
    assert "mapName" in (await visit.ask(SECURE, headers=headers)).json


async def test_a_gateway_wants_its_header_on_every_request(start: Start) -> None:
    visit = await start("custom-api")
    headers = {"X-Api-Key": GATEWAY_KEY}
    for path in (SECURE, INFO, "/tokens/generateToken", "/rest/services/Secure/City/MapServer/export?f=image"):
        got = await visit.ask(path, headers={"X-Api-Key": "wrong"})
        assert (got.status, got.kind) == (401, "application/json"), path
    assert (await visit.ask(SECURE, headers=headers)).json["error"]["code"] == 499
    got = await visit.post("/tokens/generateToken", headers, **CREDENTIALS, f="json")
    assert "mapName" in (await visit.ask(f"{SECURE}&token={got.json['token']}", headers=headers)).json


async def test_an_api_of_ones_own_has_no_rest_services(start: Start) -> None:
    visit = await start("arbitrary-root")
    assert visit.arcgis.services_url == f"{visit.arcgis.site.origin}/map"
    path, headers = "/Secure/City/MapServer?f=json", {"X-Api-Key": GATEWAY_KEY}
    assert (await visit.ask(path)).status == 401
    assert "mapName" in (await visit.ask(path, headers=headers)).json
    href = (await visit.ask("/Secure/City/MapServer/export?f=json", headers=headers)).json["href"]
    got = await visit.ask(href.removeprefix(visit.arcgis.url), headers=headers)
    assert got.kind == "image/png"

"""`hostRedirect` on real sockets: clients name one server, another one answers, tokens and redirects included."""

from aiohttp import web

from proxy.live_check import look
from proxy.simulator.server import Simulator
from tests.live.conftest import Build, config

ALIAS = "https://public.example"


async def test_the_upstream_answers_for_the_name_that_clients_use(build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    origin = arcgis.url.removesuffix("/arcgis")
    document["serverUrls"][0] |= {"url": f"{ALIAS}/arcgis/rest/services", "hostRedirect": origin}
    world = await build(document)
    got = await world.client.get(f"{ALIAS}/arcgis/rest/services/Secure/City/MapServer?f=json")
    assert got.json["mapName"] == "City"
    assert arcgis.journal.to("MapServer")[-1].is_good
    info = await world.client.get(f"{ALIAS}/arcgis/rest/info?f=json")
    assert info.json["authInfo"] == {"isTokenBasedSecurity": False}
    assert (await world.client.get(world.url())).status == 403, "the upstream itself is not listed"


async def test_the_urls_own_path_may_be_left_out(build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    rest = {"url": f"{ALIAS}/maps", "hostRedirect": f"{arcgis.url}/rest/services/", "stripPrefix": True}
    document["serverUrls"][0] |= rest
    world = await build(document)
    got = await world.client.get(f"{ALIAS}/Maps/Secure/City/MapServer?f=json")
    assert got.json["mapName"] == "City"
    assert arcgis.journal.to("MapServer")[-1].path == "/arcgis/rest/services/Secure/City/MapServer"
    got = await world.client.get(f"{ALIAS}/maps/Secure/City/FeatureServer/0/applyEdits?f=json")
    assert got.status == 403, "what is judged is what is sent"


async def test_a_redirect_of_the_upstreams_comes_back_under_the_clients_name(build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    origin = arcgis.url.removesuffix("/arcgis")
    document["serverUrls"][0] |= {"url": f"{ALIAS}/arcgis", "hostRedirect": origin}
    world = await build(document)
    await world.client.get(f"{ALIAS}/arcgis/rest/services/Secure/City/MapServer?f=json")

    async def move(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"{arcgis.url}/rest/services/Secure/New/MapServer?f=json"})

    arcgis.faults.append(move)
    got = await world.client.get(f"{ALIAS}/arcgis/rest/services/Secure/City/MapServer?f=json")
    wanted = f"/proxy?{ALIAS}/arcgis/rest/services/Secure/New/MapServer?f=json"
    assert (got.status, got.headers["location"]) == (302, wanted)


async def test_check_live_asks_where_the_services_are(build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    rest = {"url": f"{ALIAS}/maps", "hostRedirect": f"{arcgis.url}/rest/services", "stripPrefix": True}
    document["serverUrls"][0] |= rest
    world = await build(document)
    (line,) = await look(world.service.current.runtime.configuration)
    assert line.good, line
    asked = [each.path for each in arcgis.journal.to("services")]
    assert asked[0] == "/arcgis/rest/services"
    assert all(path.startswith("/arcgis/rest/services") for path in asked), "what is found there is asked there, too"


async def test_a_stricter_rule_where_it_leads_is_not_passed_by(build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    origin = arcgis.url.removesuffix("/arcgis")
    strict = {"url": f"{arcgis.url}/rest/services/Secure/City/MapServer", "credential": "city", "users": "required"}
    document["serverUrls"] = [{**document["serverUrls"][0], "url": f"{ALIAS}/arcgis", "hostRedirect": origin}, strict]
    document |= {"users": {"source": "forwarded", "header": "X-User"}}
    document["server"]["trustedProxies"] = ["10.0.0.0/8"]
    world = await build(document)
    for path in ("City/MapServer", "City/MapServer/0", "CITY/mapserver", "/City/MapServer", "City%20/MapServer"):
        got = await world.client.get(f"{ALIAS}/arcgis/rest/services/Secure/{path}?f=json")
        assert (got.status, got.json["error"]["messageCode"]) == (403, "SB_0008"), path
    assert arcgis.journal.to("MapServer") == []
    assert (await world.client.get(f"{ALIAS}/arcgis/rest/services/Secure?f=json")).status == 200

"""The simulator is what it pretends to be: bodies byte for byte, tokens that end, accounts that lock."""

import json
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from PIL import Image

from proxy.simulator import draw, geography
from proxy.simulator.accounts import Accounts
from proxy.simulator.options import PASSWORD, PROFILES, Options, of_profile
from proxy.simulator.server import Simulator


@pytest.fixture
async def site() -> AsyncIterator[Simulator]:
    simulator = Simulator(Options())
    await simulator.start()
    yield simulator
    await simulator.stop()


async def ask(site: Simulator, path: str, method: str = "GET", **more: Any) -> tuple[int, str, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, site.url + path, allow_redirects=False, **more) as response,
    ):
        return response.status, response.content_type, await response.read()


async def token(site: Simulator, **more: str) -> str:
    form = {"username": "webmap", "password": PASSWORD, "f": "json", **more}
    _, _, body = await ask(site, "/tokens/generateToken", "POST", data=form)
    return str(json.loads(body)["token"])


async def test_the_bodies_of_missing_and_bad_tokens_are_byte_equal(site: Simulator) -> None:
    status, _, body = await ask(site, "/rest/services/Secure/City/MapServer?f=json")
    assert (status, body) == (200, b'{"error":{"code":499,"message":"Token Required","details":[]}}')
    status, _, body = await ask(site, "/rest/services/Secure/City/MapServer?f=json&token=bad")
    assert (status, body) == (200, b'{"error":{"code":498,"message":"Invalid Token","details":[]}}')
    _, _, body = await ask(site, "/rest/services/Public/City/MapServer?f=json&token=bad")
    assert b"498" in body  # a bad token breaks public services too
    _, _, body = await ask(site, "/tokens/generateToken", "GET")
    assert body == b'{"error":{"code":405,"message":"Method not supported","details":"HTTP GET is disabled"}}'


async def test_kinds_of_requests_fail_in_ways_of_their_own(site: Simulator) -> None:
    assert (await ask(site, "/rest/services/Secure/City/MapServer/tile/1/0/0"))[1] == "text/html"
    assert (await ask(site, "/services/Secure/City/MapServer?wsdl"))[0] == 499
    _, _, page = await ask(site, "/rest/services/Secure/City/MapServer")
    assert b'name="password"' in page
    _, _, body = await ask(site, "/rest/services/Secure/City/MapServer?f=json&callback=cb")
    assert body.startswith(b'cb({"error"')


async def test_secured_services_are_left_out_for_the_anonymous(site: Simulator) -> None:
    _, _, body = await ask(site, "/rest/services?f=json")
    assert json.loads(body)["folders"] == ["Public"]
    _, _, body = await ask(site, f"/rest/services?f=json&token={await token(site)}")
    assert json.loads(body)["folders"] == ["Public", "Secure"]


async def test_a_token_is_bound_to_its_referer_and_capped(site: Simulator) -> None:
    bound = await token(site, client="referer", referer="https://a.example/", expiration="999999")
    url = f"/rest/services/Secure/City/MapServer?f=json&token={bound}"
    assert b"mapName" in (await ask(site, url, headers={"Referer": "https://a.example/"}))[2]
    assert b"498" in (await ask(site, url, headers={"Referer": "https://b.example/"}))[2]
    assert b"498" in (await ask(site, url))[2]
    site.accounts.clock_offset += 3601
    assert b"498" in (await ask(site, url, headers={"Referer": "https://a.example/"}))[2]


async def test_queries_count_page_filter_and_speak_three_formats(site: Simulator) -> None:
    base = "/rest/services/Public/City/FeatureServer/0/query?where="
    assert json.loads((await ask(site, f"{base}1%3D1&returnCountOnly=true&f=json"))[2]) == {"count": 12}
    found = json.loads((await ask(site, f"{base}KIND%3D%27school%27&f=json"))[2])
    assert [row["attributes"]["NAME"] for row in found["features"]] == ["Grammar School", "Eastbank School"]
    paged = json.loads((await ask(site, f"{base}1%3D1&resultOffset=10&resultRecordCount=5&f=json"))[2])
    assert (len(paged["features"]), paged["exceededTransferLimit"]) == (2, False)
    geo = json.loads((await ask(site, f"{base}1%3D1&f=geojson"))[2])
    assert (geo["type"], len(geo["features"])) == ("FeatureCollection", 12)
    _, kind, body = await ask(site, f"{base}1%3D1&f=pbf")
    assert kind == "application/x-protobuf"
    assert b"City Hall" in body


async def test_an_export_shows_the_right_place(site: Simulator) -> None:
    x, y = geography.to_mercator((2900.0, 2200.0))  # Mill Meadows
    query = f"bbox={x - 200},{y - 200},{x + 200},{y + 200}&size=100,100&f=image&layers=show:2"
    _, kind, body = await ask(site, f"/rest/services/Public/City/MapServer/export?{query}")
    assert kind == "image/png"
    picture = Image.open(BytesIO(body)).convert("RGB")
    assert picture.size == (100, 100)
    assert picture.getpixel((50, 50)) == draw.PARK


def test_an_account_locks_after_five_wrong_passwords() -> None:
    accounts = Accounts({"a": "right"})
    assert not any(accounts.log_in("a", "wrong") for _ in range(5))
    assert not accounts.log_in("a", "right")
    accounts.clock_offset += 901
    assert accounts.log_in("a", "right")


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_sets_its_options(name: str) -> None:
    assert of_profile(name).profile == name
    with pytest.raises(KeyError, match="known"):
        of_profile("nonsense")

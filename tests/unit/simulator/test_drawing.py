"""Queries count, page and filter, and pictures show the right place, over REST and WMS."""

from io import BytesIO

import pytest
from PIL import Image

from proxy.simulator import draw, geography
from tests.unit.simulator.conftest import Start, Visit

PUBLIC = "/rest/services/Public/City"


async def test_secured_services_are_left_out_for_the_anonymous(visit: Visit) -> None:
    assert (await visit.ask("/rest/services?f=json")).json["folders"] == ["Public"]
    got = await visit.ask(f"/rest/services?f=json&token={await visit.log_in()}")
    assert got.json["folders"] == ["Public", "Secure"]


async def test_queries_count_page_filter_and_speak_three_formats(visit: Visit) -> None:
    base = f"{PUBLIC}/FeatureServer/0/query?where="
    assert (await visit.ask(f"{base}1%3D1&returnCountOnly=true&f=json")).json == {"count": 12}
    found = (await visit.ask(f"{base}KIND%3D%27school%27&f=json")).json
    assert [row["attributes"]["NAME"] for row in found["features"]] == ["Grammar School", "Eastbank School"]
    paged = (await visit.ask(f"{base}1%3D1&resultOffset=10&resultRecordCount=5&f=json")).json
    assert (len(paged["features"]), paged["exceededTransferLimit"]) == (2, False)
    geo = (await visit.ask(f"{base}1%3D1&f=geojson")).json
    assert (geo["type"], len(geo["features"])) == ("FeatureCollection", 12)
    coded = await visit.ask(f"{base}1%3D1&f=pbf")
    assert coded.kind == "application/x-protobuf"
    assert b"City Hall" in coded.body


def shows_a_park(body: bytes) -> bool:
    picture = Image.open(BytesIO(body)).convert("RGB")
    assert picture.size == (100, 100)
    return picture.getpixel((50, 50)) == draw.PARK


X, Y = geography.to_mercator((2900.0, 2200.0))  # Mill Meadows


async def test_an_export_shows_the_right_place(visit: Visit) -> None:
    query = f"bbox={X - 200},{Y - 200},{X + 200},{Y + 200}&size=100,100&layers=show:2"
    got = await visit.ask(f"{PUBLIC}/MapServer/export?{query}&f=image")
    assert got.kind == "image/png"
    assert shows_a_park(got.body)
    href = (await visit.ask(f"{PUBLIC}/MapServer/export?{query}&f=json")).json["href"]
    assert href.startswith(f"{visit.arcgis.url}/rest/directories/arcgisoutput/")
    assert shows_a_park((await visit.ask(href.removeprefix(visit.arcgis.url))).body)


@pytest.mark.parametrize(
    ("version", "reference", "name"),
    [("1.3.0", "CRS", "EPSG:3857"), ("1.3.0", "CRS", "EPSG:4326"), ("1.1.1", "SRS", "EPSG:4326")],
)
async def test_wms_draws_the_same_town(start: Start, version: str, reference: str, name: str) -> None:
    site = await start(ogc_failure="xml")
    west, south, east, north = X - 200, Y - 200, X + 200, Y + 200
    if name == "EPSG:4326":
        (west, south), (east, north) = geography.to_degrees((west, south)), geography.to_degrees((east, north))
    is_swapped = (version, name) == ("1.3.0", "EPSG:4326")
    box = (south, west, north, east) if is_swapped else (west, south, east, north)
    query = f"SERVICE=WMS&REQUEST=GetMap&VERSION={version}&{reference}={name}&BBOX={','.join(map(str, box))}"
    path = f"/services/Secure/City/MapServer/WMSServer?{query}&WIDTH=100&HEIGHT=100&LAYERS=2&FORMAT=image/png"
    got = await site.ask(f"{path}&token={await site.log_in()}")
    assert got.kind == "image/png"
    assert shows_a_park(got.body)
    refused = await site.ask(path)
    assert (refused.status, refused.kind) == (200, "text/xml")
    assert b"<ServiceException>Token Required</ServiceException>" in refused.body

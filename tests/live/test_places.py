"""Where the token travels is the server's word: no user's file, and no single page, moves it for everybody."""

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import Build, World

LAYER = "Secure/City/FeatureServer/0"
UNHEARD = '{"error":{"code":499,"message":"Token Required","details":[]}}'


def ways(world: World, part: str) -> list[str]:
    """How the token came with each request to paths with `part`."""
    return [entry.credential for entry in world.arcgis.journal.to(part)]


async def query(world: World) -> None:
    assert (await world.client.get(world.url(f"{LAYER}/query?where=1%3D1&f=json"))).status == 200


@pytest.mark.parametrize("path", [f"{LAYER}/1/attachments/7", "Secure/City/MapServer/0/images/x", f"{LAYER}/info/x"])
@pytest.mark.parametrize("comes_first", [True, False])
async def test_a_file_that_says_what_a_server_says_moves_no_token(world: World, path: str, comes_first: bool) -> None:
    """Anybody may attach such a file; the token would stand in the URLs of all requests, and so in the logs."""
    world.arcgis.options.files = {f"/arcgis/rest/services/{path}": UNHEARD}
    if not comes_first:
        await query(world)
    await world.client.get(world.url(path))
    await query(world)
    assert set(ways(world, "query")) == {"header"}


async def test_a_file_that_hears_no_header_moves_no_token(world: World) -> None:
    world.arcgis.options.accepts = {"query"}
    assert (await world.client.get(world.url(f"{LAYER}/1/attachments?f=json"))).status == 200
    world.arcgis.options.accepts = {"header", "query"}
    await query(world)
    assert ways(world, "attachments") == ["header", "query"]
    assert set(ways(world, "query")) == {"header"}


async def test_a_page_that_no_token_opens_moves_none_either(world: World) -> None:
    page = "Secure/City/MapServer/legend"
    world.arcgis.options.files = {f"/arcgis/rest/services/{page}": UNHEARD}
    assert (await world.client.get(world.url(f"{page}?f=json"))).status == 502
    await query(world)
    assert set(ways(world, "query")) == {"header"}


async def test_where_headers_are_heard_one_page_that_hears_none_stays_alone(world: World) -> None:
    await query(world)
    world.arcgis.options.accepts = {"query"}
    for _ in range(2):
        assert (await world.client.get(world.url())).status == 200
    world.arcgis.options.accepts = {"header", "query"}
    await query(world)
    await world.client.get(world.url())
    assert ways(world, "City/MapServer") == ["header", "query", "query", "query"]
    assert ways(world, "query") == ["header", "header"]


async def test_a_form_that_hears_neither_is_learned_with_its_query(build: Build, arcgis: Simulator) -> None:
    arcgis.options.accepts = {"query"}
    world: World = await build()
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for _ in range(2):
        got = await world.client.get(world.url(f"{LAYER}/query"), "POST", b"where=1%3D1&f=json", **form)
        assert got.json["features"]
    assert ways(world, "query") == ["header", "form", "query", "query"]

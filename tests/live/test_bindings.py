"""A credential stays with its own servers and its own sites, whatever clients ask for and whenever they do."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD, Build, Sites, World, config
from tests.running import configured
from tests.until import until

SPELLINGS = (
    "/arcgis/rest",
    "//arcgis/rest",
    "///arcgis/rest",
    "/arcgis//rest",
    "/x/rest",
    "/arcgis/z/rest",
    "/ArcGIS/rest",
    "/arcgis",
)


def whole_host(arcgis: Simulator) -> dict[str, Any]:
    document = config(arcgis.url)
    document["serverUrls"][0]["url"] = arcgis.url.removesuffix("/arcgis") + "/"
    return document


async def test_a_wrong_password_is_tried_once_however_the_site_is_spelled(build: Build, arcgis: Simulator) -> None:
    document = whole_host(arcgis)
    document["credentials"]["city"]["password"] = "canary-wrong"
    world: World = await build(document)
    host = arcgis.url.removesuffix("/arcgis")
    for spelling in SPELLINGS:
        got = await world.client.get(f"{host}{spelling}/services/Secure/City/MapServer?f=json")
        assert got.status == 502, spelling
    assert arcgis.accounts.refusals == 1


async def test_one_login_is_enough_however_the_site_is_spelled(build: Build, arcgis: Simulator) -> None:
    world: World = await build(whole_host(arcgis))
    host = arcgis.url.removesuffix("/arcgis")
    assert (await world.client.get(f"{host}/arcgis/rest/services/Secure/City/MapServer?f=json")).status == 200
    for spelling in SPELLINGS:
        await world.client.get(f"{host}{spelling}/services/Secure/City/MapServer?f=json")
    asked = [entry.path for entry in arcgis.journal.to("generateToken")]
    assert asked == ["/arcgis/tokens/generateToken"]


@pytest.mark.parametrize("kind", ["arcgis", "token"])
async def test_a_request_that_outlives_a_reload_takes_no_new_secret_to_the_old_server(
    build: Build, arcgis: Simulator, sites: Sites, kind: str
) -> None:
    def document(site: Simulator, secret: str) -> dict[str, Any]:
        written = config(site.url)
        user = {"username": "webmap", "password": secret}
        written["credentials"]["city"] = user if kind == "arcgis" else {"type": "token", "accessToken": secret}
        return written

    other: Simulator = await sites("ags-10.8")
    world: World = await build(document(arcgis, PASSWORD))
    is_reloaded, is_begun = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"f=json&where="
        is_begun.set()
        await is_reloaded.wait()
        yield b"1%3D1"

    form = {"Content_Type": "application/x-www-form-urlencoded"}
    asking = asyncio.ensure_future(
        world.client.get(world.url("Secure/City/MapServer/0/query"), method="POST", data=slow(), **form)
    )
    await is_begun.wait()
    await until(lambda: world.in_flight == 1)
    world.path.write_text(yaml.safe_dump(document(other, "canary-the-new-secret")), encoding="utf-8")
    await world.service.apply(configured(world.path))
    is_reloaded.set()
    got = await asking
    assert (got.status, got.json["error"]["code"]) == (502, 502)
    assert b"canary" not in b"".join(entry.body for entry in arcgis.journal.entries)
    assert "canary" not in str([entry.headers for entry in arcgis.journal.entries])
    assert (arcgis.accounts.logins, arcgis.accounts.refusals) == (0, 0)


async def test_after_a_reload_nobody_goes_on_as_who_was_written_there_before(build: Build, arcgis: Simulator) -> None:
    arcgis.options.users["editor"] = "canary-editor"
    world: World = await build(config(arcgis.url))
    world.secrets.add("canary-editor")
    assert (await world.client.get(world.url())).status == 200
    for user, password, logins in (("webmap", PASSWORD, 1), ("editor", "canary-editor", 2)):
        document = config(arcgis.url)
        document["credentials"]["city"] = {"username": user, "password": password}
        document["allowMissingReferer"] = True  # another configuration, be the user the same or not
        world.path.write_text(yaml.safe_dump(document), encoding="utf-8")
        await world.service.apply(configured(world.path))
        assert (await world.client.get(world.url())).status == 200
        assert arcgis.accounts.logins == logins

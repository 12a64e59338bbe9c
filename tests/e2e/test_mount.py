"""Map clients that know no proxy, in a real browser, with a mount as base URL: secured layers draw, nobody is asked
to sign in, no token is seen, and no request goes to the server itself."""

from playwright.async_api import Browser, Page

from tests.e2e.conftest import DIALOG, Stage, Witness, colours, drawn, opened, zoomed_in


async def _open(browser: Browser, stage: Stage, witness: Witness, name: str, more: str = "") -> Page:
    return await opened(browser, witness, stage.page(name, with_proxy=False, site=stage.mount) + more)


async def _close(page: Page, stage: Stage, witness: Witness) -> None:
    """Nothing was asked of the server itself, and its address stood in no answer."""
    assert await page.evaluate("window.state.errors || []") == []
    assert stage.arcgis.accounts.logins == 2
    await witness.saw_none_of(page, {*stage.secrets, f"127.0.0.1:{stage.arcgis.port}", "direct.example"})
    assert witness.errors == []
    await page.context.close()


async def test_esri_leaflet_draws_through_a_mount(browser: Browser, stage: Stage) -> None:
    witness = Witness()
    page = await _open(browser, stage, witness, "leaflet", "&f=json")  # the picture is behind the answer's `href`
    await page.wait_for_function("window.state.drawn >= 1 && window.state.features >= 10")
    assert (await colours(page, "mount-esri-leaflet"))["harbour"] > 1_000
    assert stage.arcgis.journal.to("/arcgisoutput/")
    stage.arcgis.revoke_all()
    await page.evaluate("window.map.panBy([120, 60], {animate: false})")
    await page.wait_for_function("window.state.drawn >= 2")
    assert (await colours(page, "mount-esri-leaflet-after-revocation"))["park"] > 1_000
    await _close(page, stage, witness)


async def test_openlayers_draws_through_a_mount(browser: Browser, stage: Stage) -> None:
    witness = Witness()
    page = await _open(browser, stage, witness, "ol")
    await page.wait_for_function(
        "window.state.pictures >= 1 && window.state.tiles >= 4 && window.state.features === 12"
    )
    assert (await page.evaluate("window.state.tileUrl")).startswith(
        f"{stage.mount}/rest/services/Secure/City/MapServer/WMTS/"
    )
    assert (await colours(page, "mount-openlayers"))["harbour"] > 1_000
    stage.arcgis.revoke_all()
    await page.evaluate("window.map.getView().setZoom(14)")
    await page.wait_for_function("window.state.pictures >= 2")
    await drawn(page, witness, "mount-openlayers-after-revocation", park=2_000)
    await _close(page, stage, witness)


async def test_maplibre_draws_through_a_mount(browser: Browser, stage: Stage) -> None:
    witness = Witness()
    page = await _open(browser, stage, witness, "maplibre")
    await page.wait_for_function("window.state.tiles >= 4 && window.state.features >= 10", timeout=60_000)
    before = await colours(page, "mount-maplibre")
    assert before["harbour"] > 1_000
    stage.arcgis.revoke_all()
    await page.evaluate("window.state.tiles = 0; window.map.jumpTo({zoom: 13})")
    await page.wait_for_function("window.state.tiles >= 4 && window.map.areTilesLoaded()")
    await drawn(page, witness, "mount-maplibre-after-revocation", park=2_000)
    await _close(page, stage, witness)


async def test_the_arcgis_sdk_draws_through_a_mount(browser: Browser, stage: Stage) -> None:
    """It needs no proxy rule where its layers' URLs are the mount's."""
    witness = Witness()
    page = await _open(browser, stage, witness, "core")
    await page.wait_for_function("window.state.features > 0 || window.state.error", timeout=60_000)
    assert await page.evaluate("[window.state.error, window.state.features]") == ["", 12]
    assert (await colours(page, "mount-arcgis-core"))["harbour"] > 10_000
    stage.arcgis.revoke_all()
    await zoomed_in(page)
    await drawn(page, witness, "mount-arcgis-core-after-revocation", park=2_000)
    assert await page.locator(DIALOG).count() == 0
    await _close(page, stage, witness)

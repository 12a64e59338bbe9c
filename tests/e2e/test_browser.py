"""Real map clients in a real browser: secured layers draw, nobody is asked to sign in, no token is seen."""

import pytest
from playwright.async_api import Browser

from proxy.demo import Demo
from tests.e2e.conftest import DIALOG, Stage, Witness, colours, drawn, opened, zoomed_in

SDKS, SDK_NAMES = ("5", "4"), ("arcgis-core-5", "arcgis-core-4")


async def test_the_demo_draws_heals_and_shows_no_token(browser: Browser, demo: Demo) -> None:
    witness = Witness()
    page = await opened(browser, witness, f"http://127.0.0.1:{demo.port}/")
    await page.wait_for_selector("#map[data-drawn]")
    await page.wait_for_function("document.querySelectorAll('#both td.good').length >= 4")
    before = await colours(page, "demo")
    assert before["sea"] > 10_000
    assert before["park"] > 1_000
    await page.click("#revoke")
    await page.wait_for_function("document.getElementById('logins').textContent === '2'")
    await page.click("#in")
    await page.wait_for_function("document.getElementById('map').dataset.drawn >= 3")
    await page.mouse.click(300, 400)
    await page.wait_for_selector(".tip")
    after = await colours(page, "demo-after-revocation")
    assert after["harbour"] > 1_000
    assert await page.inner_text("#prompts") == "0"
    assert await page.inner_text("#seen") == "0"
    assert await page.locator("#both td.bad", has_text="499").count() == 4
    await witness.saw_none_of(page, set(demo.simulator.accounts.all_tokens))
    assert witness.errors == []
    await page.context.close()


async def test_esri_leaflet_draws_and_goes_on_after_a_revocation(browser: Browser, stage: Stage) -> None:
    witness = Witness()
    page = await opened(browser, witness, stage.page("leaflet"))
    await page.wait_for_function("window.state.drawn >= 1 && window.state.features >= 10")
    assert (await colours(page, "esri-leaflet"))["harbour"] > 1_000
    stage.arcgis.revoke_all()
    await page.evaluate("window.map.panBy([120, 60], {animate: false})")
    await page.wait_for_function("window.state.drawn >= 2")
    assert (await colours(page, "esri-leaflet-after-revocation"))["park"] > 1_000
    assert await page.evaluate("window.state.errors") == []
    assert stage.arcgis.accounts.logins == 2
    await witness.saw_none_of(page, stage.secrets)
    await page.context.close()


async def test_esri_leaflet_without_the_proxy_is_refused(browser: Browser, stage: Stage) -> None:
    page = await opened(browser, Witness(), stage.page("leaflet", with_proxy=False))
    await page.wait_for_function("window.state.errors.length > 0")
    assert "499" in (await page.evaluate("window.state.errors"))[0]
    await page.context.close()


@pytest.mark.parametrize("folder", SDKS, ids=SDK_NAMES)
async def test_the_arcgis_sdk_shows_secured_layers_without_its_dialog(
    browser: Browser, stage: Stage, folder: str
) -> None:
    """The page is on another origin than the proxy."""
    witness = Witness()
    page = await opened(browser, witness, stage.page("core", folder=folder))
    await page.wait_for_function("window.state.features > 0 || window.state.error", timeout=60_000)
    assert await page.evaluate("window.state.error") == ""
    assert await page.evaluate("window.state.features") == 12
    assert any("f=pbf" in entry.query for entry in stage.arcgis.journal)  # the SDK reads them as protobuf
    await page.wait_for_selector(".esri-legend__layer-caption, .esri-legend__service", timeout=30_000)
    await page.wait_for_function("/Hospital.*Parks.*Districts/s.test(document.querySelector('.esri-legend').innerText)")
    await drawn(page, witness, f"arcgis-core-{folder}", harbour=10_000)
    stage.arcgis.revoke_all()
    requests = stage.arcgis.journal.count
    await zoomed_in(page)
    await drawn(page, witness, f"arcgis-core-{folder}-after-revocation", park=1_000)
    assert stage.arcgis.journal.count > requests
    for kind, asked in (("tile", "/Base/MapServer/tile/"), ("vector", "/Base/VectorTileServer/tile/")):
        stage.arcgis.revoke_all()
        await page.evaluate("kind => window.show(kind)", kind)
        await drawn(page, witness, f"arcgis-core-{folder}-{kind}", harbour=10_000, park=1_000)
        assert stage.arcgis.journal.to(asked)
    assert await page.locator(DIALOG).count() == 0
    assert stage.arcgis.accounts.logins == 4
    assert not any(said.startswith(stage.arcgis.url) for said in witness.seen), "the server itself was asked"
    await witness.saw_none_of(page, stage.secrets)
    await page.context.close()


@pytest.mark.parametrize("folder", SDKS, ids=SDK_NAMES)
async def test_the_arcgis_sdk_without_the_proxy_does_open_its_dialog(
    browser: Browser, stage: Stage, folder: str
) -> None:
    page = await opened(browser, Witness(), stage.page("core", with_proxy=False, folder=folder))
    await page.wait_for_selector(DIALOG, state="attached", timeout=60_000)
    await colours(page, f"arcgis-core-{folder}-without-the-proxy")
    await page.context.close()


async def test_the_proxys_own_refusal_opens_no_dialog(browser: Browser, stage: Stage) -> None:
    """A wrong password upstream is our 502: the SDK shows an error, and nobody is asked for another."""
    stage.arcgis.options.users["webmap"] = "another"
    page = await browser.new_page()
    async with page.expect_response(lambda answer: answer.status == 502):
        await page.goto(stage.page("core"))
    await page.wait_for_timeout(3000)
    assert await page.locator(DIALOG).count() == 0
    assert stage.arcgis.accounts.refusals == 1
    await page.context.close()

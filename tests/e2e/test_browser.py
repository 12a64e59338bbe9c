"""Real map clients in a real browser: secured layers draw, nobody is asked to sign in, no token is seen."""

from playwright.async_api import Browser, Page

from proxy.demo import Demo
from tests.e2e.conftest import Stage, Witness, colours

DIALOG = ".esri-identity-modal"


async def _page(browser: Browser, witness: Witness) -> Page:
    page = await browser.new_page(viewport={"width": 1000, "height": 750})
    witness.watch(page)
    return page


async def test_the_demo_draws_heals_and_shows_no_token(browser: Browser, demo: Demo) -> None:
    witness = Witness()
    page = await _page(browser, witness)
    await page.goto(f"http://127.0.0.1:{demo.port}/")
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
    await page.close()


async def test_esri_leaflet_draws_and_goes_on_after_a_revocation(browser: Browser, stage: Stage) -> None:
    witness = Witness()
    page = await _page(browser, witness)
    await page.goto(stage.page("leaflet"))
    await page.wait_for_function("window.state.drawn >= 1 && window.state.features >= 10")
    assert (await colours(page, "esri-leaflet"))["harbour"] > 1_000
    stage.arcgis.revoke_all()
    await page.evaluate("window.map.panBy([120, 60], {animate: false})")
    await page.wait_for_function("window.state.drawn >= 2")
    assert (await colours(page, "esri-leaflet-after-revocation"))["park"] > 1_000
    assert await page.evaluate("window.state.errors") == []
    assert stage.arcgis.accounts.logins == 2
    await witness.saw_none_of(page, stage.secrets)
    await page.close()


async def test_esri_leaflet_without_the_proxy_is_refused(browser: Browser, stage: Stage) -> None:
    page = await _page(browser, Witness())
    await page.goto(stage.page("leaflet", with_proxy=False))
    await page.wait_for_function("window.state.errors.length > 0")
    assert "499" in (await page.evaluate("window.state.errors"))[0]
    await page.close()


async def test_the_arcgis_sdk_shows_secured_layers_without_its_dialog(browser: Browser, stage: Stage) -> None:
    witness = Witness()
    page = await _page(browser, witness)
    await page.goto(stage.page("core"))
    await page.wait_for_function("window.state.features > 0 || window.state.error", timeout=60_000)
    assert await page.evaluate("window.state.error") == ""
    assert await page.evaluate("window.state.features") == 12
    assert any("f=pbf" in entry.query for entry in stage.arcgis.journal)  # the SDK reads them as protobuf
    await page.wait_for_selector(".esri-legend__layer-caption, .esri-legend__service", timeout=30_000)
    assert (await colours(page, "arcgis-core"))["harbour"] > 10_000
    assert await page.locator(DIALOG).count() == 0
    stage.arcgis.revoke_all()
    requests = stage.arcgis.journal.count
    await page.evaluate("window.view.goTo({center: [9.93, 47.45], zoom: window.view.zoom + 1}, {animate: false})")
    await page.wait_for_function("!window.view.updating", timeout=30_000)
    await page.wait_for_timeout(1000)
    assert stage.arcgis.journal.count > requests
    assert (await colours(page, "arcgis-core-after-revocation"))["park"] > 1_000
    assert await page.locator(DIALOG).count() == 0
    assert stage.arcgis.accounts.logins == 2
    await witness.saw_none_of(page, stage.secrets)
    await page.close()


async def test_the_arcgis_sdk_without_the_proxy_does_open_its_dialog(browser: Browser, stage: Stage) -> None:
    page = await _page(browser, Witness())
    await page.goto(stage.page("core", with_proxy=False))
    await page.wait_for_selector(DIALOG, state="attached", timeout=60_000)
    await colours(page, "arcgis-core-without-the-proxy")
    await page.close()


async def test_the_proxys_own_refusal_opens_no_dialog(browser: Browser, stage: Stage) -> None:
    """A wrong password upstream is our 502: the SDK shows an error, and nobody is asked for another."""
    stage.arcgis.options.users["webmap"] = "another"
    page = await _page(browser, Witness())
    async with page.expect_response(lambda answer: answer.status == 502):
        await page.goto(stage.page("core"))
    await page.wait_for_timeout(3000)
    assert await page.locator(DIALOG).count() == 0
    assert stage.arcgis.accounts.refusals == 1
    await page.close()

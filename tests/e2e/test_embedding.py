"""What a real browser lets pages do with answers: pictures for those that may ask, nothing for the others."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page

from proxy.simulator.server import Simulator
from tests.e2e.conftest import PASSWORD
from tests.running import QUIET, proxying, signed, simulated

EMBED = """([tag, url]) => new Promise(done => {
  const element = document.createElement(tag);
  element.onload = () => done(element.naturalWidth || "loaded");
  element.onerror = () => done("blocked");
  element.src = url;
  document.body.append(element);
})"""
FETCH = """([url, options]) => fetch(url, options).then(answer => answer.status, () => "blocked")"""

LINK = """([url]) => {
  const link = document.createElement("a");
  Object.assign(link, { href: url, rel: "noreferrer", id: "go", textContent: "go" });
  document.body.append(link);
}"""


@dataclass(slots=True)
class Pages:
    """Empty pages: `ours` may ask, `isolated` may and wants CORP of all that it embeds, `foreign` is another site."""

    arcgis: Simulator
    proxy: str
    port: int

    @property
    def ours(self) -> str:
        return f"http://localhost:{self.port}/"

    @property
    def isolated(self) -> str:
        return f"http://localhost:{self.port}/isolated"

    @property
    def foreign(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def url(self, path: str) -> str:
        return f"{self.proxy}?{self.arcgis.url}/rest/services/Secure/City/MapServer{path}"

    @property
    def picture(self) -> str:
        return self.url("/export?bbox=1099000,6007500,1111000,6016500&size=100,75&f=image")


@pytest.fixture
async def pages(tmp_path: Path) -> AsyncIterator[Pages]:
    async def empty(request: web.Request) -> web.Response:
        headers = {"Cross-Origin-Embedder-Policy": "require-corp"} if request.path == "/isolated" else {}
        page = "<!doctype html><title>empty</title><link rel=icon href=data:,><body>"
        return web.Response(text=page, content_type="text/html", headers=headers)

    app = web.Application()
    app.router.add_get("/{path:.*}", empty)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    admitted = {"allowedReferers": [f"http://localhost:{port}"], "allowMissingReferer": True}
    async with (
        simulated(PASSWORD) as arcgis,
        proxying(tmp_path, {**QUIET, **signed(arcgis.url, PASSWORD), **admitted}) as service,
    ):
        yield Pages(arcgis, f"http://127.0.0.1:{service.public.port}/proxy", port)
    await runner.cleanup()


async def _at(browser: Browser, url: str) -> Page:
    page = await browser.new_page()
    await page.goto(url)
    return page


async def test_a_page_that_may_ask_shows_pictures_and_reads_answers(browser: Browser, pages: Pages) -> None:
    for address in (pages.ours, pages.isolated):
        page = await _at(browser, address)
        assert await page.evaluate(EMBED, ["img", pages.picture]) == 100
        assert await page.evaluate(FETCH, [pages.url("?f=json"), {}]) == 200
        await page.close()


async def test_no_page_sends_cookies_or_runs_answers(browser: Browser, pages: Pages) -> None:
    page = await _at(browser, pages.ours)
    assert await page.evaluate(FETCH, [pages.url("?f=json"), {"credentials": "include"}]) == "blocked"
    asked = pages.arcgis.journal.count
    assert await page.evaluate(EMBED, ["script", pages.url("?f=json")]) == "blocked"
    assert pages.arcgis.journal.count == asked
    await page.close()


async def test_a_foreign_page_gets_nothing(browser: Browser, pages: Pages) -> None:
    page = await _at(browser, pages.foreign)
    asked = pages.arcgis.journal.count
    assert await page.evaluate(EMBED, ["img", pages.picture]) == "blocked"
    assert await page.evaluate(FETCH, [pages.url("?f=json"), {"mode": "no-cors"}]) != 200
    assert await page.evaluate(FETCH, [pages.url("?f=json"), {}]) == "blocked"
    assert pages.arcgis.journal.count == asked
    await page.close()


async def test_a_foreign_page_that_hides_itself_opens_nothing(browser: Browser, pages: Pages) -> None:
    page = await _at(browser, pages.foreign)
    await page.evaluate(LINK, [pages.url("?f=json")])
    async with page.expect_response(lambda answer: "/proxy?" in answer.url) as waiting:
        await page.click("#go")
    assert (await waiting.value).status == 403
    assert pages.arcgis.journal.to("City/MapServer") == []
    await page.close()

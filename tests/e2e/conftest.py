"""A real browser, bundles of real clients, and the servers they talk to; skips with a reason where one is missing."""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, Response, async_playwright

from proxy.assemble import Service
from proxy.demo import Demo
from proxy.simulator.server import Simulator
from tests.e2e.pages import MODULES, Served, bundle, serve, skip_unless_installed
from tests.running import QUIET, proxying, signed, simulated

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
PASSWORD = "canary-Pa55word"
DIALOG = ".esri-identity-modal"
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"  # Chromium drops all requests when this machine gets or loses an interface
ARGUMENTS = (
    "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
).split()


@pytest.fixture(scope="session")
def modules() -> Path:
    skip_unless_installed()
    return MODULES


@pytest.fixture(scope="session")
def bundles(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client pages, bundled."""
    out = tmp_path_factory.mktemp("dist")
    bundle(out)
    return out


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is missing")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        await started.close()


@dataclass  # no slots: Playwright marks the listeners of an object on the object
class Witness:
    """Everything that a page could see: addresses, headers and bodies of all answers, storage, console."""

    seen: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)  # for an answer
    reading: set[asyncio.Task[None]] = field(default_factory=set)

    def watch(self, page: Page) -> None:
        page.on(
            "request", lambda request: self.seen.append(f"{request.url} {request.headers} {request.post_data or ''}")
        )
        page.on("request", lambda request: self.waiting.add(request.url))
        for end in ("requestfinished", "requestfailed"):
            page.on(end, lambda request: self.waiting.discard(request.url))
        page.on("response", lambda answer: None if is_of_page(answer.url) else self._answered(answer))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.console.append(message.text))
        page.on("requestfailed", lambda request: self.console.append(f"{request.url}: {request.failure}"))

    def _answered(self, response: Response) -> None:
        task = asyncio.ensure_future(self._read(response))
        self.reading.add(task)
        task.add_done_callback(self.reading.discard)

    async def _read(self, response: Response) -> None:
        try:
            body = (await response.body()).decode("latin-1")
        except Exception as error:  # noqa: BLE001 - a cancelled or redirected answer has no body to look at
            body = type(error).__name__
        self.seen.append(f"{response.url} {response.headers} {body}")

    async def saw_none_of(self, page: Page, secrets: set[str]) -> None:
        storage = await page.evaluate("JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])")
        await asyncio.gather(*self.reading)
        everything = "\n".join([*self.seen, *self.console, storage])
        assert len(self.seen) > 5, "the witness saw nothing"
        for secret in secrets:
            assert secret not in everything
            assert quote(secret, safe="") not in everything


def is_of_page(url: str) -> bool:
    """Whether it is the client's own code and data: much, and no server's answer."""
    return re.match(r"http://[^/]+/(dist|assets4?|of)/", url) is not None


@pytest.fixture
async def demo() -> AsyncIterator[Demo]:
    started = Demo("127.0.0.1", 0)
    await started.start()
    yield started
    await started.stop()


@dataclass(slots=True)
class Stage:
    """Simulator, proxy and page server; `page(name)` is the address of a client page."""

    arcgis: Simulator
    service: Service
    pages: Served

    @property
    def public(self) -> str:
        """The proxy's origin, which is not the pages'."""
        return f"http://localhost:{self.service.public.port}"

    @property
    def mount(self) -> str:
        """The base URL for clients that know no proxy."""
        return f"{self.public}/gis"

    def page(self, name: str, *, with_proxy: bool = True, site: str = "", folder: str = "5") -> str:
        proxy = f"{self.public}/proxy" if with_proxy else ""
        return self.pages.address(name, folder, site or self.arcgis.url, proxy)

    @property
    def secrets(self) -> set[str]:
        return {PASSWORD, *self.arcgis.accounts.all_tokens}


@pytest.fixture
async def stage(bundles: Path, tmp_path: Path) -> AsyncIterator[Stage]:
    pages = await serve(bundles)
    referers = [f"http://localhost:{pages.port}"]
    async with simulated(PASSWORD) as arcgis:
        rules = signed(arcgis.url, PASSWORD, mount="/gis")
        async with proxying(tmp_path, {**QUIET, **rules, "allowedReferers": referers}) as service:
            stage = Stage(arcgis, service, pages)
            pages.server, pages.public = arcgis.url, stage.public
            yield stage
    await pages.stop()


async def opened(browser: Browser, witness: Witness, url: str) -> Page:
    """A page of a visitor who was never here: nothing is cached."""
    context = await browser.new_context(viewport={"width": 1000, "height": 750})
    page = await context.new_page()
    witness.watch(page)
    for _ in range(3):
        answer = await page.goto(url)
        assert answer is not None
        assert answer.ok, await answer.text()
        await page.wait_for_load_state("networkidle")
        if not any(NETWORK_CHANGED in said for said in witness.console):
            break
        witness.console.clear()
        witness.errors.clear()
    return page


async def zoomed_in(page: Page) -> None:
    """The SDK's map one level nearer: a new picture was asked for, and came."""
    async with page.expect_request(lambda request: "/MapServer/export?" in request.url) as asked:
        await page.evaluate("window.view.goTo({center: [9.93, 47.45], zoom: window.view.zoom + 1}, {animate: false})")
    picture = await (await asked.value).response()
    assert picture is not None
    assert picture.status == 200
    await page.wait_for_function("!window.view.updating", timeout=30_000)


async def drawn(page: Page, witness: Witness, name: str, **least: int) -> dict[str, int]:
    """Waits until so many pixels have the map's own colours. Raises AssertionError with what is there, and what the
    page said."""
    until = asyncio.get_running_loop().time() + 30
    while True:
        counts = await colours(page, name)
        if all(counts[what] >= least[what] for what in least):
            return counts
        is_late = asyncio.get_running_loop().time() > until
        assert not is_late, f"{name} shows {counts}: {witness.errors} {witness.console} {witness.waiting}"
        await page.wait_for_timeout(200)


async def colours(page: Page, name: str) -> dict[str, int]:
    """A screenshot kept under artifacts/, and how often each of the map's own colours stands in it."""
    from io import BytesIO

    from PIL import Image

    from proxy.simulator import draw

    ARTIFACTS.mkdir(exist_ok=True)
    shot = await page.screenshot(path=ARTIFACTS / f"{name}.png")
    pixels = Image.open(BytesIO(shot)).convert("RGB").getcolors(10_000_000) or []
    counts: dict[Any, int] = {colour: count for count, colour in pixels}
    wanted = {
        "sea": draw.SEA,
        "park": draw.PARK,
        "harbour": draw.DISTRICT_FILLS[1],
        "office": draw.PLACE_FILLS["office"],
    }
    return {what: counts.get(colour, 0) for what, colour in wanted.items()}

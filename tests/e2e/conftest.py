"""A real browser, bundles of real clients, and the servers they talk to; skips with a reason where one is missing."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, Response, async_playwright

from proxy.assemble import Service, on_free_ports
from proxy.demo import Demo
from proxy.settings.load import load
from proxy.simulator.options import Options
from proxy.simulator.server import Simulator

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
ARTIFACTS = HERE.parents[1] / "artifacts"
PASSWORD = "canary-Pa55word"
ARGUMENTS = (
    "--no-sandbox --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync"
).split()
PAGES = ("core", "leaflet", "ol", "maplibre")
SHEETS = {
    "core": "assets/esri/themes/light/main.css",
    "leaflet": "of/leaflet/leaflet.css",
    "ol": "of/ol/ol.css",
    "maplibre": "of/maplibre/maplibre-gl.css",
}
PAGE = '<!doctype html><html><head><meta charset="utf-8"><title>e2e</title><link rel="icon" href="data:,">{css}</head>'
BODY = '<body style="margin:0"><div id="view" style="height:100vh"></div>{script}'


@pytest.fixture(scope="session")
def modules() -> Path:
    if not MODULES.is_dir():
        pytest.skip("npm packages are missing: npm install --prefix tests/e2e --legacy-peer-deps")
    return MODULES


@pytest.fixture(scope="session")
def bundles(modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client pages, bundled."""
    out = tmp_path_factory.mktemp("dist")
    pages = [str(HERE / f"pages/{name}.js") for name in PAGES]
    command = [str(modules / ".bin/esbuild"), *pages, f"--outdir={out}"]
    options = "--bundle --splitting --format=esm --log-level=error --loader:.png=dataurl --loader:.svg=dataurl".split()
    subprocess.run([*command, *options], check=True, cwd=HERE, timeout=300)
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
    reading: set[asyncio.Task[None]] = field(default_factory=set)

    def watch(self, page: Page) -> None:
        page.on(
            "request", lambda request: self.seen.append(f"{request.url} {request.headers} {request.post_data or ''}")
        )
        page.on("response", self._answered)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.seen.append(message.text))

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
        everything = "\n".join([*self.seen, storage])
        assert len(self.seen) > 5, "the witness saw nothing"
        for secret in secrets:
            assert secret not in everything
            assert quote(secret, safe="") not in everything


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
    port: int

    @property
    def proxy(self) -> str:
        return f"http://localhost:{self.service.public.port}/proxy"

    @property
    def mount(self) -> str:
        """The base URL for clients that know no proxy."""
        return f"http://localhost:{self.service.public.port}/gis"

    def page(self, name: str, *, with_proxy: bool = True, site: str = "") -> str:
        query = f"site={quote(site or self.arcgis.url, safe='')}"
        if with_proxy:
            query += f"&proxy={quote(self.proxy, safe='')}"
        return f"http://localhost:{self.port}/{name}?{query}"

    @property
    def secrets(self) -> set[str]:
        return {PASSWORD, *self.arcgis.accounts.all_tokens}


@pytest.fixture
async def stage(bundles: Path, modules: Path, tmp_path: Path) -> AsyncIterator[Stage]:
    arcgis = Simulator(Options(users={"webmap": PASSWORD}))
    await arcgis.start()
    runner = await _pages(bundles, modules)
    port = runner.addresses[0][1]
    path = tmp_path / "proxy.yaml"
    path.write_text(
        f"""
server: {{listen: "127.0.0.1:0", limits: {{drain: 1s}}}}
admin: {{listen: null}}
allowedReferers: ["http://localhost:{port}"]
credentials: {{city: {{username: webmap, password: {PASSWORD}}}}}
serverUrls: [{{url: "{arcgis.url}", credential: city, mount: /gis}}]
log: {{level: error}}
""",
        encoding="utf-8",
    )
    service = Service(on_free_ports(load(path, {})))
    await service.start()
    yield Stage(arcgis, service, port)
    await service.stop()
    await runner.cleanup()
    await arcgis.stop()


async def _pages(bundles: Path, modules: Path) -> web.AppRunner:
    async def show(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        css = f'<link rel="stylesheet" href="/{SHEETS[name]}">'
        return web.Response(
            text=PAGE.format(css=css) + BODY.format(script=f'<script type="module" src="/dist/{name}.js"></script>'),
            content_type="text/html",
        )

    app = web.Application()
    app.router.add_static("/dist", bundles)
    app.router.add_static("/assets", modules / "@arcgis/core/assets")
    for path, folder in (("leaflet", "leaflet/dist"), ("ol", "ol"), ("maplibre", "maplibre-gl/dist")):
        app.router.add_static(f"/of/{path}", modules / folder)
    app.router.add_get(f"/{{name:{'|'.join(PAGES)}}}", show)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


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

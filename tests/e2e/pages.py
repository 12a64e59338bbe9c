"""The pages of real clients: our own, and those that are the guide's blocks; bundled once, served with the addresses of
one test. Starts no browser.
"""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web

from tests.guide import blocks, elsewhere

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
OWN = ("core", "leaflet", "ol", "maplibre")
SDK4 = "arcgis-core-4"
SHEETS = {
    "core": "/assets/esri/themes/light/main.css",
    "leaflet": "/of/leaflet/leaflet.css",
    "ol": "/of/ol/ol.css",
    "maplibre": "/of/maplibre/maplibre-gl.css",
}
# What a page's own build sets up
_BEFORE = {
    "core": 'import config from "@arcgis/core/config.js"; config.assetsPath = "{assets}";',
    "maplibre": 'import { setWorkerUrl } from "maplibre-gl"; setWorkerUrl("/of/maplibre/maplibre-gl-worker.mjs");',
    "leaflet": "",
    "ol": "",
}
_LIBRARIES = {"@arcgis/core": "core", "maplibre-gl": "maplibre", "leaflet": "leaflet", "ol/": "ol"}
_OPTIONS = "--bundle --splitting --format=esm --log-level=error --loader:.png=dataurl --loader:.svg=dataurl".split()
_PAGE = (
    '<!doctype html><html><head><meta charset="utf-8"><title>e2e</title><link rel="icon" href="data:,">'
    '<link rel="stylesheet" href="{sheet}"></head><body style="margin:0"><div id="view" style="height:100vh"></div>'
    '<script type="module" src="{script}"></script>'
)


def missing() -> str:
    """The npm package that is not installed as `package.json` wants it; "" where all are."""
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    for name, version in wanted.items():
        described = MODULES / name / "package.json"
        found = json.loads(described.read_text(encoding="utf-8"))["version"] if described.exists() else ""
        if found != version.rpartition("@")[2]:
            return f"{name} {version}"
    return ""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of JavaScript in the guide for map clients."""

    name: str  # of its page
    library: str
    text: str


def guide_blocks() -> list[Block]:
    """All of them."""
    found = []
    for number, text in enumerate(blocks("clients", "js"), 1):
        library = next(name for written, name in _LIBRARIES.items() if f'"{written}' in text)
        found.append(Block(f"guide-{number}-{library}", library, text))
    return found


def bundle(out: Path) -> None:
    """Every page: in `5` with the newest clients, in `4` those of the ArcGIS SDK with its 4.x."""
    pages = [HERE / f"pages/{name}.js" for name in OWN]
    for folder, assets, of in (("5", "/assets", ""), ("4", "/assets4", "core")):
        source = out / f"source{folder}"
        source.mkdir()
        written = []
        for block in guide_blocks():
            if of in ("", block.library):
                before = _BEFORE[block.library].replace("{assets}", assets)
                written.append(source / f"{block.name}.js")
                (source / f"{block.name}-before.js").write_text(before, encoding="utf-8")
                written[-1].write_text(f'import "./{block.name}-before.js";\n{block.text}', encoding="utf-8")
        entries = [str(page) for page in [*pages, *written] if of in page.stem]
        alias = [f"--alias:@arcgis/core={SDK4}"] if of else []
        command = [str(MODULES / ".bin/esbuild"), *entries, *alias, *_OPTIONS, f"--outdir={out / folder}"]
        environment = {**os.environ, "NODE_PATH": str(MODULES)}
        subprocess.run([*command, "--entry-names=[name]"], check=True, cwd=HERE, env=environment, timeout=300)


def document(name: str, folder: str = "5") -> str:
    """The HTML of a page."""
    library = next(library for library in SHEETS if name.endswith(library))
    sheet = SHEETS[library].replace("/assets/", "/assets4/") if folder == "4" else SHEETS[library]
    return _PAGE.format(sheet=sheet, script=f"/dist/{folder}/{name}.js")


@dataclass(slots=True)
class Served:
    """Pages at a port of localhost: `/5/core` is the page `core` with the newest clients."""

    runner: web.AppRunner
    server: str = ""  # what stands for https://gis.example.com/arcgis in the guide's blocks
    public: str = ""  # and for https://maps.example.com

    @property
    def port(self) -> int:
        return int(self.runner.addresses[0][1])

    def address(self, name: str, folder: str, site: str, proxy: str) -> str:
        """A page that is told where its server is, and the proxy, if there is one."""
        query = f"site={quote(site, safe='')}&assets={'/assets4' if folder == '4' else '/assets'}"
        query += f"&proxy={quote(proxy, safe='')}" if proxy else ""
        return f"http://localhost:{self.port}/{folder}/{name}?{query}"

    async def stop(self) -> None:
        await self.runner.cleanup()


async def serve(bundles: Path) -> Served:
    app = web.Application()
    served = Served(web.AppRunner(app, access_log=None))

    async def show(request: web.Request) -> web.Response:
        name, folder = request.match_info["name"], request.match_info["folder"]
        return web.Response(text=document(name, folder), content_type="text/html")

    async def block(request: web.Request) -> web.Response:
        path = bundles / request.match_info["folder"] / f"{request.match_info['name']}.js"
        if not path.is_relative_to(bundles) or not path.exists():
            raise web.HTTPNotFound
        text = elsewhere(path.read_text(encoding="utf-8"), served.server, served.public)
        return web.Response(text=text, content_type="text/javascript")

    app.router.add_get(r"/dist/{folder:[45]}/{name:guide-\d+-\w+}.js", block)
    app.router.add_get("/{folder:[45]}/{name:[a-z0-9-]+}", show)
    app.router.add_static("/dist", bundles)
    for path, folder in STATIC.items():
        app.router.add_static(path, MODULES / folder)
    await served.runner.setup()
    await web.TCPSite(served.runner, "127.0.0.1", 0).start()
    return served


STATIC = {
    "/assets": "@arcgis/core/assets",
    "/assets4": f"{SDK4}/assets",
    "/of/leaflet": "leaflet/dist",
    "/of/ol": "ol",
    "/of/maplibre": "maplibre-gl/dist",
}


def skip_unless_installed() -> None:
    if package := missing():
        pytest.skip(f"{package} of npm is missing: npm install --prefix tests/e2e --legacy-peer-deps")

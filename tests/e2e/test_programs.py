"""Programs that know no proxy, with a mount as their base URL: GDAL, OWSLib, requests. Skips where one is missing."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.assemble import Service
from proxy.simulator.server import Simulator
from tests.running import QUIET, proxying, signed, simulated

PASSWORD = "canary-Pa55word"
EXTENT = (1099000, 6007500, 1111000, 6016500)


@dataclass(slots=True)
class Site:
    """Simulator and proxy; `mount` is the base URL that a program is given."""

    arcgis: Simulator
    service: Service
    folder: Path  # where a program runs: GDAL keeps its tiles there

    @property
    def mount(self) -> str:
        return f"http://localhost:{self.service.public.port}/gis"

    def is_clean(self, said: str) -> bool:
        """Whether what a program printed or got has no token and not the server's own address."""
        hidden = {PASSWORD, f"127.0.0.1:{self.arcgis.port}", *self.arcgis.accounts.all_tokens}
        return not any(word in said for word in hidden)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with simulated(PASSWORD) as arcgis:
        rules = signed(arcgis.url, PASSWORD, mount="/gis")
        async with proxying(tmp_path, {**QUIET, **rules, "allowMissingReferer": True}) as service:
            yield Site(arcgis, service, tmp_path)


async def run(site: Site, program: str, *arguments: str) -> str:
    """What a program of GDAL's prints; it has to end well."""
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is missing: apt-get install gdal-bin")
    environment = {"PATH": "/usr/bin:/bin", "CPL_DEBUG": "HTTP", "GDAL_HTTP_TIMEOUT": "20"}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        found, *arguments, cwd=site.folder, env=environment, stdout=pipe, stderr=pipe
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    said = out.decode() + err.decode()
    assert process.returncode == 0, said
    assert site.is_clean(said)
    return out.decode()


async def test_gdal_reads_features(site: Site, tmp_path: Path) -> None:
    layer = f"{site.mount}/rest/services/Secure/City/FeatureServer/0"
    source = f"ESRIJSON:{layer}/query?where=1%3D1&outFields=*&f=json"
    await run(site, "ogr2ogr", "-f", "GeoJSON", str(tmp_path / "before.json"), source)
    site.arcgis.revoke_all()
    await run(site, "ogr2ogr", "-f", "GeoJSON", str(tmp_path / "after.json"), source)
    before, after = (json.loads((tmp_path / f"{name}.json").read_text("utf-8")) for name in ("before", "after"))
    assert len(before["features"]) == 12
    assert before["features"] == after["features"]
    assert site.arcgis.accounts.logins == 2


async def test_gdal_draws_wms(site: Site, tmp_path: Path) -> None:
    wms = f"WMS:{site.mount}/services/Secure/City/MapServer/WMSServer?service=WMS&version=1.3.0&request=GetCapabilities"
    listed = await run(site, "gdalinfo", wms)
    assert "SUBDATASET_1_NAME" in listed
    chosen = next(
        line.partition("_NAME=")[2] for line in listed.splitlines() if "_NAME=" in line and "CRS=EPSG:3857" in line
    )
    window = ["-projwin", str(EXTENT[0]), str(EXTENT[3]), str(EXTENT[2]), str(EXTENT[1]), "-outsize", "200", "150"]
    await run(site, "gdal_translate", "-q", *window, "-of", "PNG", chosen, str(tmp_path / "wms.png"))
    assert len(colours(tmp_path / "wms.png")) > 1
    assert [entry for entry in site.arcgis.journal.to("/WMSServer") if "GetMap" in entry.query]


async def test_gdal_draws_wmts(site: Site, tmp_path: Path) -> None:
    wmts = f"WMTS:{site.mount}/rest/services/Secure/City/MapServer/WMTS/1.0.0/WMTSCapabilities.xml"
    window = ["-projwin", str(EXTENT[0]), str(EXTENT[3]), str(EXTENT[2]), str(EXTENT[1]), "-outsize", "200", "150"]
    await run(site, "gdal_translate", "-q", *window, "-of", "PNG", wmts, str(tmp_path / "wmts.png"))
    assert len(colours(tmp_path / "wmts.png")) > 3
    assert site.arcgis.journal.to("/WMTS/tile/")


def colours(picture: Path) -> list[Any]:
    from PIL import Image

    return Image.open(picture).convert("RGB").getcolors(1_000_000) or []


async def test_owslib_reads_wms_wfs_and_wmts(site: Site) -> None:
    pytest.importorskip("owslib", reason="OWSLib is missing: pip install OWSLib")
    said = await asyncio.to_thread(_owslib, site.mount)
    assert site.is_clean(said)
    assert site.arcgis.accounts.logins == 1


def _owslib(mount: str) -> str:
    from owslib.wfs import WebFeatureService
    from owslib.wms import WebMapService
    from owslib.wmts import WebMapTileService

    base = f"{mount}/services/Secure/City/MapServer"
    wms = WebMapService(f"{base}/WMSServer", version="1.3.0")
    method = wms.getOperationByName("GetMap").methods[0]["url"]
    assert method.startswith(f"{base}/WMSServer")
    picture = wms.getmap(layers=["0"], srs="EPSG:3857", bbox=EXTENT, size=(200, 150), format="image/png")
    assert picture.read()[:4] == b"\x89PNG"
    wfs = WebFeatureService(f"{base}/WFSServer", version="2.0.0")
    places = json.loads(wfs.getfeature(typename=["City:Places"], outputFormat="GEOJSON").read())
    assert len(places["features"]) == 12
    wmts = WebMapTileService(f"{mount}/rest/services/Secure/City/MapServer/WMTS/1.0.0/WMTSCapabilities.xml")
    template = wmts.contents["Secure_City"].resourceURLs[0]["template"]
    assert template.startswith(f"{mount}/rest/services/Secure/City/MapServer/WMTS/tile/")
    tile = wmts.gettile(
        layer="Secure_City", tilematrixset="GoogleMapsCompatible", tilematrix="12", row=1437, column=2160
    )
    assert tile.read()[:4] == b"\x89PNG"
    return " ".join((method, template, str(places), wms.getServiceXML().decode()))


async def test_requests_reads_as_scripts_do(site: Site) -> None:
    pytest.importorskip("requests", reason="requests is missing: pip install requests")
    said = await asyncio.to_thread(_requests, site)
    assert site.is_clean(said)
    assert site.arcgis.accounts.logins == 2


def _requests(site: Site) -> str:
    """Metadata by POST, pages of a query, a picture behind `href`; and all tokens are revoked in between."""
    import requests

    said: list[str] = []
    with requests.Session() as session:

        def ask(method: str, url: str, **more: Any) -> Any:
            answer = session.request(method, url, timeout=20, **more)
            said.append(f"{answer.headers} {answer.text}")
            assert answer.ok
            return answer

        service = f"{site.mount}/rest/services/Secure/City"
        assert ask("POST", f"{service}/MapServer", data={"f": "json"}).json()["mapName"] == "City"
        pages = []
        for offset in (0, 5, 10):
            query = {"f": "json", "where": "1=1", "resultOffset": offset, "resultRecordCount": 5}
            pages.append(ask("GET", f"{service}/FeatureServer/0/query", params=query).json()["features"])
            site.arcgis.revoke_all() if offset == 5 else None
        assert [len(page) for page in pages] == [5, 5, 2]
        href = ask("GET", f"{service}/MapServer/export", params={"f": "json", "size": "100,100"}).json()["href"]
        assert href.startswith(site.mount)
        assert ask("GET", href).content[:4] == b"\x89PNG"
    return "\n".join(said)

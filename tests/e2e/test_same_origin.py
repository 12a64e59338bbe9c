"""The ArcGIS SDK on a page of the proxy's own origin: nginx shows the page and hands `/proxy` over, as in the guide."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.async_api import Browser

from proxy.assemble import Service
from proxy.settings.load import load
from proxy.simulator.options import Options
from proxy.simulator.server import Simulator
from tests.e2e.conftest import DIALOG, PASSWORD, Witness, drawn, opened
from tests.e2e.pages import STATIC, document
from tests.guide import blocks, elsewhere
from tests.real import fronts
from tests.real.programs import free_port


@dataclass(slots=True)
class Host:
    """One host: the page at `/`, the proxy at `/proxy`."""

    arcgis: Simulator
    url: str


@pytest.fixture
async def host(bundles: Path, modules: Path, tmp_path: Path) -> AsyncIterator[Host]:
    arcgis = Simulator(Options(users={"webmap": PASSWORD}))
    await arcgis.start()
    url = f"http://localhost:{free_port()}"
    (written,) = blocks("web-servers", "yaml")
    configuration = yaml.safe_load(elsewhere(written, arcgis.url, url))
    configuration["server"] |= {"listen": f"127.0.0.1:{free_port()}", "limits": {"drain": "1s"}}
    configuration |= {"admin": {"listen": None}, "log": {"level": "error"}}
    path = tmp_path / "proxy.yaml"
    path.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    service = Service(load(path, {"CITY_PASSWORD": PASSWORD}))
    await service.start()
    www = tmp_path / "www"
    www.mkdir()
    (www / "dist").symlink_to(bundles)
    (www / "assets").symlink_to(modules / STATIC["/assets"])
    (www / "index.html").write_text(document("core"), encoding="utf-8")
    front = fronts.nginx(tmp_path, int(url.rpartition(":")[2]), service.public.port)
    yield Host(arcgis, url)
    front.stop()
    await service.stop()
    await arcgis.stop()


async def test_the_arcgis_sdk_draws_behind_the_pages_own_web_server(browser: Browser, host: Host) -> None:
    witness = Witness()
    page = await opened(browser, witness, f"{host.url}/?site={host.arcgis.url}&proxy=/proxy")
    await page.wait_for_function("window.state.features > 0 || window.state.error", timeout=60_000)
    assert await page.evaluate("[window.state.error, window.state.features]") == ["", 12]
    await drawn(page, witness, "same-origin-arcgis-core", harbour=10_000)
    host.arcgis.revoke_all()
    await page.evaluate("window.show('tile')")
    await drawn(page, witness, "same-origin-arcgis-core-after-revocation", harbour=10_000, park=1_000)
    assert await page.locator(DIALOG).count() == 0
    assert host.arcgis.accounts.logins == 2
    await witness.saw_none_of(page, {PASSWORD, *host.arcgis.accounts.all_tokens})
    assert witness.errors == []
    await page.context.close()

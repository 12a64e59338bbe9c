"""An old proxy's file, carried over: the old application asks at the old path and gets its secured map."""

from pathlib import Path

import pytest
import yaml

from proxy.settings.legacy.convert import migrate
from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD, Build

XML = """<?xml version="1.0" encoding="utf-8"?>
<ProxyConfig {mustmatch}="true" {allowedreferers}="https://maps.example.com/*">
  <serverUrls>
    <serverUrl url="{site}/rest/services" matchAll="true" username="webmap" password="{password}"/>
    <serverUrl url="http://alias.example.com" matchAll="true" hostRedirect="{origin}"/>
  </serverUrls>
</ProxyConfig>
"""


@pytest.mark.parametrize(("told", "path"), [("dotnet", "proxy.ashx"), ("java", "proxy.jsp"), ("php", "proxy.php")])
async def test_an_old_application_needs_no_change(
    build: Build, arcgis: Simulator, tmp_path: Path, told: str, path: str
) -> None:
    names = {name.lower(): name.lower() if told == "php" else name for name in ("mustMatch", "allowedReferers")}
    origin = arcgis.url.removesuffix("/arcgis")
    password = PASSWORD.replace("&", "&amp;")
    old = tmp_path / "proxy.config"
    old.write_text(XML.format(site=arcgis.url, password=password, origin=origin, **names), encoding="utf-8")
    done = migrate(old, told=told, access="edit", keeping="inline", output=None)
    document = yaml.safe_load(done.text)
    document |= {"server": {"listen": "127.0.0.1:0"}, "admin": {"listen": "127.0.0.1:0"}}
    world = await build(document)
    world.client.proxy = world.client.proxy.replace("/proxy", f"/{path}")
    got = await world.client.get(world.url())
    assert got.json["mapName"] == "City"
    got = await world.client.get("http://alias.example.com/arcgis/rest/services?f=json")
    assert got.status == 200
    assert "folders" in got.json

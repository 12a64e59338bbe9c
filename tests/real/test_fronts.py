"""The guide's recipes for the web server in front: what a client sends is what ArcGIS gets, and the other way round."""

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import aiohttp
import pytest
import yaml
from yarl import URL

from proxy.simulator.server import Simulator
from tests.guide import blocks, elsewhere
from tests.live.conftest import PASSWORD, Build, World
from tests.real import fronts
from tests.real.programs import free_port
from tests.until import until

CITY = "rest/services/Secure/City"
VISITOR = "127.0.0.2"  # another address than the web server's own
NASTY = f"where={quote(chr(39) + 'A&B+1%' + chr(39), safe='')}%20OR%20NAME%3D'~!*()'&f=json&x=a+b&y=%C3%BC,;:@/?"


@dataclass(slots=True)
class Before:
    """A web server before the proxy, and a visitor."""

    world: World
    url: str
    visitor: aiohttp.ClientSession

    async def ask(
        self, path: str, method: str = "GET", data: BytesIO | None = None, **headers: str
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        sent = {"Referer": f"{self.url}/viewer", **headers}
        url = URL(f"{self.url}{path}", encoded=True)
        async with self.visitor.request(method, url, headers=sent, data=data, allow_redirects=False) as answer:
            body = await answer.read()
        self.world.client.seen += [body, repr(answer.raw_headers).encode()]
        return answer, body

    def arrived(self, part: str) -> tuple[str, str]:
        """Path and query of the last request with `part` in its path."""
        entry = self.world.arcgis.journal.to(part)[-1]
        return entry.path, entry.query


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that is open to the web server's own user."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o755)
        page = Path(path) / "www/index.html"
        page.parent.mkdir()
        page.write_text("the map", encoding="utf-8")
        page.chmod(0o644)
        page.parent.chmod(0o755)
        yield Path(path)


@pytest.fixture(params=[fronts.nginx, fronts.apache, fronts.caddy], ids=lambda front: str(front.__name__))
async def before(
    request: pytest.FixtureRequest, arcgis: Simulator, build: Build, folder: Path
) -> AsyncIterator[Before]:
    port, url = free_port(), ""
    url = f"http://localhost:{port}"
    (written,) = blocks("web-servers", "yaml")
    document = yaml.safe_load(elsewhere(written, arcgis.url, url).replace("${CITY_PASSWORD}", "$PASSWORD"))
    document["credentials"]["city"]["password"] = PASSWORD
    document["server"] |= {"listen": f"127.0.0.1:{free_port()}", "limits": {"drain": "1s"}}
    document["admin"] = {"listen": None}
    world: World = await build(document)
    program = request.param(folder, port, world.service.public.port)
    connector = aiohttp.TCPConnector(local_addr=(VISITOR, 0))
    async with aiohttp.ClientSession(connector=connector) as visitor:
        yield Before(world, url, visitor)
    program.stop()


async def test_addresses_pass_as_they_came(before: Before) -> None:
    answer, body = await before.ask(f"/proxy?{before.world.arcgis.url}/{CITY}/FeatureServer/0/query?{NASTY}")
    assert answer.status == 200, body
    assert before.arrived("/query")[1] == NASTY
    answer, body = await before.ask(f"/gis/{CITY}/FeatureServer/0/query?{NASTY}")
    assert answer.status == 200, body
    assert before.arrived("/query")[1] == NASTY
    await before.ask("/gis/rest/services/Gr%C3%B6%C3%9Fe%20und%20Ma%C3%9F/City/MapServer?f=json")
    assert before.arrived("/City/MapServer")[0].endswith("/Gr%C3%B6%C3%9Fe%20und%20Ma%C3%9F/City/MapServer")


async def test_long_queries_and_large_forms_pass_whole(before: Before) -> None:
    query = f"f=json&objectIds={','.join(['1'] * 10_000)}"
    answer, body = await before.ask(f"/gis/{CITY}/FeatureServer/0/query?{query}")
    assert answer.status == 200, body
    assert before.arrived("/query")[1] == query
    form = b"f=json&where=1%3D1&x=" + b"y" * 5_000_000
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": before.url}
    answer, body = await before.ask(f"/gis/{CITY}/FeatureServer/0/query", "POST", BytesIO(form), **headers)
    assert len(json.loads(body)["features"]) == 12
    assert before.world.arcgis.journal.to("/query")[-1].body == form


async def test_answers_pass_as_they_are(before: Before) -> None:
    picture = f"{CITY}/MapServer/export?bbox=1099000,6007500,1111000,6016500&size=400,300&f=image"
    _, through = await before.ask(f"/gis/{picture}")
    _, by_query = await before.ask(f"/proxy?{before.world.arcgis.url}/{picture}")
    assert through == by_query
    assert through.startswith(b"\x89PNG")
    answer, body = await before.ask(f"/gis/{picture}", "HEAD")
    assert (answer.status, answer.headers["Content-Length"], body) == (200, str(len(through)), b"")
    before.world.arcgis.revoke_all()
    _, body = await before.ask(f"/gis/{CITY}/MapServer/export?size=100,100&f=json")
    assert json.loads(body)["href"].startswith(f"{before.url}/gis/rest/directories/")
    assert before.world.arcgis.accounts.logins == 2


async def test_the_visitor_is_known(before: Before) -> None:
    answer, body = await before.ask("/proxy?ping")
    assert "Proxy Version" in json.loads(body)
    assert answer.headers["X-Request-Id"]
    answer, _ = await before.ask(f"/gis/{CITY}/MapServer?f=json", Referer="https://elsewhere.example/")
    assert answer.status == 403
    assert answer.headers["X-Request-Id"]
    await until(lambda: before.world.log.getvalue().count(f'"client":"{VISITOR}"') == 2)
    assert '"client":"127.0.0.1"' not in before.world.log.getvalue()
    assert (await before.ask("/index.html"))[1] == b"the map"
    assert (await before.ask("/healthz"))[0].status == 404


def test_the_recipe_for_iis_is_well_formed() -> None:
    (text,) = blocks("web-servers", "xml")
    rule = ElementTree.fromstring(text).find(".//rule")
    assert rule is not None
    assert {child.tag for child in rule} == {"match", "serverVariables", "action"}

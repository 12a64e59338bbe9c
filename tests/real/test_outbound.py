"""The way out: an organisation's own proxy, and TLS that is too old."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD
from tests.real.authority import Papers
from tests.real.conftest import OTHER_PASSWORD, WRONG, Behind, Front, StartWindows, document, several
from tests.real.forward_proxy import ForwardProxy
from tests.real.uses import CITY, at_once, everything, refusals
from tests.real.web_servers import nginx_certificates, nginx_old_tls
from tests.real.windows_server import Manner, end_point

INNER = "http://gis.inner.example/arcgis"
Outside = Callable[..., Awaitable[ForwardProxy]]
REFERENCE = {"type": "headers", "headers": {"X-Key": "1"}}


@pytest.fixture
def inner(arcgis: Simulator) -> dict[str, tuple[str, int]]:
    """The name of the simulator that the organisation's proxy alone knows."""
    return {"gis.inner.example": ("127.0.0.1", arcgis.port)}


async def test_http_is_asked_for_in_full(
    outside: Outside, behind: Behind, arcgis: Simulator, inner: dict[str, Any]
) -> None:
    out = await outside(names=inner)
    world = await behind(document(INNER, REFERENCE, outboundProxy=f"http://127.0.0.1:{out.port}"))
    await everything(world, INNER, lambda: arcgis.journal.entries[-1].body)
    assert out.asked[0] == f"GET {INNER}{CITY}?f=json HTTP/1.1"


async def test_https_goes_through_a_tunnel(
    outside: Outside, front: Front, behind: Behind, papers: Papers, arcgis: Simulator
) -> None:
    out = await outside()
    server = front(nginx_certificates, papers)
    credential = {"type": "certificate", "clientCertificate": papers.pair()}
    rule = {"caBundle": papers.bundle, "outboundProxy": f"http://127.0.0.1:{out.port}"}
    world = await behind(document(server.url, credential, **rule))
    await everything(world, server.url, lambda: arcgis.journal.entries[-1].body)
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}
    assert set(out.asked) == {f"CONNECT localhost:{server.program.port} HTTP/1.1"}
    assert not any(b"arcgis" in head for head in out.carried)


async def test_a_login_at_it_is_not_shown_to_the_server(
    outside: Outside, behind: Behind, arcgis: Simulator, inner: dict[str, Any]
) -> None:
    out = await outside(names=inner, login=f"out:{OTHER_PASSWORD}")
    address = f"http://out:{OTHER_PASSWORD.replace('%', '%25')}@127.0.0.1:{out.port}"
    world = await behind(document(INNER, REFERENCE, outboundProxy=address))
    await everything(world, INNER, lambda: arcgis.journal.entries[-1].body)
    assert not any("proxy-authorization" in entry.headers for entry in arcgis.journal)


@pytest.mark.parametrize("site", [INNER, INNER.replace("http", "https")])
@pytest.mark.parametrize("login", ["", f"out:{WRONG}@"])
async def test_a_login_that_it_does_not_take_is_named(
    outside: Outside, behind: Behind, inner: dict[str, Any], login: str, site: str
) -> None:
    out = await outside(names=inner, login=f"out:{OTHER_PASSWORD}")
    world = await behind(document(site, REFERENCE, outboundProxy=f"http://{login}127.0.0.1:{out.port}"))
    got = await refusals(world, site, "outbound_proxy")
    assert "outbound proxy" in got.json["error"]["message"]


@pytest.mark.parametrize("site", [INNER, INNER.replace("http", "https")])
async def test_a_server_that_it_does_not_let_out_to_is_502(
    outside: Outside, behind: Behind, inner: dict[str, Any], site: str
) -> None:
    out = await outside(names=inner, denied={"gis.inner.example"})
    world = await behind(document(site, REFERENCE, outboundProxy=f"http://127.0.0.1:{out.port}"))
    got = await world.client.get(f"{site}{CITY}?f=json")
    # in plain HTTP its 403 cannot be told from the server's own
    assert got.status == (502 if site.startswith("https") else 403)


async def test_one_that_is_down_is_named(behind: Behind) -> None:
    world = await behind(document(INNER, REFERENCE, outboundProxy="http://127.0.0.1:9"))
    got = await refusals(world, INNER, "unreachable")
    assert "outbound proxy" in got.json["error"]["message"]


async def test_tokens_are_had_the_same_way(outside: Outside, behind: Behind, arcgis: Simulator) -> None:
    out = await outside(names={"gis.inner.example": ("127.0.0.1", arcgis.port)})
    arcgis.options.token_services_url = f"{INNER}/tokens/"
    credential = {"username": "webmap", "password": PASSWORD}
    world = await behind(document(INNER, credential, outboundProxy=f"http://127.0.0.1:{out.port}"))
    got = await world.client.get(f"{INNER}/rest/services/Secure/City/MapServer?f=json")
    assert (got.status, arcgis.accounts.logins) == (200, 1), got.body
    assert any("/tokens/" in line for line in out.asked)


async def test_the_environment_counts_where_it_is_asked_for(
    outside: Outside, behind: Behind, inner: dict[str, Any], monkeypatch: pytest.MonkeyPatch, arcgis: Simulator
) -> None:
    out = await outside(names=inner | {"direct.inner.example": ("127.0.0.1", arcgis.port)})
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{out.port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    rules: dict[str, dict[str, Any]] = {
        INNER: {},
        arcgis.url: {},
        "http://direct.inner.example": {"outboundProxy": "direct"},
    }
    world = await behind(several(rules, {}) | {"upstream": {"outboundProxy": "environment"}})
    assert (await world.client.get(f"{INNER}{CITY}?f=json")).status == 200
    assert (await world.client.get(f"{arcgis.url}{CITY}?f=json")).status == 200
    assert (await world.client.get("http://direct.inner.example/a")).status == 502
    assert len(out.asked) == 1


async def test_the_environment_does_not_count_by_itself(
    outside: Outside, behind: Behind, inner: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = await outside(names=inner)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{out.port}")
    world = await behind(document(INNER))
    assert (await world.client.get(f"{INNER}{CITY}?f=json")).status == 502
    assert out.asked == []


async def test_a_windows_login_goes_through_a_tunnel(
    outside: Outside, windows: StartWindows, behind: Behind, papers: Papers
) -> None:
    out = await outside()
    server = await windows(Manner(bindings=end_point(papers.server_certificate)), papers)
    credential = {"type": "ntlm", "username": "webmap", "password": PASSWORD, "domain": "CITY"}
    rule = {"caBundle": papers.bundle, "outboundProxy": f"http://127.0.0.1:{out.port}"}
    world = await behind(document(server.url, credential, **rule))
    await everything(world, server.url, lambda: server.last_body)
    assert server.accepted == 1
    assert len(out.asked) == 1


async def test_old_tls_is_refused(front: Front, behind: Behind, papers: Papers) -> None:
    server = front(nginx_old_tls, papers)
    world = await behind(document(server.url, REFERENCE, caBundle=papers.bundle))
    got = await refusals(world, server.url, "certificate")
    assert "TLS" in got.json["error"]["message"]
    assert "1.2" in got.json["error"]["details"][0]


async def test_a_port_without_tls_is_named(behind: Behind, arcgis: Simulator) -> None:
    site = arcgis.url.replace("http:", "https:")
    world = await behind(document(site, REFERENCE))
    got = await refusals(world, site, "certificate")
    assert "TLS" in got.json["error"]["message"]

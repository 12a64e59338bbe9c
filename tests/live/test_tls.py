"""Real TLS: the server's certificate is checked, and ours is served."""

import ssl
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import web
from yarl import URL

from tests.live.conftest import Build
from tests.live.served import PAGE
from tests.running import configured


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


async def _https_origin(authority: trustme.CA, name: str) -> tuple[web.AppRunner, int]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="{}")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    return runner, runner.addresses[0][1]


@pytest.mark.parametrize(
    ("has_bundle", "name", "status"),
    [(True, "localhost", 200), (False, "localhost", 502), (True, "other.example", 502)],
)
async def test_a_certificate_is_trusted_by_its_authority_and_name(
    build: Build, authority: trustme.CA, tmp_path: Path, has_bundle: bool, name: str, status: int
) -> None:
    runner, port = await _https_origin(authority, name)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    rule = {"url": f"https://localhost:{port}"} | ({"caBundle": str(bundle)} if has_bundle else {})
    document = {
        "server": {"listen": "127.0.0.1:0"},
        "admin": {"listen": None},
        "allowedReferers": ["https://maps.example.com"],
        "serverUrls": [rule],
    }
    world = await build(document)
    got = await world.client.get(f"https://localhost:{port}/a")
    assert got.status == status
    if status == 502:
        assert "certificate" in got.json["error"]["message"]
    await runner.cleanup()


async def test_the_listener_serves_https(build: Build, authority: trustme.CA, tmp_path: Path) -> None:
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "tls.crt"))
    issued.private_key_pem.write_to_path(str(tmp_path / "tls.key"))
    document = {
        "server": {
            "listen": "127.0.0.1:0",
            "tls": {"certificate": str(tmp_path / "tls.crt"), "key": str(tmp_path / "tls.key")},
        },
        "admin": {"listen": None},
        "allowedReferers": ["https://maps.example.com"],
        "serverUrls": [{"url": "https://gis.example.com"}],
    }
    world = await build(document)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    url = URL(f"https://localhost:{world.service.public.port}/proxy?ping", encoded=True)
    async with aiohttp.ClientSession() as session, session.get(url, ssl=trust, headers={"Referer": PAGE}) as response:
        assert (await response.json())["Configuration File"] == "OK"


async def test_renewed_files_are_used_after_a_reload(build: Build, tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    ours, bundle = {"certificate": str(tmp_path / "tls.crt"), "key": str(tmp_path / "tls.key")}, tmp_path / "ca.pem"

    def issue(authority: trustme.CA) -> None:
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(ours["certificate"])
        issued.private_key_pem.write_to_path(ours["key"])

    issue(old)
    old.cert_pem.write_to_path(str(bundle))
    runner, port = await _https_origin(new, "localhost")
    document = {
        "server": {"listen": "127.0.0.1:0", "tls": ours},
        "admin": {"listen": None},
        "allowedReferers": ["https://maps.example.com"],
        "serverUrls": [{"url": f"https://localhost:{port}", "caBundle": str(bundle)}],
    }
    world = await build(document)

    async def status(authority: trustme.CA) -> int:
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        url = URL(f"https://localhost:{world.service.public.port}/proxy?https://localhost:{port}/x", encoded=True)
        async with aiohttp.ClientSession() as session, session.get(url, ssl=trust, headers={"Referer": PAGE}) as answer:
            return answer.status

    assert await status(old) == 502
    issue(new)
    new.cert_pem.write_to_path(str(bundle))
    await world.service.apply(configured(world.path))
    assert await status(new) == 200
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await status(old)
    await runner.cleanup()

"""The real servers themselves, asked without the proxy: what the other tests here stand on."""

import asyncio
import ssl
from base64 import b64decode, b64encode

import aiohttp
import pytest
import spnego

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD
from tests.real.authority import Papers
from tests.real.conftest import USERS, WRONG, Front, StartWindows
from tests.real.kerberos import Realm
from tests.real.programs import needed, run
from tests.real.web_servers import (
    apache_certificates,
    apache_certificates_12,
    apache_digest,
    nginx_basic,
    nginx_certificates,
    nginx_old_tls,
)
from tests.real.windows_server import Manner, WindowsServer, end_point

CITY = "/rest/services/Public/City/MapServer?f=json"


async def test_nginx_asks_for_basic(front: Front, arcgis: Simulator) -> None:
    server = front(nginx_basic, USERS)
    async with aiohttp.ClientSession() as session:
        for login, status in (("", 401), (WRONG, 401), (PASSWORD, 200)):
            headers = {"Authorization": aiohttp.encode_basic_auth("webmap", login, "utf-8")} if login else {}
            async with session.get(server.url + CITY, headers=headers) as response:
                assert response.status == status
    assert server.statuses() == ["401", "401", "200"]
    assert len(server.logins()) == 2
    assert arcgis.journal.entries[-1].headers["x-remote-user"] == "webmap"


async def test_apache_asks_for_digest_and_says_stale(front: Front) -> None:
    server = front(apache_digest, USERS, nonce_seconds=1)
    digest = aiohttp.DigestAuthMiddleware("webmap", PASSWORD)
    async with aiohttp.ClientSession(middlewares=(digest,)) as session:
        for _ in range(3):
            async with session.get(server.url + CITY) as response:
                assert response.status == 200
        await asyncio.sleep(2.1)
        async with session.get(server.url + CITY) as response:
            assert response.status == 200
    assert server.statuses() == ["401", "200", "200", "200", "401", "200"]


@pytest.mark.parametrize("make", [nginx_certificates, apache_certificates, apache_certificates_12])
async def test_they_want_a_client_certificate(make: object, front: Front, papers: Papers) -> None:
    server = front(make, papers)
    context = ssl.create_default_context(cafile=papers.bundle)
    context.load_cert_chain(papers.one_file())
    bare = ssl.create_default_context(cafile=papers.bundle)
    async with aiohttp.ClientSession() as session:
        async with session.get(server.url + CITY, ssl=context) as response:
            assert response.status == 200
        if make is nginx_certificates:
            async with session.get(server.url + CITY, ssl=bare) as response:
                assert response.status == 400
                assert "No required SSL certificate" in await response.text()
        else:
            with pytest.raises(aiohttp.ClientError):
                await session.get(server.url + CITY, ssl=bare)


async def test_one_speaks_old_tls_alone(front: Front, papers: Papers) -> None:
    server = front(nginx_old_tls, papers)
    command = [needed("openssl", "openssl"), "s_client", "-connect", f"localhost:{server.program.port}"]
    assert "Protocol  : TLSv1.1" in run([*command, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"])


async def _signed_in(server: WindowsServer, scheme: str, client: spnego.ContextProxy) -> list[int]:
    """The legs of a login, and a request after it, on one connection: their statuses."""
    statuses = []
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:
        token = client.step()
        while token:
            headers = {"Authorization": f"{scheme} {b64encode(token).decode()}"}
            async with session.get(server.url + CITY, headers=headers) as response:
                statuses.append(response.status)
                said = response.headers.get("WWW-Authenticate", "").partition(" ")[2]
            token = client.step(b64decode(said)) if said and not client.complete else None
        async with session.get(server.url + CITY) as response:
            statuses.append(response.status)
    return statuses


@pytest.mark.parametrize(
    ("scheme", "password", "statuses"),
    [
        ("NTLM", PASSWORD, [401, 200, 200]),
        ("NTLM", WRONG, [401, 401, 401]),
        ("Negotiate", PASSWORD, [401, 200, 200]),
        ("Negotiate", WRONG, [401, 401, 401]),
    ],
)
async def test_windows_signs_in_a_connection(
    windows: StartWindows, scheme: str, password: str, statuses: list[int]
) -> None:
    server = await windows(Manner(offers=("Negotiate", "NTLM")))
    client = spnego.client("CITY\\webmap", password, "localhost", "HTTP", protocol="ntlm")
    assert await _signed_in(server, scheme, client) == statuses
    assert (server.accepted, len(server.refused)) == ((1, 0) if password == PASSWORD else (0, 1))
    assert {each.connection for each in server.arrived} == {1}


@pytest.mark.parametrize(("is_bound", "accepted"), [(True, 1), (False, 0)])
async def test_extended_protection_refuses_a_login_that_names_no_certificate(
    windows: StartWindows, papers: Papers, is_bound: bool, accepted: int
) -> None:
    bindings = end_point(papers.server_certificate)
    server = await windows(Manner(bindings=bindings), papers)
    client = spnego.client("CITY\\webmap", PASSWORD, protocol="ntlm", channel_bindings=bindings if is_bound else None)
    context = ssl.create_default_context(cafile=papers.bundle)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1, ssl=context)) as session:
        token = client.step()
        while token:
            headers = {"Authorization": f"NTLM {b64encode(token).decode()}"}
            async with session.get(server.url + CITY, headers=headers) as response:
                said = response.headers.get("WWW-Authenticate", "").partition(" ")[2]
            token = client.step(b64decode(said)) if said else None
    assert server.accepted == accepted


@pytest.mark.parametrize("is_mit", [True, False])
@pytest.mark.parametrize("signs_each_request", [True, False])
async def test_the_realm_gives_tickets_that_the_server_takes(
    realm: Realm, windows: StartWindows, signs_each_request: bool, is_mit: bool
) -> None:
    server = await windows(Manner(("Negotiate",), is_mit, signs_each_request))
    realm.log_in(PASSWORD)
    client = spnego.client(hostname="localhost", service="HTTP", protocol="kerberos")
    assert await _signed_in(server, "Negotiate", client) == [200, 401 if signs_each_request else 200]
    assert server.arrived[0].user == "webmap@CITY.TEST"

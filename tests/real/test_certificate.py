"""Client certificates at nginx, which answers with a page, and at Apache, which ends the handshake."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.settings.load import load
from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD
from tests.real.authority import Papers
from tests.real.conftest import Behind, Front, document
from tests.real.uses import CITY, at_once, everything, refusals
from tests.real.web_servers import WebServer, apache_certificates, apache_certificates_12, nginx_certificates

makes = pytest.mark.parametrize("make", [nginx_certificates, apache_certificates, apache_certificates_12])
Make = Callable[..., WebServer]

FORMS: dict[str, Callable[[Papers], Any]] = {
    "two files": Papers.pair,
    "one file": Papers.one_file,
    "locked key": Papers.encrypted_pair,
    "PKCS#12": Papers.pkcs12,
    "PFX": lambda papers: papers.pkcs12(".pfx"),
}


@makes
@pytest.mark.parametrize("form", FORMS)
async def test_a_map_sees_no_certificate(
    make: Make, form: str, front: Front, behind: Behind, papers: Papers, arcgis: Simulator
) -> None:
    server = front(make, papers)
    credential = {"type": "certificate", "clientCertificate": FORMS[form](papers)}
    world = await behind(document(server.url, credential, caBundle=papers.bundle))
    await everything(world, server.url, lambda: arcgis.journal.entries[-1].body)


@makes
async def test_many_at_once_all_pass(make: Make, front: Front, behind: Behind, papers: Papers) -> None:
    server = front(make, papers)
    credential = {"type": "certificate", "clientCertificate": papers.pair()}
    world = await behind(document(server.url, credential, caBundle=papers.bundle))
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}


@makes
@pytest.mark.parametrize("paper", [Papers.expired, Papers.foreign])
async def test_one_that_the_server_does_not_take_is_named(
    make: Make, paper: Callable[[Papers], Any], front: Front, behind: Behind, papers: Papers
) -> None:
    server = front(make, papers)
    credential = {"type": "certificate", "clientCertificate": paper(papers)}
    world = await behind(document(server.url, credential, caBundle=papers.bundle))
    got = await refusals(world, server.url, "client_certificate")
    assert "certificate" in got.json["error"]["message"]


@makes
async def test_one_that_is_missing_is_named(make: Make, front: Front, behind: Behind, papers: Papers) -> None:
    server = front(make, papers)
    credential = {"type": "headers", "headers": {"X-Key": PASSWORD.encode("ascii", "ignore").decode()}}
    world = await behind(document(server.url, credential, caBundle=papers.bundle))
    got = await refusals(world, server.url, "client_certificate")
    assert "clientCertificate" in " ".join(got.json["error"]["details"])


@makes
async def test_without_its_authority_the_server_is_not_trusted(
    make: Make, front: Front, behind: Behind, papers: Papers
) -> None:
    server = front(make, papers)
    world = await behind(document(server.url, {"type": "certificate", "clientCertificate": papers.pair()}))
    got = await refusals(world, server.url, "certificate")
    assert "caBundle" in got.json["error"]["details"][0]


@makes
async def test_a_token_goes_through_with_the_certificate(
    make: Make, front: Front, behind: Behind, papers: Papers, arcgis: Simulator
) -> None:
    server = front(make, papers)
    arcgis.options.token_services_url = f"{server.url}/tokens/"
    credential = {"username": "webmap", "password": PASSWORD}
    rule = {"clientCertificate": papers.pkcs12(), "caBundle": papers.bundle}
    world = await behind(document(server.url, credential, **rule))
    got = await world.client.get(f"{server.url}/rest/services/Secure/City/MapServer?f=json")
    assert (got.status, got.json["mapName"]) == (200, "City"), got.body
    assert arcgis.journal.entries[-1].credential == "header"
    assert arcgis.accounts.logins == 1


async def test_an_expired_one_is_warned_of_beforehand(behind: Behind, papers: Papers) -> None:
    credential = {"type": "certificate", "clientCertificate": papers.expired()}
    world = await behind(document("https://localhost:1/arcgis", credential))
    warnings = world.service.current.runtime.configuration.warnings
    assert any("certificate has ended" in each for each in warnings)


async def test_a_renewed_file_is_used_after_a_reload(front: Front, behind: Behind, papers: Papers) -> None:
    server = front(nginx_certificates, papers)
    files = papers.expired()
    world = await behind(
        document(server.url, {"type": "certificate", "clientCertificate": files}, caBundle=papers.bundle)
    )
    await refusals(world, server.url, "client_certificate", times=1)
    papers.renew(files)
    await world.service.apply(load(world.path, {}))
    assert (await world.client.get(f"{server.url}{CITY}?f=json")).status == 200

"""Esri's SOAP clients ask the catalog RequiresTokens first; if so they ask for a token service, and then their user."""

from xml.etree import ElementTree

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import Build, Sites, World, config

SOAP_11, SOAP_12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"
ESRI = "http://www.esri.com/schemas/ArcGIS/"


def question(operation: str, release: str, version: str = SOAP_11) -> bytes:
    body = f'<e:{operation} xmlns:e="{ESRI}{release}"/>'
    return f'<s:Envelope xmlns:s="{version}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


async def ask(world: World, site: Simulator, operation: str, version: str = SOAP_11) -> ElementTree.Element:
    """The first element of the answer's Body."""
    kind = "text/xml" if version == SOAP_11 else "application/soap+xml"
    body = question(operation, str(site.options.soap_release), version)
    got = await world.client.get(f"{site.url}/services", "POST", body, Content_Type=f"{kind}; charset=utf-8")
    assert got.status == 200
    envelope = ElementTree.fromstring(got.body)
    assert envelope.tag == f"{{{version}}}Envelope"
    assert got.headers["content-type"] == f"{kind}; charset=utf-8"
    return envelope[0][0]


async def started(build: Build, site: Simulator, credential: str | None = "city") -> World:
    document = config(site.url)
    document["serverUrls"] = [{"url": site.url, **({"credential": credential} if credential else {})}]
    world: World = await build(document, site=site)
    return world


@pytest.mark.parametrize("version", [SOAP_11, SOAP_12], ids=["1.1", "1.2"])
@pytest.mark.parametrize("profile", ["ags-9.3", "ags-10.8", "federated"])
async def test_nobody_is_asked_to_sign_in(build: Build, sites: Sites, profile: str, version: str) -> None:
    site = await sites(profile)
    world = await started(build, site)
    asked = {"RequiresTokens": ("Result", "false"), "GetTokenServiceURL": ("TokenServiceURL", None)}
    for operation, said in asked.items():
        answer = await ask(world, site, operation, version)
        assert answer.tag == f"{{{ESRI}{site.options.soap_release}}}{operation}Response"
        assert [(child.tag, child.text) for child in answer] == [said]
    assert site.journal.to(f"{site.options.context}/services") == []


async def test_what_needs_a_token_is_answered(build: Build, arcgis: Simulator) -> None:
    world = await started(build, arcgis)
    folders = [name.text for name in (await ask(world, arcgis, "GetFolders")).iter("String")]
    assert "Secure" in folders


async def test_a_rule_without_a_credential_passes_the_servers_own_word(build: Build, arcgis: Simulator) -> None:
    world = await started(build, arcgis, None)
    body = question("RequiresTokens", str(arcgis.options.soap_release))
    got = await world.client.get(f"{arcgis.url}/services", "POST", body, Content_Type="text/xml")
    assert b"<Result>true</Result>" in got.body


async def test_what_is_not_the_catalogs_language_goes_to_the_server(build: Build, arcgis: Simulator) -> None:
    world = await started(build, arcgis)
    body = question("RequiresTokens", "10.8").replace(ESRI.encode(), b"http://evil.example/")
    await world.client.get(f"{arcgis.url}/services", "POST", body, Content_Type="text/xml")
    assert arcgis.journal.to("/services")[-1].body == body

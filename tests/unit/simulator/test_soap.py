"""The SOAP catalog says where tokens come from, in the language of its release; services and OGC are secured."""

import re

import pytest

from tests.unit.simulator.conftest import Got, Start, Visit

NAMESPACE = "http://www.esri.com/schemas/ArcGIS/"
WMS = "/services/Secure/City/MapServer/WMSServer?SERVICE=WMS&REQUEST=GetCapabilities"


async def call(visit: Visit, operation: str, release: str, path: str = "/services") -> Got:
    envelope = (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f'<{operation} xmlns="{NAMESPACE}{release}"/></soap:Body></soap:Envelope>'
    )
    return await visit.ask(path, "POST", data=envelope, headers={"Content-Type": "text/xml; charset=utf-8"})


@pytest.mark.parametrize(("profile", "release"), [("ags-9.3", "9.3"), ("ags-10.0", "10.0"), ("ags-10.8", "10.8")])
async def test_the_catalog_speaks_its_releases_language(start: Start, profile: str, release: str) -> None:
    site = await start(profile)
    wsdl = (await site.ask("/services?wsdl")).body.decode()
    assert re.findall(r'targetNamespace="([^"]*)"', wsdl) == [f"{NAMESPACE}{release}"]
    assert f'location="{site.arcgis.url}/services"' in wsdl
    got = await call(site, "GetTokenServiceURL", release)
    text = got.body.decode()
    assert f'<tns:GetTokenServiceURLResponse xmlns:tns="{NAMESPACE}{release}"><TokenServiceURL>' in text
    assert f"<TokenServiceURL>{site.arcgis.url}/tokens</TokenServiceURL>" in text
    assert b"<Result>true</Result>" in (await call(site, "RequiresTokens", release)).body


async def test_another_releases_language_is_a_fault(start: Start) -> None:
    site = await start("ags-9.3")
    for release in ("10.0", "9.2"):
        got = await call(site, "GetTokenServiceURL", release)
        assert got.status == 500, release
        assert b"<soap:Fault>" in got.body, release
    prefixed = (
        f'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:a="{NAMESPACE}9.3">'
        "<s:Body><a:RequiresTokens/></s:Body></s:Envelope>"
    )
    assert (await site.ask("/services", "POST", data=prefixed)).status == 200
    assert (await site.ask("/services", "POST", data="nonsense")).status == 500


async def test_a_web_tier_has_no_token_service(start: Start) -> None:
    site = await start(has_tokens=False)
    assert b"<TokenServiceURL></TokenServiceURL>" in (await call(site, "GetTokenServiceURL", "10.8")).body
    assert b"<Result>false</Result>" in (await call(site, "RequiresTokens", "10.8")).body


async def test_services_are_listed_for_those_who_may_see_them(visit: Visit) -> None:
    seen = (await call(visit, "GetServiceDescriptions", "10.8")).body.decode()
    assert f"<Url>{visit.arcgis.url}/services/Public/City/MapServer</Url>" in seen
    assert "Secure" not in seen
    token = await visit.log_in()
    seen = (await call(visit, "GetServiceDescriptions", "10.8", f"/services?token={token}")).body.decode()
    assert "Secure/City/MapServer" in seen
    assert b"<String>Secure</String>" in (await call(visit, "GetFolders", "10.8", f"/services?token={token}")).body


async def test_a_secured_service_hears_query_and_header(start: Start) -> None:
    site = await start()
    path = "/services/Secure/City/MapServer"
    assert (await call(site, "GetServerInfo", "10.8", path)).status == 499
    assert (await call(site, "GetServerInfo", "10.8", f"{path}?token=bad")).status == 498
    token = await site.log_in()
    assert b"GetServerInfoResponse" in (await call(site, "GetServerInfo", "10.8", f"{path}?token={token}")).body
    headers = {"X-Esri-Authorization": f"Bearer {token}"}
    assert f'location="{site.arcgis.url}{path}"'.encode() in (await site.ask(f"{path}?wsdl", headers=headers)).body


@pytest.mark.parametrize(
    ("style", "status", "words"),
    [
        ("json200", 200, b'{"error":{"code":499,"message":"Token Required","details":[]}}'),
        ("status_only", 499, b""),
        ("xml", 200, b"<ServiceException>Token Required"),
    ],
)
async def test_ogc_fails_in_its_own_way(start: Start, style: str, status: int, words: bytes) -> None:
    site = await start(ogc_failure=style)
    got = await site.ask(WMS)
    assert got.status == status
    assert words in got.body
    token = await site.log_in()
    for server, element in (("WMSServer", b"WMS_Capabilities"), ("WFSServer", b"WFS_Capabilities")):
        url = WMS.replace("WMSServer", server) + f"&token={token}"
        got = await site.ask(url)
        assert element in got.body
        assert f'xlink:href="{site.arcgis.url}/services/Secure/City/MapServer/{server}?"'.encode() in got.body
        assert token.encode() not in got.body
        site.arcgis.options.echoes_token = True
        assert token.encode() in (await site.ask(url)).body
        site.arcgis.options.echoes_token = False

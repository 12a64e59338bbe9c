"""A mount answers as an ordinary ArcGIS base URL: every link leads back to it, in every kind of text, and nothing else
changes."""

import gzip
import json
import re
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from proxy.simulator.server import Simulator
from tests.live.conftest import PAGE, Build, Got, World, config

SERVICE = "rest/services/Secure/City"
Fault = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def mounted(site: str, *, server: dict[str, Any] | None = None, **rule: Any) -> dict[str, Any]:
    document = config(site)
    document["serverUrls"] = [{"url": site, "credential": "city", "mount": "/gis", **rule}]
    document["server"] |= server or {}
    return document


@pytest.fixture
async def mount(build: Build, arcgis: Simulator) -> World:
    world: World = await build(mounted(arcgis.url))
    return world


def base(world: World) -> str:
    return f"http://127.0.0.1:{world.service.public.port}/gis"


async def get(world: World, path: str, method: str = "GET", data: Any = None, **headers: str) -> Got:
    """A request by the mount; `path` goes into the request line as it is."""
    url = URL(f"http://127.0.0.1:{world.service.public.port}{path}", encoded=True)
    sent = {"Referer": PAGE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    session = world.client.session
    async with session.request(method, url, headers=sent, data=data, allow_redirects=False) as response:
        got = Got(response.status, {k.lower(): v for k, v in response.headers.items()}, await response.read())
    world.client.seen += [got.body, repr(response.raw_headers).encode()]
    return got


def text(body: str | bytes, kind: str = "application/json", **more: Any) -> Fault:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        raw = body.encode() if isinstance(body, str) else body
        headers = {"Content-Type": kind, **more.get("headers", {})}
        return web.Response(body=raw, headers=headers, status=more.get("status", 200))

    return answer


async def test_services_answer_at_the_mount_and_send_the_client_nowhere_else(mount: World) -> None:
    for path in ("MapServer", "FeatureServer", "FeatureServer/0", "MapServer/legend"):
        got = await get(mount, f"/gis/{SERVICE}/{path}?f=json")
        assert got.status == 200, path
        assert b"error" not in got.body, path
        assert str(mount.arcgis.port).encode() not in got.body, path
    assert (await get(mount, f"/gis/{SERVICE}/MapServer?f=json")).json["tileServers"] == []
    assert (await get(mount, f"/gis/{SERVICE}/FeatureServer?f=json")).json["preferredHost"] is None
    assert mount.arcgis.accounts.logins == 1


async def test_the_hosts_that_lead_around_the_proxy_are_taken_out_in_query_mode_too(mount: World) -> None:
    got = await mount.client.get(f"{mount.arcgis.url}/{SERVICE}/FeatureServer?f=json")
    assert got.json["preferredHost"] is None
    got = await mount.client.get(f"{mount.arcgis.url}/{SERVICE}/MapServer?f=json")
    assert got.json["tileServers"] == []
    assert int(got.headers["content-length"]) == len(got.body)


async def test_rest_info_has_no_sign_in_hints(mount: World) -> None:
    info = (await get(mount, "/gis/rest/info?f=json")).json
    assert info["authInfo"] == {"isTokenBasedSecurity": False}
    assert not {"owningSystemUrl", "soapUrl", "secureSoapUrl"} & set(info)


async def test_a_picture_behind_an_href_is_got_by_the_mount(mount: World) -> None:
    got = await get(mount, f"/gis/{SERVICE}/MapServer/export?f=json&bbox=1099000,6007500,1111000,6016500&size=200,150")
    href = got.json["href"]
    assert href.startswith(f"{base(mount)}/rest/directories/arcgisoutput/")
    picture = await get(mount, URL(href).raw_path)
    assert (picture.status, picture.body[:4]) == (200, b"\x89PNG")


async def test_capabilities_and_descriptions_in_xml(mount: World) -> None:
    for path in (
        "services/Secure/City/MapServer/WMSServer?SERVICE=WMS&REQUEST=GetCapabilities",
        "services/Secure/City/MapServer/WFSServer?SERVICE=WFS&REQUEST=GetCapabilities",
        f"{SERVICE}/MapServer/WMTS/1.0.0/WMTSCapabilities.xml",
        "services/Secure/City/MapServer?wsdl",
    ):
        got = await get(mount, f"/gis/{path}")
        assert got.status == 200, path
        links = re.findall(rb"https?://127\.0\.0\.1:[0-9]+[^\"'<]*", got.body)
        assert links, path
        assert all(link.startswith(base(mount).encode()) for link in links), links


@pytest.mark.parametrize("coding", ["", "gzip", "deflate"])
async def test_compressed_texts_stay_compressed(mount: World, coding: str) -> None:
    plain = json.dumps({"href": f"{mount.arcgis.url}/rest/x", "tail": list(range(40_000))}).encode()
    packed = {"": plain, "gzip": gzip.compress(plain), "deflate": zlib.compress(plain)}[coding]
    headers = {"ETag": '"1"', **({"Content-Encoding": coding} if coding else {})}
    mount.arcgis.faults.append(text(packed, headers=headers))
    got = await get(mount, f"/gis/{SERVICE}/MapServer/0/query?f=json", Accept_Encoding="gzip, deflate")
    assert got.json["href"] == f"{base(mount)}/rest/x"
    assert got.json["tail"] == list(range(40_000))
    assert got.headers.get("content-encoding") == ("gzip" if coding else None)
    assert got.headers["etag"] == 'W/"1"'


async def test_a_short_text_tells_its_new_length_and_one_without_links_stays_as_it_is(mount: World) -> None:
    mount.arcgis.faults.append(text(f'{{"url":"{mount.arcgis.url}/x"}}', headers={"ETag": '"1"'}))
    got = await get(mount, f"/gis/{SERVICE}/MapServer/0?f=json")
    assert got.json == {"url": f"{base(mount)}/x"}
    assert (int(got.headers["content-length"]), got.headers["etag"]) == (len(got.body), 'W/"1"')
    mount.arcgis.faults.append(text(gzip.compress(b'{"a": 1}'), headers={"ETag": '"1"', "Content-Encoding": "gzip"}))
    got = await get(mount, f"/gis/{SERVICE}/MapServer/0?f=json", Accept_Encoding="gzip")
    assert (got.body, got.headers["etag"], got.headers["content-encoding"]) == (b'{"a": 1}', '"1"', "gzip")


async def test_a_weakened_validator_is_the_servers_own_on_the_way_up(mount: World) -> None:
    mount.arcgis.faults.append(text("", status=304, headers={"ETag": '"1"'}))
    got = await get(mount, f"/gis/{SERVICE}/MapServer?f=json", If_None_Match='W/"1"')
    assert (got.status, got.headers["etag"], got.body) == (304, 'W/"1"', b"")


@pytest.mark.parametrize("kind", ["application/x-protobuf", "image/png", "application/zip", "application/octet-stream"])
async def test_bytes_that_are_no_text_stay_as_they_are(mount: World, kind: str) -> None:
    body = b"\x00\xff" + f"{mount.arcgis.url}/rest/x".encode()
    mount.arcgis.faults.append(text(body, kind, headers={"ETag": '"1"', "Accept-Ranges": "bytes"}))
    got = await get(mount, f"/gis/{SERVICE}/FeatureServer/0/query?f=pbf")
    assert (got.body, got.headers["etag"], got.headers["accept-ranges"]) == (body, '"1"', "bytes")


async def test_parts_pass_of_pictures_alone(mount: World) -> None:
    part = {"Content-Range": "bytes 0-3/10"}
    mount.arcgis.faults.append(text(b"\x89PNG", "image/png", status=206, headers=part))
    got = await get(mount, f"/gis/{SERVICE}/MapServer/tile/0/0/0", Range="bytes=0-3")
    assert (got.status, got.headers["content-range"]) == (206, "bytes 0-3/10")
    mount.arcgis.faults.append(text("http", status=206, headers=part))
    got = await get(mount, f"/gis/{SERVICE}/MapServer?f=json", Range="bytes=0-3")
    assert got.status == 502


async def test_head_tells_no_length_that_get_would_not_have(mount: World) -> None:
    got = await get(mount, f"/gis/{SERVICE}/MapServer?f=json", "HEAD")
    assert (got.status, got.body) == (200, b"")
    assert "content-length" not in got.headers


@pytest.mark.parametrize(
    ("to", "led"),
    [
        ("{site}/rest/services/Public?a=b&token=x", "/gis/rest/services/Public?a=b"),
        ("/arcgis/rest/services", "/gis/rest/services"),
        ("MapServer/0", f"/gis/{SERVICE}/MapServer/0"),
        ("https://elsewhere.example/", None),
    ],
)
async def test_redirects_lead_to_the_mount(mount: World, to: str, led: str | None) -> None:
    where = {"Location": to.format(site=mount.arcgis.url)}
    mount.arcgis.faults.append(text("", status=302, headers=where))
    got = await get(mount, f"/gis/{SERVICE}/MapServer")
    assert (got.status, got.headers.get("location")) == ((302, led) if led else (502, None))


async def test_further_headers_that_lead_on(mount: World) -> None:
    site = mount.arcgis.url
    links = (
        f'<{site}/rest/a?b,c>; rel="next"; title="a, b", <https://elsewhere.example/>; rel=prev, </x.js>; rel=preload'
    )
    mount.arcgis.faults.append(text("{}", headers={"Content-Location": "/arcgis/rest/b", "Link": links}))
    got = await get(mount, f"/gis/{SERVICE}/MapServer/0?f=json")
    assert got.headers["content-location"] == "/gis/rest/b"
    assert got.headers["link"] == '</gis/rest/a?b,c>; rel="next"; title="a, b"'


async def test_html_pages_where_they_are_let_through(build: Build, arcgis: Simulator) -> None:
    world = await build(mounted(arcgis.url, allowHtml=True))
    page = f'<a href="/arcgis/rest/services">up</a><a href="{arcgis.url}/rest">x</a><a href="/arcgisfoo">y</a>'
    arcgis.faults.append(text(page, "text/html;charset=utf-8"))
    got = await get(world, "/gis/rest/services")
    assert got.body.decode() == (
        f'<a href="/gis/rest/services">up</a><a href="{base(world)}/rest">x</a><a href="/arcgisfoo">y</a>'
    )
    assert got.headers["content-security-policy"] == "sandbox"


async def test_other_names_of_the_server(build: Build, arcgis: Simulator) -> None:
    mount = {"path": "/gis", "aliases": ["http://gis01.internal:6080/arcgis"]}
    world = await build(mounted(arcgis.url, mount=mount))
    arcgis.faults.append(text(r'{"url":"http:\/\/GIS01.internal:6080\/arcgis\/rest","no":"http://gis01.internal/x"}'))
    got = await get(world, f"/gis/{SERVICE}/MapServer?f=json")
    assert got.json == {"url": f"{base(world)}/rest", "no": "http://gis01.internal/x"}
    arcgis.faults.append(text("", status=302, headers={"Location": "http://gis01.internal:6080/arcgis/rest?a"}))
    assert (await get(world, f"/gis/{SERVICE}/MapServer")).headers["location"] == "/gis/rest?a"


@pytest.mark.parametrize(
    ("server", "headers", "written"),
    [
        (
            {"publicUrl": "https://maps.example.com/secure/"},
            {"Host": "evil.example"},
            "https://maps.example.com/secure",
        ),
        (
            {"trustedProxies": ["127.0.0.0/8"]},
            {"Host": "maps.example.com", "X_Forwarded_Proto": "https"},
            "https://maps.example.com",
        ),
        (
            {},
            {"Host": "maps.example.com", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil.example"},
            "http://maps.example.com",
        ),
    ],
    ids=["publicUrl", "a trusted proxy", "the client's word"],
)
async def test_links_have_the_public_name_and_no_strangers(
    build: Build, arcgis: Simulator, server: dict[str, Any], headers: dict[str, str], written: str
) -> None:
    world = await build(mounted(arcgis.url, server=server))
    got = await get(world, f"/gis/{SERVICE}/MapServer/export?f=json", **headers)
    assert got.json["href"].startswith(f"{written}/gis/rest/directories/")


@pytest.mark.parametrize("name", ["a/b", "a@b", 'a"b', "[::1"])
async def test_a_name_that_can_be_none_is_refused(mount: World, name: str) -> None:
    assert (await get(mount, f"/gis/{SERVICE}/MapServer/export?f=json", Host=name)).status == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/gis/../admin", 400),
        ("/gis/rest/%2e%2e/admin", 400),
        ("/gis/rest%2Fservices", 400),
        ("/gis;x/rest", 404),
        ("/gis2/rest", 404),
        ("/GIS/rest", 404),
        ("/gis%2Frest/services", 404),
        ("/gis/@evil.example/", 200),
        ("/gis/admin", 403),
        ("/gis/tokens/generateToken", 403),
        (f"/gis/{SERVICE}/FeatureServer/0/applyEdits", 403),
    ],
)
async def test_what_is_judged_is_what_is_sent(mount: World, path: str, status: int) -> None:
    got = await get(mount, path)
    sent = [entry for entry in mount.arcgis.journal if entry.credential != "none"]
    assert got.status == (404 if status == 200 else status)
    assert bool(sent) == (status == 200)
    # Beside it the rule's own URL, where the token's place is found out before a client waits
    assert [entry.path for entry in sent] == ["/arcgis", "/arcgis/@evil.example/"][: 2 * bool(sent)]


async def test_pages_are_admitted_and_preflights_answered_as_in_query_mode(mount: World) -> None:
    assert (await get(mount, f"/gis/{SERVICE}/MapServer?f=json", Referer="https://evil.example/")).status == 403
    got = await get(mount, f"/gis/{SERVICE}/MapServer?f=json", "OPTIONS", Origin="https://maps.example.com")
    assert (got.status, got.headers["access-control-allow-origin"]) == (204, "https://maps.example.com")
    posted = await get(mount, f"/gis/{SERVICE}/FeatureServer/0/query", "POST", {"f": "json", "where": "1=1"})
    assert len(posted.json["features"]) == 12


async def test_a_client_goes_on_after_all_tokens_are_revoked(mount: World) -> None:
    assert (await get(mount, f"/gis/{SERVICE}/MapServer?f=json&token=stale")).status == 200
    mount.arcgis.revoke_all()
    got = await get(mount, f"/gis/{SERVICE}/FeatureServer/0/query?f=json&where=1=1")
    assert len(got.json["features"]) == 12
    assert mount.arcgis.accounts.logins == 2


async def test_a_token_in_a_servers_own_links_is_taken_out_and_they_work(mount: World) -> None:
    mount.arcgis.options.echoes_token = True
    got = await get(mount, "/gis/services/Secure/City/MapServer/WMSServer?SERVICE=WMS&REQUEST=GetCapabilities")
    link = re.findall(r'href="([^"]*)"', got.body.decode())[0].replace("&amp;", "&")
    assert link.startswith(f"{base(mount)}/services/Secure/City/MapServer/WMSServer?token=xxx")
    query = "REQUEST=GetMap&LAYERS=0&CRS=EPSG:3857&BBOX=1099000,6007500,1111000,6016500&WIDTH=9&HEIGHT=9"
    picture = await get(mount, URL(f"{link}{query}").raw_path_qs)
    assert (picture.status, picture.body[:4]) == (200, b"\x89PNG")


async def test_a_compressed_text_that_is_cut_off_does_not_pass_as_whole(mount: World) -> None:
    packed = gzip.compress(f'{{"url":"{mount.arcgis.url}/x"}}'.encode())[:-9]
    mount.arcgis.faults.append(text(packed, headers={"Content-Encoding": "gzip"}))
    got = await get(mount, f"/gis/{SERVICE}/MapServer/0?f=json", Accept_Encoding="gzip")
    assert (got.status, got.json["error"]["messageCode"]) == (502, "PROXY_BAD_ANSWER")

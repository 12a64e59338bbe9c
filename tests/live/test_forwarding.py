"""What crosses, in each direction, on real sockets: verbs, bodies, headers, streams, refusals."""

import asyncio
import io
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.live.conftest import Build, World, config
from tests.live.served import PAGE


class Origin:
    """An upstream that is no ArcGIS: it answers with what it was told, and keeps what arrived."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer = web.Response(text="{}")
        self.cancelled = asyncio.Event()
        self.port = 0

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self.runner = web.AppRunner(app, handler_cancellation=True, auto_decompress=False, max_line_size=65536)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.port = self.runner.addresses[0][1]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.raw_path, headers, body))
        if request.path == "/slow":
            return await self._slow(request)
        if request.path == "/cut":
            response = web.StreamResponse(headers={"Content-Length": "100"})
            await response.prepare(request)
            await response.write(b"half")
            assert request.transport is not None
            request.transport.abort()
            return response
        if request.path == "/moved":
            return web.Response(status=302, headers={"Location": request.query["to"]})
        return web.Response(status=self.answer.status, body=self.answer.body, headers=self.answer.headers)

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(200):
                await response.write(b"x" * 10)
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return response


@pytest.fixture
async def origin() -> Any:
    server = Origin()
    await server.start()
    yield server
    await server.runner.cleanup()


@pytest.fixture
async def plain(build: Build, origin: Origin) -> tuple[World, str]:
    """A proxy with one rule for the plain origin, without a credential; and the origin's URL."""
    url = f"http://127.0.0.1:{origin.port}"
    document = {
        "server": {"listen": "127.0.0.1:0", "limits": {"body": "4MiB"}},
        "admin": {"listen": None},
        "allowedReferers": ["https://maps.example.com"],
        "serverUrls": [{"url": url, "access": "edit", "timeout": "1s"}],
    }
    return await build(document), url


BODIES = [
    (b"where=1%3D1&a.b=1&a.b=2&&x", "application/x-www-form-urlencoded; charset=UTF-8"),
    (b'{"a": [1, 2]}', "application/json"),
    ("<ä/>".encode("latin-1"), "text/xml; charset=ISO-8859-1"),
    (bytes(range(256)), "application/octet-stream"),
    (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="\xc3\xa4"\r\n\r\n\x00\xff\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    ),
    (b"", ""),
]


@pytest.mark.parametrize(("body", "kind"), BODIES)
async def test_a_body_arrives_byte_for_byte(plain: tuple[World, str], origin: Origin, body: bytes, kind: str) -> None:
    world, url = plain
    await world.client.get(f"{url}/a?b=%27c%27", "POST", body, Content_Type=kind)
    method, path, headers, arrived = origin.requests[-1]
    assert (method, path, arrived) == ("POST", "/a?b=%27c%27", body)
    assert headers.get("content-type", "") in (kind, "application/octet-stream")
    assert headers["content-length"] == str(len(body))


async def test_a_chunked_body_and_one_over_a_mebibyte_arrive_whole(plain: tuple[World, str], origin: Origin) -> None:
    world, url = plain
    body = bytes(range(256)) * 8192

    async def pieces() -> Any:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    got = await world.client.get(f"{url}/a", "POST", pieces(), Content_Type="application/octet-stream")
    assert got.status == 200
    assert origin.requests[-1][3] == body


@pytest.mark.parametrize("charset", ["utf-16", "ibm037", '"UTF-7"'])
async def test_a_form_in_a_charset_that_hides_its_fields_is_refused(
    plain: tuple[World, str], origin: Origin, charset: str
) -> None:
    world, url = plain
    kind = f"application/x-www-form-urlencoded; charset={charset}"
    assert (await world.client.get(f"{url}/a", "POST", b"a=b", Content_Type=kind)).status == 400
    assert origin.requests == []


async def test_a_form_over_a_mebibyte_arrives_whole(plain: tuple[World, str], origin: Origin) -> None:
    world, url = plain
    form = b"geometry=" + b"1,2;" * 400_000
    got = await world.client.get(f"{url}/a", "POST", io.BytesIO(form), Content_Type="application/x-www-form-urlencoded")
    assert got.status == 200
    assert origin.requests[-1][3] == form


async def test_a_body_over_the_limit_is_413(plain: tuple[World, str], origin: Origin) -> None:
    world, url = plain
    got = await world.client.get(
        f"{url}/a", "POST", io.BytesIO(b"x" * (4 * 1024 * 1024 + 1)), Content_Type="text/plain"
    )
    assert got.status == 413
    assert got.json["error"]["code"] == 413
    assert origin.requests == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
async def test_the_verb_stays_the_verb(plain: tuple[World, str], origin: Origin, method: str) -> None:
    world, url = plain
    assert (await world.client.get(f"{url}/a", method)).status == 200
    assert origin.requests[-1][0] == method


@pytest.mark.parametrize("method", ["PUT", "TRACE", "PROPFIND"])
async def test_other_verbs_are_405(world: World, method: str) -> None:
    got = await world.client.get(world.url(), method)
    assert (got.status, got.json["error"]["code"]) == (405, 405)


async def test_the_query_is_forwarded_byte_for_byte(plain: tuple[World, str], origin: Origin) -> None:
    world, url = plain
    query = "text=a%20b%2Bc%26d%3De%3Ff%23g%25h%2F%C3%BC%27%22~!*()&where=NAME='x'&bbox=1,2&%zz&&a=[1]"
    await world.client.get(f"{url}/a?{query}")
    assert origin.requests[-1][1] == f"/a?{query}"


async def test_eight_kilobytes_of_query_are_forwarded(plain: tuple[World, str], origin: Origin) -> None:
    world, url = plain
    assert (await world.client.get(f"{url}/a?objectIds={'1234567,' * 1500}")).status == 200
    assert len(origin.requests[-1][1]) > 12_000
    assert (await world.client.get(f"{url}/a?{'x' * 40_000}")).status == 414


async def test_only_listed_headers_cross(plain: tuple[World, str], origin: Origin) -> None:
    world, url = plain
    origin.answer = web.Response(
        text="{}",
        headers={"ETag": '"1"', "Set-Cookie": "a=b", "Strict-Transport-Security": "max-age=1", "X-Powered-By": "x"},
    )
    got = await world.client.get(
        f"{url}/a",
        Cookie="a=b",
        Authorization="Basic x",
        X_Forwarded_For="9.9.9.9",
        If_None_Match='"0"',
        Range="bytes=0-3",
    )
    sent = origin.requests[-1][2]
    assert not {"cookie", "authorization", "x-forwarded-for", "origin"} & set(sent)
    assert (sent["if-none-match"], sent["range"]) == ('"0"', "bytes=0-3")
    assert sent["x-request-id"] == got.headers["x-request-id"]
    assert got.headers["etag"] == '"1"'
    assert not {"set-cookie", "strict-transport-security", "x-powered-by", "server"} & set(got.headers)
    assert (got.headers["x-content-type-options"], got.headers["referrer-policy"]) == ("nosniff", "no-referrer")


async def test_a_304_keeps_its_validator_and_has_no_body(plain: tuple[World, str], origin: Origin) -> None:
    world, url = plain
    origin.answer = web.Response(status=304, headers={"ETag": '"1"'})
    got = await world.client.get(f"{url}/a", If_None_Match='"1"')
    assert (got.status, got.headers["etag"], got.body) == (304, '"1"', b"")


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_errors_of_the_upstream_pass_with_their_bodies(
    plain: tuple[World, str], origin: Origin, status: int
) -> None:
    world, url = plain
    origin.answer = web.Response(status=status, body=b"x" * 100_000)
    got = await world.client.get(f"{url}/a")
    assert (got.status, len(got.body)) == (status, 100_000)


async def test_the_first_byte_comes_before_the_last_and_a_client_that_leaves_cancels_upstream(
    plain: tuple[World, str], origin: Origin
) -> None:
    world, url = plain
    target = URL(f"{world.client.proxy}?{url}/slow", encoded=True)
    async with world.client.session.get(target, headers={"Referer": PAGE}) as response:
        assert await response.content.readany()
        response.close()
    await asyncio.wait_for(origin.cancelled.wait(), 2)


async def test_a_body_that_breaks_off_upstream_breaks_off_here(plain: tuple[World, str]) -> None:
    world, url = plain
    with pytest.raises(aiohttp.ClientError):
        await world.client.get(f"{url}/cut")


async def test_a_redirect_inside_the_rules_is_rewritten_and_others_are_502(plain: tuple[World, str]) -> None:
    world, url = plain
    got = await world.client.get(f"{url}/moved?to=/b%3Fc=d")
    assert (got.status, got.headers["location"]) == (302, f"/proxy?{url}/b?c=d")
    got = await world.client.get(f"{url}/moved?to=https://evil.example/")
    assert got.status == 502
    assert "location" not in got.headers


async def test_unreachable_is_502_and_silent_is_504(build: Build, origin: Origin) -> None:
    writers: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: writers.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    document = {
        "server": {"listen": "127.0.0.1:0"},
        "allowedReferers": ["https://maps.example.com"],
        "admin": {"listen": None},
        "serverUrls": [{"url": "http://127.0.0.1:1"}, {"url": f"http://127.0.0.1:{port}", "timeout": "300ms"}],
    }
    world = await build(document)
    assert (await world.client.get("http://127.0.0.1:1/a")).status == 502
    assert (await world.client.get(f"http://127.0.0.1:{port}/a")).status == 504
    for writer in writers:
        writer.close()
    silent.close()


async def test_a_name_that_leads_to_a_forbidden_address_is_502(build: Build, origin: Origin) -> None:
    document = {
        "server": {"listen": "127.0.0.1:0"},
        "admin": {"listen": None},
        "allowedReferers": ["https://maps.example.com"],
        "mustMatch": False,
        "serverUrls": [{"url": "https://gis.example.com/"}],
    }
    world = await build(document)
    got = await world.client.get(f"http://127.0.0.1:{origin.port}/a")
    assert got.status == 502
    assert origin.requests == []


async def test_a_stricter_rule_further_down_is_not_passed_by(build: Build, origin: Origin) -> None:
    url = f"http://127.0.0.1:{origin.port}"
    document = config(url)
    document["serverUrls"] = [{"url": f"{url}/Public"}, {"url": f"{url}/Public/Strict", "denyOperations": ["query"]}]
    world = await build(document)
    for path in ("Strict", "/Strict", "%C5%BFtrict", "Strict.", "Strict%20"):
        got = await world.client.get(f"{url}/Public/{path}/MapServer/0/query")
        assert got.status in (400, 403), path
    assert not origin.requests
    assert (await world.client.get(f"{url}/Public//Other/MapServer/0/query")).status == 200

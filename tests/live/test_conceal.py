"""An upstream that repeats the token: no client ever gets it, in no form, cut or compressed."""

import asyncio
import base64
import gzip
import json
import random
import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web

from proxy.simulator.server import Simulator
from tests.live.conftest import Build, World, config
from tests.until import until

Fault = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda token: "".join(f"%{ord(c):02X}" if c in ".-_" else c for c in token),
    "JSON": lambda token: json.dumps(token).replace("-", "\\u002d")[1:-1],
    "base64": lambda token: base64.b64encode(f"u:{token}".encode()).decode(),
}


def token_of(request: web.BaseRequest) -> str:
    return request.headers.get("X-Esri-Authorization", "").removeprefix("Bearer ") or request.query["token"]


def echo(form: Callable[[str], str], *, kind: str = "application/json", pieces: int = 1, zipped: bool = False) -> Fault:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        said = form(token_of(request))
        body = f'{{"layers":[],"href":"https://gis.example.com/x?token={said}","tail":"{"-" * 400}"}}'.encode()
        headers = {"Content-Type": kind, "ETag": '"1"'}
        if zipped:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        headers["Content-Length"] = str(len(body))
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        step = -(-len(body) // pieces)
        for at in range(0, len(body), step):
            await response.write(body[at : at + step])
            await asyncio.sleep(0.01 if pieces > 1 else 0)
        return response

    return answer


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("kind", ["application/json", "text/xml", "text/plain", ""])
@pytest.mark.parametrize("pieces", [1, 23])
async def test_an_echoed_token_is_taken_out(world: World, form: Callable[[str], str], kind: str, pieces: int) -> None:
    await world.client.get(world.url())
    world.arcgis.faults.append(echo(form, kind=kind, pieces=pieces))
    got = await world.client.get(world.url())
    assert got.status == 200
    assert b"xxxxxxxxxxxxxxxx" in got.body
    assert got.json["tail"] == "-" * 400
    rendered = world.service.metrics.render().decode()
    assert re.search(r'redactions_total{[^}]*"answer"[^}]*} 1.0', rendered)


@pytest.mark.parametrize("kind", ["application/octet-stream", "application/pdf"])
@pytest.mark.parametrize("pieces", [1, 23])
async def test_in_a_file_too(world: World, kind: str, pieces: int) -> None:
    await world.client.get(world.url())
    world.arcgis.faults.append(echo(str, kind=kind, pieces=pieces))
    got = await world.client.get(world.url())
    assert b"xxxxxxxxxxxxxxxx" in got.body
    assert got.json["tail"] == "-" * 400


async def test_in_a_part_of_a_file_which_is_passed_on(world: World) -> None:
    await world.client.get(world.url())

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = b"\0\1" + token_of(request).encode()
        headers = {"Content-Type": "application/octet-stream", "Content-Range": f"bytes 0-{len(body) - 1}/1000"}
        return web.Response(status=206, body=body, headers=headers)

    world.arcgis.faults.append(answer)
    got = await world.client.get(world.url(), Range="bytes=0-99")
    assert (got.status, got.body[:2], set(got.body[2:])) == (206, b"\0\1", {ord("x")})


async def test_an_earlier_token_that_has_not_ended(world: World) -> None:
    await world.client.get(world.url())
    sent: list[str] = []

    async def note(request: web.BaseRequest) -> web.StreamResponse:
        sent.append(token_of(request))
        return web.json_response({"href": f"https://h/x?token={sent[0]}&old", "renewed": sent[0] != sent[-1]})

    world.arcgis.faults.append(note)
    first = await world.client.get(world.url("Secure/City/MapServer/0?f=json"))
    world.arcgis.revoke_all()
    assert (await world.client.get(world.url())).status == 200
    world.arcgis.faults.append(note)
    second = await world.client.get(world.url("Secure/City/MapServer/1?f=json"))
    assert (first.json["renewed"], second.json["renewed"]) == (False, True)
    assert first.json["href"] == second.json["href"] == f"https://h/x?token={'x' * len(sent[0])}&old"


@pytest.mark.parametrize("length", [10, 300_000])
async def test_at_the_very_end_of_a_compressed_text(build: Build, arcgis: Simulator, length: int) -> None:
    """A secret that ends so may go on: only the end tells that it does not."""
    key = "canary-key.0123%"
    world = await build(headers={"X-Api-Key": key})
    await world.client.get(world.url())

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        body = gzip.compress(random.Random(1).randbytes(length).hex().encode() + key.encode())
        return web.Response(body=body, headers={"Content-Type": "text/plain", "Content-Encoding": "gzip"})

    arcgis.faults.append(answer)
    if length == 10:
        got = await world.client.get(world.url(), Accept_Encoding="gzip")
        assert got.body.endswith(b"x" * len(key))
    else:
        with pytest.raises(aiohttp.ClientPayloadError):
            await world.client.get(world.url(), Accept_Encoding="gzip")


@pytest.mark.parametrize("pieces", [1, 7])
async def test_in_a_compressed_text_too(world: World, pieces: int) -> None:
    await world.client.get(world.url())
    world.arcgis.faults.append(echo(str, pieces=pieces, zipped=True))
    got = await world.client.get(world.url(), Accept_Encoding="gzip")
    assert b"xxxxxxxxxxxxxxxx" in got.body
    assert "etag" not in got.headers
    assert "content-encoding" not in got.headers


async def test_a_compressed_text_without_one_stays_as_it_is(world: World) -> None:
    await world.client.get(world.url())
    plain = json.dumps({"layers": list(range(60000))}).encode()

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "ETag": '"1"'}
        return web.Response(body=gzip.compress(plain, 1), headers=headers)

    world.arcgis.faults.append(answer)
    got = await world.client.get(world.url("Secure/City/MapServer/0/query?f=json"), Accept_Encoding="gzip")
    assert (got.body, got.headers["etag"], got.headers["content-encoding"]) == (plain, '"1"', "gzip")


async def test_late_in_a_long_compressed_text_the_answer_breaks_off(world: World, arcgis: Simulator) -> None:
    await world.client.get(world.url())

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        noise = random.Random(1).randbytes(300_000).hex()
        body = gzip.compress(f'{{"noise":"{noise}","href":"{token_of(request)}"}}'.encode())
        return web.Response(body=body, headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})

    arcgis.faults.append(answer)
    with pytest.raises(aiohttp.ClientPayloadError):
        await world.client.get(world.url(), Accept_Encoding="gzip")
    await until(lambda: "held what must stay secret" in world.log.getvalue(), 5.0)


@pytest.mark.parametrize("kind", ["application/json", "multipart/byteranges; boundary=a", "application/vnd.ogc.gml"])
async def test_parts_of_a_text_are_not_passed_on(world: World, kind: str) -> None:
    await world.client.get(world.url())

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        headers = {"Content-Type": kind, "Content-Range": "bytes 0-9/100"}
        return web.Response(status=206, body=token_of(request)[:10].encode(), headers=headers)

    world.arcgis.faults.append(answer)
    got = await world.client.get(world.url(), Range="bytes=0-9")
    assert (got.status, got.json["error"]["code"]) == (502, 502)


async def test_in_a_header(build: Build, arcgis: Simulator) -> None:
    world = await build(inject="query")
    await world.client.get(world.url())

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        token = quote(token_of(request))
        headers = {"Content-Disposition": f'attachment; filename="{token}.json"', "ETag": f'"{token}"'}
        return web.json_response({"layers": []}, headers=headers)

    arcgis.faults.append(answer)
    got = await world.client.get(world.url())
    assert "xxxxxxxxxx" in got.headers["etag"]
    assert "xxxxxxxxxx" in got.headers["content-disposition"]


KEY = "canary/key.0123"  # no long run: only its own form tells it


@pytest.mark.parametrize("code", [401, 403])
@pytest.mark.parametrize("words", ["{} {}", "denied https://h/x?token={}&key={}", " " * 295 + "{} {}", "ssl<{}>{}"])
async def test_in_the_words_of_a_denial(build: Build, arcgis: Simulator, code: int, words: str) -> None:
    world = await build(headers={"X-Api-Key": KEY})
    await world.client.get(world.url())

    async def deny(request: web.BaseRequest) -> web.StreamResponse:
        message = words.format(token_of(request), request.headers["X-Api-Key"])
        return web.json_response({"error": {"code": code, "message": message}})

    arcgis.faults.append(deny)
    got = await world.client.get(world.url())
    assert got.status == 403
    assert b"canary" not in got.body
    assert "canary" not in world.log.getvalue()


async def test_in_the_words_of_a_denial_to_a_login(build: Build, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    document["credentials"]["city"] = {"type": "headers", "headers": {"X-Api-Key": KEY}}
    world = await build(document)

    async def deny(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"error": {"code": 403, "message": f"no right: {request.headers['X-Api-Key']}"}})

    arcgis.faults.append(deny)
    got = await world.client.get(world.url())
    assert (got.status, b"canary" in got.body) == (403, False)
    assert "canary" not in world.log.getvalue()


async def test_a_key_that_is_set_as_a_parameter(build: Build, arcgis: Simulator) -> None:
    world = await build(
        document=config(arcgis.url)
        | {"serverUrls": [{"url": f"{arcgis.url}/rest", "setParameters": {"apikey": KEY, "where": "STATUS = 'open'"}}]}
    )

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"href": f"/x?apikey={request.query['apikey']}", "where": request.query["where"]})

    arcgis.faults.append(answer)
    got = await world.client.get(world.url())
    assert got.json == {"href": f"/x?apikey={'x' * len(KEY)}", "where": "STATUS = 'open'"}

"""Bodies are judged as queries are, whatever their kind: nothing gets past a rule because it is written elsewhere."""

import asyncio
import gzip
import io
import json
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import PAGE, Build, World, config

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=bbb"
DATA_LAYER = '[{"id":1,"source":{"type":"dataLayer","dataSource":{"type":"table","dataSourceName":"secret"}}}]'
QUERY = "Secure/City/FeatureServer/0/query"
JUDGED = {
    "dataLayer": ("Secure/City/MapServer/export", "dynamicLayers", DATA_LAYER),
    "JSONP": (QUERY, "callback", "evil"),
    "a URL to fetch": (QUERY, "geometry", '{"url":"http://10.0.0.1/"}'),
    "HTML": (QUERY, "f", "html"),
}


def multipart(**fields: str) -> bytes:
    parts = [f'--bbb\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    return ("".join(parts) + "--bbb--\r\n").encode()


def sent(kind: str, **fields: str) -> tuple[bytes, str]:
    match kind:
        case "form":
            return urlencode(fields).encode(), FORM
        case "multipart":
            return multipart(**fields), MULTIPART
        case _:
            return json.dumps(fields).encode(), "application/json"


@pytest.mark.parametrize("kind", ["form", "multipart", "json"])
@pytest.mark.parametrize(("path", "name", "value"), JUDGED.values(), ids=JUDGED)
async def test_what_a_query_may_not_say_no_body_may(
    world: World, arcgis: Simulator, kind: str, path: str, name: str, value: str
) -> None:
    body, content_type = sent(kind, **{"f": "json", name: value})
    got = await world.client.get(world.url(path), "POST", io.BytesIO(body), Content_Type=content_type)
    assert got.status == 403
    assert not arcgis.journal.to(path.rpartition("/")[2])


@pytest.mark.parametrize("before", ["/**/", "// x\n", "\ufeff\ufeff"])
async def test_json_behind_a_comment_is_judged_or_refused(world: World, arcgis: Simulator, before: str) -> None:
    body = (before + json.dumps({"f": "json", "dynamicLayers": DATA_LAYER})).encode()
    path = world.url("Secure/City/MapServer/export")
    got = await world.client.get(path, "POST", io.BytesIO(body), Content_Type="application/json")
    assert (got.status, got.json["error"]["messageCode"]) == (400, "PROXY_BAD_BODY")
    assert not arcgis.journal.to("export")


@pytest.mark.parametrize("name", ["dynamicLayers", "geometry"])
async def test_a_value_full_of_escapes_holds_nobody_up(world: World, arcgis: Simulator, name: str) -> None:
    """Ten megabytes of them took more than a second to write out, for each look at them."""
    body = f"f=json&{name}=".encode() + rb"\u0041" * 1_600_000
    began = time.process_time()
    got = await world.client.get(world.url(QUERY), "POST", io.BytesIO(body), Content_Type=FORM)
    assert (got.status, got.json["error"]["messageCode"]) == (400, "PROXY_BAD_BODY")
    assert time.process_time() - began < 0.5
    assert not arcgis.journal.to("query")


@pytest.mark.parametrize("kind", ["form", "multipart"])
async def test_what_a_query_may_say_a_body_may(world: World, kind: str) -> None:
    body, content_type = sent(kind, f="json", where="1=1", token="STOLEN")
    got = await world.client.get(world.url(QUERY), "POST", io.BytesIO(body), Content_Type=content_type)
    assert got.json["features"]


@pytest.mark.parametrize("name", ["token", "TOKEN", "where"])
async def test_a_json_body_has_no_parameter_that_is_not_the_clients(build: Build, arcgis: Simulator, name: str) -> None:
    world = await build(denyParameters=["where"])
    got = await world.client.get(world.url(QUERY), "POST", json.dumps({name: "x"}).encode(), Content_Type="text/json")
    assert got.status == 400
    assert not arcgis.journal.to("query")


@pytest.mark.parametrize("content_type", [FORM, MULTIPART, "text/xml", "application/json"])
async def test_no_compressed_body_is_taken_for_one_that_was_judged(
    world: World, arcgis: Simulator, content_type: str
) -> None:
    body = gzip.compress(b"f=json&callback=x&token=STOLEN")
    got = await world.client.get(
        world.url(QUERY), "POST", body, Content_Type=content_type, Content_Encoding="gzip", Accept_Encoding=""
    )
    assert got.status == 400
    assert not arcgis.journal.to("query")


@pytest.mark.parametrize(
    "content_type", ["multipart/mixed; boundary=bbb", "multipart/form-data; boundary=aaa; boundary=bbb"]
)
async def test_what_is_no_plain_multipart_form_is_refused(world: World, arcgis: Simulator, content_type: str) -> None:
    got = await world.client.get(world.url(QUERY), "POST", multipart(token="STOLEN"), Content_Type=content_type)
    assert got.status == 400
    assert not arcgis.journal.to("query")


@pytest.mark.parametrize("kind", ["multipart", "json"])
async def test_a_body_too_long_to_be_judged_is_no_read(world: World, arcgis: Simulator, kind: str) -> None:
    body, content_type = sent(kind, where="1=1" + " " * (1 << 20), callback="evil")
    got = await world.client.get(world.url(QUERY), "POST", io.BytesIO(body), Content_Type=content_type)
    assert got.status == 413
    assert not arcgis.journal.to("query")


async def test_a_long_multipart_form_of_an_edit_loses_the_clients_token_as_it_streams(
    build: Build, arcgis: Simulator
) -> None:
    world = await build(access="edit")
    body = multipart(f="json", token="STOLEN", attachment="x" * (2 << 20))
    path = world.url("Secure/City/FeatureServer/0/1/addAttachment")
    got = await world.client.get(path, "POST", io.BytesIO(body), Content_Type=MULTIPART)
    assert got.status == 200
    arrived = arcgis.journal.to("addAttachment")[-1].body
    assert b"STOLEN" not in arrived
    assert len(arrived) > 2 << 20


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "City/MapServer",
            '<s:Envelope xmlns:s="x"><s:Body><ExportMapImage><Source xsi:type="Data&#76;ayerSource"/></ExportMapImage>',
        ),
        ("City/MapServer/WMSServer", '<GetMap><a href="http://10.0.0.1/"/></GetMap>'),
    ],
)
async def test_what_a_query_may_not_say_no_xml_may(build: Build, arcgis: Simulator, path: str, body: str) -> None:
    world = await build(document=config(arcgis.url) | {"serverUrls": [{"url": f"{arcgis.url}/services"}]})
    got = await world.client.get(f"{arcgis.url}/services/{path}", "POST", body.encode(), Content_Type="text/xml")
    assert got.status == 403
    assert not arcgis.journal.to(path.rpartition("/")[2])


BUSY = {
    "many parts": (MULTIPART, b"\r\n--bbb\r\n\r\n" * (10 << 16)),
    "many fields": (FORM, b"+&" * (4 << 20)),
    "a long name": (FORM, b"%41" * (3 << 20) + b"&callback=x"),  # or the simulator would be what takes long
    "a long value": (FORM, b"layers=" + b"%41" * (3 << 20)),
}


@pytest.mark.parametrize(("content_type", "body"), BUSY.values(), ids=BUSY)
async def test_no_body_keeps_the_others_waiting(world: World, content_type: str, body: bytes) -> None:
    await world.client.get(world.url())
    worst = 0.0
    is_done = asyncio.Event()

    async def watch() -> None:
        nonlocal worst
        while not is_done.is_set():
            # What this thread worked between two turns of the loop, however many others the machine has to serve
            began = time.thread_time()
            await asyncio.sleep(0.01)
            worst = max(worst, time.thread_time() - began)

    watching = asyncio.create_task(watch())
    await world.client.get(world.url(QUERY), "POST", io.BytesIO(body), Content_Type=content_type)
    is_done.set()
    await watching
    assert worst < 0.2


async def test_a_body_of_no_kind_is_said_to_be_bytes(build: Build, arcgis: Simulator) -> None:
    world = await build(access="edit")
    session = world.client.session
    async with session.post(
        f"{world.client.proxy}?{world.url(QUERY)}",
        data=b"callback=evil",
        headers={"Referer": PAGE},
        skip_auto_headers=["Content-Type"],
    ) as response:
        assert response.status == 200
    assert arcgis.journal.to("query")[-1].headers["content-type"] == "application/octet-stream"


# --- real encoders ----------------------------------------------------------------------------------------------


async def test_aiohttps_multipart_form_arrives(build: Build, arcgis: Simulator) -> None:
    world = await build(access="edit")
    form = aiohttp.FormData({"f": "json", "token": "STOLEN"})
    form.add_field("attachment", b"\x00\r\n\xff", filename="ä.bin", content_type="image/png")
    got = await world.client.get(world.url("Secure/City/FeatureServer/0/1/addAttachment"), "POST", form)
    assert got.json["addAttachmentResult"]["success"]
    assert b"\x00\r\n\xff" in arcgis.services.attachments[-1]
    assert b"STOLEN" not in arcgis.services.attachments[-1]


async def test_curls_multipart_form_arrives(build: Build, arcgis: Simulator, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    world = await build(access="edit")
    file = tmp_path / "a b.bin"
    file.write_bytes(b"\x00\r\n\xff")
    url = f"{world.client.proxy}?{world.url('Secure/City/FeatureServer/0/1/addAttachment')}"
    fields = ["-F", "f=json", "-F", "token=STOLEN", "-F", f"attachment=@{file};type=image/png"]
    run = await asyncio.to_thread(
        subprocess.run, [curl, "-sS", "-e", PAGE, *fields, url], check=True, capture_output=True
    )
    assert json.loads(run.stdout)["addAttachmentResult"]["success"]
    assert b"\x00\r\n\xff" in arcgis.services.attachments[-1]
    assert b"STOLEN" not in arcgis.services.attachments[-1]

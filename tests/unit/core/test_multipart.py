"""proxy.core.multipart and proxy.core.content: parts out of a form that can be read in one way alone."""

import contextlib
import shutil
import subprocess
import time
from typing import Any

import aiohttp
import pytest
import requests
import urllib3

from proxy.core.content import boundary_of, check
from proxy.core.multipart import MultipartFilter
from proxy.core.parameters import Field
from proxy.errors import BadRequest

TOKEN = frozenset(("token",))
FIELD = b'--XX\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
END = b"--XX--\r\n"
PARTS = (
    FIELD % (b"f", b"json"),
    FIELD % (b"Token", b"secret"),
    b'--XX\r\nContent-Disposition: form-data; name="a"; filename="token"\r\n\r\n\r\n--X\r\nda--XXta\r\n',
    END,
)


def filtered(body: bytes, *, size: int = 1 << 20, read: frozenset[str] = frozenset()) -> tuple[bytes, list[Field]]:
    form = MultipartFilter(b"XX", TOKEN, read)
    pieces = [form.feed(body[start : start + size]) for start in range(0, len(body), size)]
    return b"".join(pieces) + form.finish(), form.fields


@pytest.mark.parametrize("size", range(1, len(b"".join(PARTS)) + 1))
def test_the_clients_token_is_taken_out_however_it_is_cut(size: int) -> None:
    assert filtered(b"".join(PARTS), size=size) == (PARTS[0] + PARTS[2] + END, [])


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("body", [END, b"--XX--", PARTS[0] + END, PARTS[2] + b"--XX--"])
def test_without_a_token_it_passes_byte_for_byte(body: bytes, size: int) -> None:
    assert filtered(body, size=size) == (body, [])


@pytest.mark.parametrize("size", [1, 1000])
def test_the_fields_that_are_judged_are_read(size: int) -> None:
    body = PARTS[0] + FIELD % (b"callback", "ä\r\n".encode()) + FIELD % (b"where", b"1=1") + END
    _, fields = filtered(body, size=size, read=frozenset(("f", "callback")))
    assert fields == [("f", "json"), ("callback", "ä\r\n")]


HEAD = b'Content-Disposition: form-data; name="token"'
EVASIONS = {
    "no head": b"--XX\r\n\r\nx\r\n",
    "another header": b"--XX\r\nX-A: q; name=zzz\r\n" + HEAD + b"\r\n\r\nx\r\n",
    "a file's name first": b'--XX\r\nContent-Disposition: form-data; filename="; name=z"; name="token"\r\n\r\nx\r\n',
    "two names": b'--XX\r\nContent-Disposition: form-data; name="z"; name="token"\r\n\r\nx\r\n',
    "a name and another": b"--XX\r\nContent-Disposition: form-data; name=\"z\"; name*=utf-8''token\r\n\r\nx\r\n",
    "an extended name": b"--XX\r\nContent-Disposition: form-data; name*=utf-8''%74oken\r\n\r\nx\r\n",
    "an escape": b'--XX\r\nContent-Disposition: form-data; name="t\\oken"\r\n\r\nx\r\n',
    "single quotes": b"--XX\r\nContent-Disposition: form-data; name='token'\r\n\r\nx\r\n",
    "a name within a name": b'--XX\r\nContent-Disposition: form-data; name="z; name=token"\r\n\r\nx\r\n',
    "a name's end within it": b'--XX\r\nContent-Disposition: form-data; name="token; x"\r\n\r\nx\r\n',
    "a name within a file's": b'--XX\r\nContent-Disposition: form-data; name="z"; filename="; name=token"\r\n\r\nx\r\n',
    "two heads": b'--XX\r\nContent-Disposition: form-data; name="z"\r\n' + HEAD + b"\r\n\r\nx\r\n",
    "a folded head": b"--XX\r\nContent-Disposition: form-data;\r\n name=token\r\n\r\nx\r\n",
    "no form-data": b'--XX\r\nContent-Disposition: attachment; name="token"\r\n\r\nx\r\n',
    "bare line feeds": (b"--XX\r\n" + HEAD + b"\r\n\r\nx\r\n").replace(b"\r\n", b"\n"),
    "a bare line feed in the head": b"--XX\r\nContent-Type: a/b\n" + HEAD + b"\r\n\r\nx\r\n",
    "a bare carriage return in the head": b"--XX\r\nContent-Type: a/b\r" + HEAD + b"\r\n\r\nx\r\n",
    "a delimiter behind a line feed": FIELD % (b"z", b"x\n--XX\r\n" + HEAD + b"\r\n\r\nx"),
    "a delimiter behind a carriage return": FIELD % (b"z", b"x\r--XX\r\n" + HEAD + b"\r\n\r\nx"),
    "a delimiter at once": FIELD % (b"z", b"--XX\r\n" + HEAD + b"\r\n\r\nx"),
    "blanks behind the delimiter": b"--XX  \r\n" + HEAD + b"\r\n\r\nx\r\n",
    "a longer delimiter": FIELD % (b"z", b"x") + b"--XXY\r\n" + HEAD + b"\r\n\r\nx\r\n",
    "another charset": b"--XX\r\nContent-Type: text/plain; charset=utf-16\r\n" + HEAD + b"\r\n\r\nx\r\n",
    "an encoding": b"--XX\r\nContent-Transfer-Encoding: base64\r\n" + HEAD + b"\r\n\r\nx\r\n",
    "a form in the form": b"--XX\r\nContent-Type: multipart/mixed; boundary=a\r\n" + HEAD + b"\r\n\r\nx\r\n",
    "a preamble": b"x\r\n" + FIELD % (b"z", b"x"),
}


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("body", EVASIONS.values(), ids=EVASIONS)
def test_what_could_be_read_in_two_ways_is_refused(body: bytes, size: int) -> None:
    with pytest.raises(BadRequest):
        filtered(body + END, size=size)


@pytest.mark.parametrize(
    "name", [b"TOKEN", b"token ", b"%74oken", "ｔoken".encode(), b"token[]", b"[token]", b"token\t"]
)
def test_a_name_is_read_as_servers_read_it(name: bytes) -> None:
    assert filtered(FIELD % (name, b"x") + END) == (END, [])


@pytest.mark.parametrize("body", [b"", b"--XX", b"preamble only", PARTS[0], PARTS[0] + b"--XX", END + b"x", END + END])
def test_a_form_that_does_not_end_or_does_not_stop_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        filtered(body)


def test_a_part_whose_head_does_not_end_is_refused() -> None:
    with pytest.raises(BadRequest):
        MultipartFilter(b"XX", TOKEN).feed(b"--XX\r\nContent-Type: " + b"x" * 20_000)


def test_more_parts_than_anybody_sends_are_refused() -> None:
    assert filtered(PARTS[0] * 1000 + END)[0]
    with pytest.raises(BadRequest, match="1000 parts"):
        filtered(PARTS[0] * 1001 + END)


@pytest.mark.parametrize(
    "body", [b"\r\n--XX\r\n\r\n" * 10**6, FIELD % (b"a", b"--XX" * 10**6), FIELD % (b"a", b"\r\n-" * 10**6)]
)
@pytest.mark.parametrize("size", [1 << 16, 1 << 24])
def test_the_work_grows_with_the_length_alone(body: bytes, size: int) -> None:
    began = time.process_time()
    with contextlib.suppress(BadRequest):
        filtered(body + END, size=size)
    assert time.process_time() - began < 2


# --- as real clients write it -----------------------------------------------------------------------------------

DIALECTS = {
    "Firefox": 'Content-Disposition: form-data; name="file"; filename="a;b%22.png"\r\nContent-Type: image/png',
    "an empty file": 'Content-Disposition: form-data; name="a"; filename=""\r\nContent-Type: application/octet-stream',
    ".NET": "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=f",
    ".NET file": "Content-Disposition: form-data; name=file; filename=a.png; filename*=utf-8''a%20b.png",
    "Apache HttpClient": 'Content-Disposition: form-data; name="f"\r\nContent-Type: text/plain; charset=ISO-8859-1'
    "\r\nContent-Transfer-Encoding: 8bit",
    "OkHttp": 'Content-Disposition: form-data; name="f"\r\nContent-Type: text/x; charset=utf-8\r\nContent-Length: 4',
    "undici": 'Content-Disposition: form-data; name="f"',
    "Qt": 'Content-Disposition: form-data; name="f"; filename="ä ö.shp"\r\nContent-Type: application/x-zip',
    "lower case": 'content-disposition: form-data; name="f"\r\ncontent-type: text/plain',
}


@pytest.mark.parametrize("head", DIALECTS.values(), ids=DIALECTS)
def test_real_clients_parts_pass(head: str) -> None:
    body = f"--XX\r\n{head}\r\n\r\njson\r\n".encode() + END
    assert filtered(body)[0] == body


FIELDS = {"f": "json", "token": "STOLEN", "where": "NAME = 'Zürich'"}


def of_requests() -> tuple[str, bytes]:
    sent = requests.Request(
        "POST", "http://h/", data=FIELDS, files={"file": ("ä.png", b"\x89\r\n--", "image/png")}
    ).prepare()
    assert isinstance(sent.body, bytes)
    return sent.headers["Content-Type"], sent.body


def of_urllib3() -> tuple[str, bytes]:
    body, content_type = urllib3.encode_multipart_formdata({**FIELDS, "file": ("a.png", b"\x89\r\n--")})
    return content_type, body


def of_node() -> tuple[str, bytes]:
    """What every browser's FormData is by the same standard."""
    program = """
    const form = new FormData();
    for (const [name, value] of Object.entries(%s)) form.append(name, value);
    form.append("file", new Blob(["\\u0089\\r\\n--"], {type: "image/png"}), 'ä"b.png');
    const sent = new Request("http://h/", {method: "POST", body: form});
    process.stdout.write(sent.headers.get("content-type") + "\\n");
    sent.arrayBuffer().then((body) => process.stdout.write(Buffer.from(body)));
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    out = subprocess.run([node, "-e", program % FIELDS], check=True, capture_output=True).stdout
    content_type, _, body = out.partition(b"\n")
    return content_type.decode(), body


@pytest.mark.parametrize("encoder", [of_requests, of_urllib3, of_node])
def test_real_encoders_are_understood(encoder: Any) -> None:
    content_type, body = encoder()
    check({"content-type": content_type})
    form = MultipartFilter(boundary_of(content_type), TOKEN, frozenset(("f", "where")))
    out = form.feed(body) + form.finish()
    assert b"STOLEN" in body
    assert b"STOLEN" not in out
    assert b"\r\n--\r\n" in out
    assert form.fields == [("f", "json"), ("where", "NAME = 'Zürich'")]


class _Sink:
    def __init__(self) -> None:
        self.body = b""

    async def write(self, piece: bytes) -> None:
        self.body += piece


async def test_aiohttps_encoder_is_understood() -> None:
    data = aiohttp.FormData(FIELDS)
    data.add_field("file", b"\x89\r\n--", filename="ä.png", content_type="image/png")
    writer, sink = data(), _Sink()
    await writer.write(sink)  # type: ignore[arg-type]
    form = MultipartFilter(boundary_of(writer.headers["Content-Type"]), TOKEN)
    out = form.feed(sink.body) + form.finish()
    assert b"STOLEN" not in out
    assert b"json" in out


# --- the Content-Type -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            b"----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ),
        ("Multipart/Form-Data;Boundary=ab", b"ab"),
        ('multipart/form-data; boundary="----=_Part_1_12.34"', b"----=_Part_1_12.34"),
        ('multipart/form-data; boundary="boundary_.oOo._MjM3NTk/+=="', b"boundary_.oOo._MjM3NTk/+=="),
    ],
)
def test_a_boundary_is_plain_or_plainly_quoted(content_type: str, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=aaa; boundary=bbb",
        'multipart/form-data; x="; boundary=aaa"; boundary=bbb',
        "multipart/form-data; boundary*=utf-8''bbb; boundary=aaa",
        'multipart/form-data; boundary="b\\bb"',
        "multipart/form-data; boundary='bbb'",
        "multipart/form-data; boundary=" + "b" * 71,
        "multipart/form-data, boundary=bbb",
        "multipart/form-data boundary=bbb",
        "multipart/mixed; boundary=bbb",
        "multipart/related; boundary=bbb",
        "application/x-www-form-urlencoded, text/plain",
        "application/x-www-form-urlencodedx",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded; charset='utf-16'",
        'application/x-www-form-urlencoded; x="; charset=utf-8"; charset=utf-7',
        "text/xml; charset=ISO-2022-JP",
        "application/soap+xml;charset = utf-7",
        "application/json; charset=utf-16",
        "nonsense",
    ],
)
def test_a_content_type_that_could_be_read_in_two_ways_is_refused(content_type: str) -> None:
    with pytest.raises(BadRequest):
        check({"content-type": content_type})


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=ISO-8859-1",
        'text/xml; charset="utf-8"',
        'application/soap+xml; charset=utf-8; action="http://www.esri.com/GetServerInfo"',
        "application/geo+json",
        "application/vnd.api+json; ext=bulk",
    ],
)
def test_what_clients_send_passes(content_type: str) -> None:
    check({"content-type": content_type, "content-encoding": "identity"})


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "text/xml", "application/json"],
)
def test_what_is_judged_is_not_compressed(content_type: str) -> None:
    with pytest.raises(BadRequest, match="compressed"):
        check({"content-type": content_type, "content-encoding": "gzip"})
    check({"content-type": "text/csv", "content-encoding": "gzip"})

"""proxy.core.classify: which answers reject our token, however they are cut and coded."""

import gzip
import json
import zlib

import pytest

from proxy.core.classify import Finding, Inspector, Verdict, inspect

PASS, REQUIRED, INVALID, DENIED, LOGIN = (
    Verdict.PASS,
    Verdict.TOKEN_REQUIRED,
    Verdict.TOKEN_INVALID,
    Verdict.DENIED,
    Verdict.LOGIN,
)
E499 = b'{"error":{"code":499,"message":"Token Required","details":[]}}'
E498 = b'{"error":{"code":498,"message":"Invalid Token","details":[]}}'
PRETTY = b'{\n "error" : {\n  "code" : 498,\n  "message" : "Invalid Token",\n  "details" : []\n }\n}'
GWM = b'{"error":{"code":403,"messageCode":"GWM_0003","message":"You do not have permissions","details":[]}}'
ADMIN = b'{"status":"error","messages":["Unauthorized access."],"code":499}'
LOGIN_PAGE = b'<html><head><title>Login</title></head><form action="x"><input type="password" name="password"></form>'
TILE_PAGE = b"<html><body><h2>Error: Invalid Token</h2>Code: 498</body></html>"
FAULT = (
    b'<?xml version="1.0"?><soap:Envelope><soap:Body><soap:Fault><faultstring>Invalid token</faultstring></soap:Fault>'
)


def verdict(
    body: bytes, kind: str = "application/json", *, status: int = 200, wanted: str = "json", size: int = 0, **more: str
) -> Verdict:
    """The verdict on a body fed in pieces of `size` bytes (0: whole)."""
    headers = {
        "content-type": kind,
        "content-length": str(len(body)),
        **{k.replace("_", "-"): v for k, v in more.items()},
    }
    found = inspect(status, headers, wanted=wanted, path="/arcgis/rest/services/A/MapServer")
    if found is None:
        return PASS
    if isinstance(found, Finding):
        return found.verdict
    for start in range(0, len(body), size or len(body) or 1):
        finding = found.feed(body[start : start + (size or len(body))])
        if finding is not None:
            return finding.verdict
    return found.finish().verdict


@pytest.mark.parametrize("size", [0, 1, 2, 7, 61])
@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (E499, "application/json", REQUIRED),
        (E498, "text/plain;charset=utf-8", INVALID),
        (PRETTY, "application/json", INVALID),
        (b"\xef\xbb\xbf  " + E498, "application/json", INVALID),
        (b"cb(" + E498 + b");", "application/javascript", INVALID),
        (b"window._EsriLeafletCallbacks.c0(" + E499 + b")", "text/plain", REQUIRED),
        (b"/**/dojo.io.script.jsonp_1._jsonpCallback(" + E499 + b");", "text/javascript", REQUIRED),
        (b'{"error":{"code":"498"}}', "application/json", INVALID),
        (GWM, "application/json", DENIED),
        (b'{"error":{"code":401,"message":"no"}}', "application/json", DENIED),
        (ADMIN, "application/json", REQUIRED),
        (E499, "image/png", REQUIRED),
        (E498, "application/x-protobuf", INVALID),
        (E498, "", INVALID),
        (LOGIN_PAGE, "text/html", LOGIN),
        (TILE_PAGE, "text/html", INVALID),
        (FAULT, "text/xml", INVALID),
        # no false alarms
        (b'{"features":[{"attributes":{"code":498,"error":"499"}}]}', "application/json", PASS),
        (b'{"addResults":[{"success":false,"error":{"code":498}}]}', "application/json", PASS),
        (b'{"jobStatus":"esriJobFailed","messages":["499 Token Required"]}', "application/json", PASS),
        (b'{"error":{"code":400,"message":"Invalid URL"}}', "application/json", PASS),
        (b'{"error":{"code":500,"message":"code 498"}}', "application/json", PASS),
        (b'{"status":"success","code":498}', "application/json", PASS),
        (b'{"errors":[{"error":{"code":498}}]}', "application/json", PASS),
        (b'[{"error":{"code":498}}]', "application/json", PASS),
        (b'{"a":' + E498 + b"}", "application/json", PASS),
        (b"\x89PNG" + E498, "image/png", PASS),
        (b'"error"', "application/json", PASS),
        (b"", "application/json", PASS),
        (b"{", "application/json", PASS),
        (b"plain words", "text/plain", PASS),
        (b"<html><body><h2>Folder: Invalid Tokens</h2></body></html>" + b" " * 5000, "text/html", PASS),
        (b"<WMS_Capabilities>Token Required</WMS_Capabilities>", "text/xml", PASS),
    ],
)
def test_an_answer_is_classed_however_it_is_cut(body: bytes, kind: str, expected: Verdict, size: int) -> None:
    wanted = "html" if b"Folder" in body else "json"
    assert verdict(body, kind, size=size, wanted=wanted) is expected


@pytest.mark.parametrize("size", [0, 1, 5])
def test_a_gzipped_or_deflated_error_is_seen(size: int) -> None:
    assert verdict(gzip.compress(E498), size=size, content_encoding="gzip") is INVALID
    assert verdict(zlib.compress(E499), size=size, content_encoding="deflate") is REQUIRED
    assert verdict(b"not gzip", size=size, content_encoding="gzip") is PASS
    assert verdict(b"\x00\x01", size=size, content_encoding="br") is PASS


def test_status_alone_decides_where_it_can() -> None:
    assert verdict(b"", status=498) is INVALID
    assert verdict(b"", status=499) is REQUIRED
    assert verdict(b"", status=401) is LOGIN
    assert verdict(b"", status=302, location="/arcgis/rest/login?redirect=x") is LOGIN
    assert verdict(b"", status=302, location="/arcgis/rest/services") is PASS
    assert verdict(GWM, status=403) is DENIED
    assert verdict(b"<html>Forbidden</html>", "text/html", status=403) is PASS


def test_large_binary_answers_are_not_looked_at() -> None:
    headers = {"content-type": "image/png", "content-length": "30000"}
    assert inspect(200, headers, wanted="image", path="/") is None
    assert inspect(200, {"content-type": "image/png"}, wanted="image", path="/") is None


def test_data_passes_on_its_first_bytes() -> None:
    inspector = Inspector({}, "application/json", is_page_wanted=False)
    assert inspector.feed(b'{"fea') == Finding(PASS)


def test_an_error_that_does_not_end_is_let_go_after_64_kib() -> None:
    inspector = Inspector({}, "application/json", is_page_wanted=False)
    assert inspector.feed(b'{"error":{"message":"') is None
    assert inspector.feed(b"x" * 70_000) == Finding(PASS)


def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b'{"error":{"message":"' + b"x" * 50_000_000)
    assert verdict(bomb, content_encoding="gzip") is PASS


def test_the_upstreams_sentence_is_kept_but_cleaned() -> None:
    body = json.dumps({"error": {"code": 403, "message": "Use <b>SSL</b>\u0007 here " + "x" * 400}}).encode()
    found = inspect(200, {"content-type": "application/json"}, wanted="json", path="/")
    assert isinstance(found, Inspector)
    finding = found.feed(body)
    assert finding is not None
    assert finding.message.startswith("Use bTLS/b here x")
    assert len(finding.message) <= 300

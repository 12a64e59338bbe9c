"""proxy.core.classify: which answers reject our token, however they are cut and coded."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.core.classify import MOST_HELD, Finding, Inspector, Verdict, inspect

FOLDER = Path(__file__).parents[2] / "cases/responses"
REJECTED = yaml.safe_load(FOLDER.joinpath("rejected.yaml").read_text(encoding="utf-8"))
PASSED = yaml.safe_load(FOLDER.joinpath("passed.yaml").read_text(encoding="utf-8"))
E498 = b'{"error":{"code":498,"message":"Invalid Token","details":[]}}'
SERVICE = "/arcgis/rest/services/A/MapServer"


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": raw_deflate,
}


def look(case: dict[str, Any], *, size: int = 0, coding: str = "") -> tuple[Finding, int]:
    """The finding on an answer fed in pieces of `size` bytes (0: whole), and how many bytes it took."""
    body = CODINGS[coding](case["body"].encode())
    headers = {"content-type": case.get("type", "application/json")}
    if case.get("length", True):
        headers["content-length"] = str(len(body))
    if coding:
        headers["content-encoding"] = coding
    headers |= case.get("headers", {})
    wanted, path = case.get("wanted", "json"), case.get("path", SERVICE)
    found = inspect(case.get("status", 200), headers, wanted=wanted, path=path)
    if not isinstance(found, Inspector):
        return found or Finding(Verdict.PASS), 0
    step = size or len(body) or 1
    for start in range(0, len(body), step):
        finding = found.feed(body[start : start + step])
        if finding is not None:
            return finding, start + step
    return found.finish(), len(body)


def json_finding(body: bytes) -> Finding | None:
    found = inspect(200, {"content-type": "application/json"}, wanted="json", path=SERVICE)
    assert isinstance(found, Inspector)
    return found.feed(body)


@pytest.mark.parametrize("case", REJECTED, ids=lambda case: case["name"])
def test_a_rejected_token_is_seen(case: dict[str, Any]) -> None:
    finding, _ = look(case)
    assert finding.verdict is Verdict(case["verdict"])
    assert finding.message == case.get("message", finding.message)


@pytest.mark.parametrize("case", PASSED, ids=lambda case: case["name"])
def test_there_is_no_false_alarm(case: dict[str, Any]) -> None:
    assert look(case)[0].verdict is Verdict.PASS


@pytest.mark.parametrize("case", REJECTED + PASSED, ids=lambda case: case["name"])
def test_neither_the_cut_nor_the_coding_decides(case: dict[str, Any]) -> None:
    expected, _ = look(case)
    for coding in ("",) if case.get("plain") else CODINGS:
        for size in (0, 1, 2, 7, 61):
            assert look(case, size=size, coding=coding)[0] == expected, (coding, size)


@pytest.mark.parametrize(
    ("body", "enough"),
    [
        (b'{"features":[', 3),
        (b'{"errors":[', 8),
        (b"[1,2", 1),
        (b"\x89PNG", 1),
        (b'{"status":"success",', 12),
        (b'{"error":"text"', 10),
        (b'cb({"features"', 6),
        (b"<WMS_Capabilities version", 18),
        (b"words, and more", 6),
    ],
)
def test_data_passes_on_its_first_bytes(body: bytes, enough: int) -> None:
    assert json_finding(body[:enough]) == Finding(Verdict.PASS)
    assert json_finding(body[: enough - 1]) is None or enough == 1


def test_pictures_of_normal_size_are_not_looked_at() -> None:
    for kind in ("image/png", "application/x-protobuf", "application/octet-stream"):
        assert inspect(200, {"content-type": kind, "content-length": "4097"}, wanted="image", path=SERVICE) is None
        small = inspect(200, {"content-type": kind, "content-length": "4096"}, wanted="image", path=SERVICE)
        assert isinstance(small, Inspector)
    assert inspect(200, {"content-type": "application/json", "content-length": "0"}, wanted="", path="/") is None


@pytest.mark.parametrize("piece", [b" ", b"x", b"\xef", b'{"error":{"message":"' + b"x" * 1000, b"<!--", b"cb(", b"("])
@pytest.mark.parametrize("kind", ["application/json", "text/html", "text/xml", "image/png"])
def test_no_answer_is_held_beyond_64_kib(piece: bytes, kind: str) -> None:
    found = inspect(200, {"content-type": kind}, wanted="json", path=SERVICE)
    assert isinstance(found, Inspector)
    fed = 0
    while found.feed(piece) is None:
        fed += len(piece)
        assert fed <= MOST_HELD
    assert found.finish().verdict is Verdict.PASS


def test_an_error_counts_up_to_64_kib_and_no_further() -> None:
    def padded(length: int) -> bytes:
        head, tail = b'{"error":{"message":"', b'","code":498}}'
        return head + b"x" * (length - len(head) - len(tail)) + tail

    assert json_finding(padded(MOST_HELD)) == Finding(Verdict.TOKEN_INVALID, "…")
    assert json_finding(padded(MOST_HELD + 1)) == Finding(Verdict.PASS)


def test_a_bomb_is_not_inflated() -> None:
    bomb = gzip.compress(b'{"error":{"message":"' + b"x" * 50_000_000)
    tracemalloc.start()
    finding, _ = look({"body": "", "headers": {"content-encoding": "gzip"}, "length": False})
    found = inspect(200, {"content-encoding": "gzip"}, wanted="json", path=SERVICE)
    assert isinstance(found, Inspector)
    tracemalloc.reset_peak()
    assert found.feed(bomb) == finding == Finding(Verdict.PASS)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_a_compressed_body_that_becomes_nothing_is_let_go() -> None:
    packer = zlib.compressobj()
    nothing = packer.compress(b"")
    while len(nothing) <= MOST_HELD:
        nothing += packer.flush(zlib.Z_FULL_FLUSH) or packer.compress(b" ")
    for last in (b"", packer.compress(E498) + packer.flush()):
        found = inspect(200, {"content-encoding": "deflate"}, wanted="json", path=SERVICE)
        assert isinstance(found, Inspector)
        assert found.feed(nothing + last) == Finding(Verdict.PASS)


@pytest.mark.parametrize("size", [0, 1, 9])
def test_what_was_readable_before_a_body_breaks_counts(size: int) -> None:
    packed = gzip.compress(E498)
    spoiled = packed[:-8] + b"\x00" * 8
    found = inspect(200, {"content-encoding": "gzip"}, wanted="json", path=SERVICE)
    assert isinstance(found, Inspector)
    findings = [found.feed(spoiled[at : at + (size or 999)]) for at in range(0, len(spoiled), size or 999)]
    assert Finding(Verdict.TOKEN_INVALID, "Invalid Token") in findings
    broken = inspect(200, {"content-encoding": "gzip"}, wanted="json", path=SERVICE)
    assert isinstance(broken, Inspector)
    assert broken.feed(b"not gzip") == Finding(Verdict.PASS)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Use <b>SSL</b>\u0007 here", "Use b TLS /b here"),
        ("sSl, SSL, sslsl", "TLS, TLS, TLTLS"),
        ("Token zX9" + "a-_" * 20 + ".. is bad", "Token ….. is bad"),
        ("User does not have permissions to access 'a/b.mapserver'.",) * 2,
        ("a\ud800\u202eb\n c", "a b c"),
        ("word " * 200, ("word " * 60).strip()),
        (17, ""),
        (None, ""),
    ],
)
def test_the_upstreams_sentence_is_kept_but_cleaned(message: object, expected: str) -> None:
    finding = json_finding(json.dumps({"error": {"code": 403, "message": message}}).encode())
    assert finding == Finding(Verdict.DENIED, expected)

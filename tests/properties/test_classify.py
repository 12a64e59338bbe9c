"""proxy.core.classify for any bytes: the cut never decides, data never alarms, everything gets an answer."""

import gzip
import itertools
import json
import zlib
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core.classify import MOST_HELD, Finding, Inspector, Verdict, inspect

KINDS = ("application/json", "text/plain", "text/html", "text/xml", "image/png", "application/javascript", "")
CODINGS: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gzip": gzip.compress, "deflate": zlib.compress}
WORDS = (
    *("{", "}", "[", "]", '"', ":", ",", "(", ")", ";", "\ufeff", " ", "\n", "/**/", "cb(", "typeof cb==='function'&&"),
    *('"error"', '"status"', '"code"', "498", '"499"', "403", "401", '"message"', "Invalid Token", "Token Required"),
    *("<html>", "<h2>Error: ", "<!--", "-->", "<input type='password'>", "rest/login?redirect=", "<!DOCTYPE html>"),
    *("<soap:Envelope>", "<faultstring>", "</faultstring>", "<?xml version='1.0'?>", "\u00e9", "x" * 5000, "<"),
)
# Bodies that come near to being an error, and any bytes at all.
near = st.lists(st.sampled_from(WORDS), max_size=20).map(lambda words: "".join(words).encode())
bodies = near | st.binary(max_size=400) | st.text(max_size=200).map(str.encode)
codes = st.sampled_from([498, 499, 403, 401, "498", "499"])
values: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | codes,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["error", "code", "status", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def inspector(kind: str, coding: str = "", *, wanted: str = "json", status: int = 200) -> Inspector:
    found = inspect(status, {"content-type": kind, "content-encoding": coding}, wanted=wanted, path="/a/MapServer")
    assert isinstance(found, Inspector)
    return found


def read(found: Inspector, body: bytes, cuts: list[int]) -> Finding:
    places = sorted({0, *(cut % (len(body) + 1) for cut in cuts), len(body)})
    for start, end in itertools.pairwise(places):
        finding = found.feed(body[start:end])
        if finding is not None:
            return finding
    return found.finish()


@given(
    body=bodies,
    kind=st.sampled_from(KINDS),
    coding=st.sampled_from(sorted(CODINGS)),
    wanted=st.sampled_from(["json", "image", "html", ""]),
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
    spoiled=st.none() | st.integers(0, 10_000),
)
@example(body=b'{"error":{"message":"\xc3', kind="", coding="", wanted="", cuts=[1], spoiled=None)
def test_the_cut_never_decides(
    body: bytes, kind: str, coding: str, wanted: str, cuts: list[int], spoiled: int | None
) -> None:
    wire = bytearray(CODINGS[coding](body))
    if spoiled is not None and wire:
        wire[spoiled % len(wire)] ^= 0x55
    sent = bytes(wire)
    whole = read(inspector(kind, coding, wanted=wanted), sent, [])
    assert read(inspector(kind, coding, wanted=wanted), sent, cuts) == whole
    assert read(inspector(kind, coding, wanted=wanted), sent, list(range(len(sent) if len(sent) < 300 else 0))) == whole


@given(
    prefix=st.sampled_from([b" ", b"\n\t", b""]),
    length=st.integers(MOST_HELD - 80, MOST_HELD + 80),
    cut=st.integers(1, 99_999),
)
def test_the_cut_never_decides_at_the_bound(prefix: bytes, length: int, cut: int) -> None:
    head, tail = prefix + b'{"error":{"message":"', b'","code":498}}'
    body = head + b"x" * (length - len(head) - len(tail)) + tail
    expected = Verdict.TOKEN_INVALID if length <= MOST_HELD else Verdict.PASS
    assert read(inspector("application/json"), body, []).verdict is expected
    assert read(inspector("application/json"), body, [cut, cut // 2]).verdict is expected


@given(document=values, pretty=st.booleans(), kind=st.sampled_from(["application/json", "text/plain", "image/png", ""]))
def test_json_is_judged_by_its_first_key_alone(document: Any, pretty: bool, kind: str) -> None:
    verdict = read(inspector(kind), json.dumps(document, indent=1 if pretty else None).encode(), []).verdict
    assert verdict is expected_verdict(document)


def expected_verdict(document: Any) -> Verdict:
    """The definition, written down a second time and straight."""
    if not isinstance(document, dict) or not document:
        return Verdict.PASS
    first = next(iter(document))
    code: Any = None
    if first == "error" and isinstance(document["error"], dict):
        code = document["error"].get("code")
    elif first == "status" and document["status"] in ("error", "failed", "failure"):
        code = document.get("code")
    named = {"498": Verdict.TOKEN_INVALID, "499": Verdict.TOKEN_REQUIRED, "401": Verdict.DENIED, "403": Verdict.DENIED}
    return named.get(str(code), Verdict.PASS) if isinstance(code, str | int) else Verdict.PASS


@given(body=bodies, cuts=st.lists(st.integers(0, 10_000), max_size=4))
def test_without_an_error_object_or_markup_no_body_alarms(body: bytes, cuts: list[int]) -> None:
    harmless = body.replace(b"error", b"terror").replace(b"status", b"states").replace(b"<", b"")
    for kind in KINDS:
        assert read(inspector(kind), harmless, cuts).verdict is Verdict.PASS


@given(
    status=st.integers(100, 599),
    headers=st.dictionaries(
        st.sampled_from(["content-type", "content-length", "content-encoding", "location"]), st.text(max_size=30)
    ),
    body=bodies,
    wanted=st.text(max_size=5),
    path=st.text(max_size=30),
)
def test_any_answer_gets_a_finding(status: int, headers: dict[str, str], body: bytes, wanted: str, path: str) -> None:
    found = inspect(status, headers, wanted=wanted, path=path)
    finding = read(found, body, [3]) if isinstance(found, Inspector) else found
    if status in (401, 498, 499):
        assert finding is not None
        assert finding.verdict is not Verdict.PASS


@given(
    message=st.text(max_size=600)
    | st.lists(st.sampled_from(["s", "S", "ssl", "l", "L", " ", "\u017f", "\0"])).map("".join)
)
def test_a_sentence_is_printable_short_and_never_says_ssl(message: str) -> None:
    body = json.dumps({"error": {"code": 403, "message": message}}).encode()
    finding = read(inspector("application/json"), body, [])
    assert finding.verdict is Verdict.DENIED
    assert len(finding.message) <= 300
    assert finding.message.isprintable()
    assert "ssl" not in finding.message.lower()

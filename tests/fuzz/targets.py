"""What is fuzzed: any bytes give an answer or a refusal, and what came out keeps what was promised of it.

Each function takes the fuzzer's bytes and fails by AssertionError, or by whatever it should have caught.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import yaml

from proxy.core import hygiene
from proxy.core.classify import Finding, inspect
from proxy.core.redact import Redactor, whole_without
from proxy.core.target import parse_request_target, parse_url
from proxy.errors import BadRequest, ProxyError, UpstreamFailed
from proxy.model import Limits
from proxy.upstream import wire
from proxy.upstream.framing import framing_of, has_no_body
from proxy.web.framing import Framing, Phase

CASES = Path(__file__).parents[1] / "cases"
LIMITS = Limits(header_count=16, headers=2048, request_line=1024)


class Bytes:
    """Takes decisions from the fuzzer's bytes; zeros where they end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, below: int) -> int:
        raw = self.take(2)
        return int.from_bytes(raw, "big") % below

    def take(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        self._at += count
        return found

    def rest(self) -> bytes:
        return self.take(len(self._data))

    def cut(self, text: bytes) -> list[bytes]:
        """The text in up to four pieces."""
        edges = sorted(self.number(len(text) + 1) for _ in range(3))
        return [text[a:b] for a, b in pairwise([0, *edges, len(text)])]


def target(data: bytes) -> None:
    """The target parser: what it takes it takes again, and no dot segment is left in any reading."""
    raw = data.decode("latin-1")
    try:
        found = parse_request_target(raw)
    except BadRequest:
        return
    text = f"{found.origin}{found.path_and_query}"
    assert parse_url(text) == found
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text
    assert "#" not in text
    assert found.path.startswith("/")
    for reading in (found.path, unquote(found.path), unquote(unquote(found.path))):
        assert not {".", ".."} & set(reading.replace("\\", "/").split("/"))
    assert not set("@:%[]/\\ ") & set(found.origin.host)
    assert 0 < found.origin.port < 65536


def headers(data: bytes) -> None:
    """Both header filters, and the framing around them: nothing crosses that is not listed, or begins a line."""
    choice = Bytes(data)
    is_answer, seed = choice.number(2), choice.rest()
    if is_answer:
        _answer(seed)
    else:
        _request(seed)


def _request(data: bytes) -> None:
    whole, cut = _framed([data]), _framed(Bytes(data[::-1]).cut(data))
    assert whole == cut
    for name, value in (whole or {}).items():
        assert name == name.lower()
        assert not set("\r\n\0") & set(value)
    if whole is None:
        return
    up = hygiene.to_upstream(whole, referer="https://r.example/")
    assert all(hygiene.goes_up(name) or name in ("accept-encoding", "referer") for name in up)
    assert not {"cookie", "authorization", "x-forwarded-for", "host", "origin", "expect", "te"} & up.keys()
    assert up["referer"] == "https://r.example/"
    head = wire.request_head("GET", "/a", "gis.example.com", up)
    assert head.count(b"\r\n") == len(up) + 3
    assert head.endswith(b"\r\n\r\n")


def _framed(pieces: list[bytes]) -> dict[str, str] | None:
    """The headers of the first request in a stream; None where it is refused, or not whole."""
    framing = Framing(LIMITS)
    try:
        for piece in pieces:
            framing.feed(piece)
            if framing.phase is not Phase.HEAD:
                return dict(framing.head.headers)
    except ProxyError:
        pass
    return None


def _answer(data: bytes) -> None:
    reader = wire.HeadReader()
    try:
        found = reader.feed(data)
    except UpstreamFailed:
        return
    if found is None:
        return
    head, _, at = found
    assert 200 <= head.status <= 599
    down = hygiene.to_client(head.headers, private=True)
    assert not {"set-cookie", "location", "server", "connection", "transfer-encoding"} & down.keys()
    assert "private" in down["cache-control"]
    assert not any(set("\r\n\0") & set(value) for value in down.values())
    if not has_no_body("GET", head.status):
        framing = framing_of(head)
        try:
            body = framing.feed(data[at:])
        except UpstreamFailed:
            return
        assert len(body) <= len(data) - at


def redactor(data: bytes) -> None:
    """What is taken out is the same however a text is cut, keeps its length, and only `x` is left where a secret stood.

    With a neighbour they may still spell one that is nearly all `x` itself: of "a" and "axxxxx" comes "axxxxxx"."""
    choice = Bytes(data)
    secret = choice.take(6 + choice.number(40)).decode("utf-8", "ignore")
    text = choice.rest()
    at = Bytes(text).number(len(text) + 1)
    has_one = len(secret) >= 6 and set(secret) != {"x"}
    body = text[:at] + secret.encode() + text[at:] if has_one else text
    redacting = Redactor((secret,))
    out = b"".join(map(redacting.feed, Bytes(text[::-1]).cut(body))) + redacting.finish()
    whole, count = whole_without(body, (secret,))
    assert len(out) == len(body)
    assert (out, redacting.count) == (whole, count)
    assert all(new in (old, ord("x")) for old, new in zip(body, out, strict=True))
    if has_one:
        assert count
        size = len(secret.encode())
        assert all(out[at : at + size] == b"x" * size for at in _places(secret.encode(), body))


def _places(needle: bytes, text: bytes) -> Iterator[int]:
    """Where it stands, overlapping or not."""
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + 1)


TYPES = (
    "",
    "application/json",
    "text/html",
    "text/xml",
    "image/png",
    "text/plain;charset=utf-8",
    "application/gml+xml",
)
CODINGS = ("", "gzip", "deflate", "identity", "br")
WANTED = ("", "json", "html", "image", "pbf")


def classifier(data: bytes) -> None:
    """Any answer gets a finding, the same one however it is cut, in words that can be shown."""
    choice = Bytes(data)
    status = 200 + choice.number(320)
    given = {"content-type": TYPES[choice.number(len(TYPES))], "content-encoding": CODINGS[choice.number(len(CODINGS))]}
    wanted = WANTED[choice.number(len(WANTED))]
    body = choice.rest()
    at_once = _finding(status, given, wanted, [body])
    assert _finding(status, given, wanted, Bytes(body[::-1]).cut(body)) == at_once
    if at_once is not None:
        assert len(at_once.message) <= 300
        assert at_once.message == "" or at_once.message.isprintable()
        assert "ssl" not in at_once.message.lower()


def _finding(status: int, given: dict[str, str], wanted: str, pieces: list[bytes]) -> Finding | None:
    inspector = inspect(status, given, wanted=wanted, path="/arcgis/rest/services", secrets=("canary-secret",))
    if inspector is None or isinstance(inspector, Finding):
        return inspector
    for piece in pieces:
        found = inspector.feed(piece)
        if found is not None:
            return found
    return inspector.finish()


TARGETS: dict[str, Callable[[bytes], None]] = {
    "target": target,
    "headers": headers,
    "redactor": redactor,
    "classifier": classifier,
}


def seeds(name: str) -> Iterator[bytes]:
    """Where a fuzzer begins: the cases that we have."""
    if name == "target":
        cases = _cases("targets.yaml")
        yield from (case["raw"].encode("latin-1", "replace") for group in cases.values() for case in group)
    elif name == "headers":
        for group in _cases("raw_requests.yaml").values():
            for case in group:
                raw = case["raw"]
                for word in ("{get}", "{first}", "{post}", "{chunked}"):
                    raw = raw.replace(word, "GET /proxy?https://h/a HTTP/1.1\r\nHost: h\r\n")
                yield b"\0\0" + raw.replace("{target}", "/a").encode("latin-1")
        yield b"\0\1HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\ngood\r\n0\r\n\r\n"
        yield b"\0\1HTTP/1.1 204 No\r\nSet-Cookie: a=b\r\nConnection: close, x\r\nContent-Length: 0\r\nVary: *\r\n\r\n"
    elif name == "redactor":
        for secret in ("Aa0-._~+/=%&", "plain-secret-1", "pässwörd😀"):
            yield b"\0\x10" + secret.encode().ljust(22, b"z") + b'{"href":"https://h/?token=%2f&amp;\\u002b&#43;"}'
    else:
        for file in ("responses/rejected.yaml", "responses/passed.yaml"):
            for case in _list(file):
                yield b"\0\0\0\1\0\0\0\1" + str(case.get("body", "")).encode()[:4000]


def _list(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return found


def _cases(name: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return found

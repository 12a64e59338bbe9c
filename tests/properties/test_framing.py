# ruff: noqa: E501 - data
"""Whatever bytes come: a request, a refusal or patience. How they are cut changes nothing, and another parser reads
what was let through in the same way."""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from proxy.errors import ProxyError
from proxy.model import Limits
from proxy.web.framing import Framing, Phase
from proxy.web.head import Head

LIMITS = Limits(request_line=200, headers=400, header_count=8)
WORDS = [
    b"GET", b"POST", b"HEAD", b"get", b"CONNECT", b" ", b"  ", b"\t", b"\r\n", b"\n", b"\r", b"\0", b":", b": ", b",", b";",
    b"/", b"/proxy?http://h/a", b"*", b"http://h/a", b"h:443", b"#", b"%00", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"http/1.1",
    b"Host", b"h", b"h:80", b"Content-Length", b"content-length", b"0", b"5", b"+5", b"05", b"5, 5", b"Transfer-Encoding",
    b"chunked", b"Chunked", b"gzip, chunked", b"identity", b"Expect", b"100-continue", b"Connection", b"close", b"keep-alive",
    b"Upgrade", b"websocket", b"h2c", b"hello", b"5\r\nhello\r\n", b"5;a=b\r\nhello\r\n", b"0\r\n", b"0\r\n\r\n", b"\xff", b"\xc3\xa9", b"\x0b", b"X: y",
]  # fmt: skip
HEADERS = st.sampled_from(
    [
        b"Host: h", b"Host: h", b"Content-Length: 5", b"Content-Length: 0", b"content-length:5", b"Content-Length: 05", b"Content-Length: +5",
        b"Content-Length : 5", b"Transfer-Encoding: chunked", b"transfer-encoding:\tChunked ", b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, identity", b"Connection: close", b"Connection: keep-alive, TE", b"Connection: Host", b"Expect: 100-continue",
        b"Expect: 200", b"Upgrade: h2c", b"Upgrade: websocket", b"Cookie: \xc3\xa9", b"Referer: \xc3\xa9", b"X: a\x01b", b" X: folded", b"X : y", b"X_Y: z", b": z",
        b"X: y\rZ: a", b"X: y\nZ: a", b"A: 1", b"A: 2", b"Range: bytes=0-1",
    ]
)  # fmt: skip
GOOD = st.sampled_from(
    [b"Connection: close", b"Connection: keep-alive, TE", b"Upgrade: h2c", b"Cookie: \xc3\xa9", b"A: 1", b"A:\t2 ", b"Accept:", b"Range: bytes=0-1", b"X_Y: z"]
)  # fmt: skip
LINES = [b"GET /a HTTP/1.1", b"HEAD /a?b HTTP/1.1", b"GET /proxy?http://h/a?b=c HTTP/1.0", b"OPTIONS / HTTP/1.1"]
WITH_BODY = [b"POST /a HTTP/1.1", b"PUT /a HTTP/1.1", b"POST /a?b HTTP/1.1"]
BODIES = [
    (b"Content-Length: 5", b"hello"),
    (b"content-length:005", b"GET /"),
    (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    (b"transfer-encoding:\tChunked ", b"05;x=y\r\nhello\r\n2\r\n\r\n\r\n000\r\nT: u\r\n\r\n"),
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that is in order."""
    framing, body = draw(st.sampled_from([(b"", b""), *BODIES]))
    line = draw(st.sampled_from(WITH_BODY if framing else LINES))
    headers = draw(st.permutations([b"Host: h:80", *([framing] if framing else []), *draw(st.lists(GOOD, max_size=3))]))
    return b"\r\n".join([line, *headers, b"", b""]) + body


@st.composite
def nearly_good(draw: st.DrawFn) -> bytes:
    """A request, or something close to one."""
    whole = draw(requests())
    match draw(st.integers(0, 4)):
        case 0 | 1:
            return whole
        case 2:
            at = draw(st.integers(0, len(whole)))
            return whole[:at] + draw(st.sampled_from(WORDS)) + whole[at + draw(st.integers(0, 3)) :]
        case _:
            head, mark, body = whole.partition(b"\r\n")
            return head + mark + draw(HEADERS) + draw(st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\n "])) + body


GARBAGE = st.lists(st.sampled_from(WORDS) | st.binary(max_size=8), max_size=40).map(b"".join)
STREAMS = st.lists(nearly_good(), min_size=1, max_size=3).map(b"".join) | GARBAGE


@dataclass
class Read:
    """What was made of a stream: requests with their bodies, whether the last one is whole, and how it ended."""

    requests: list[tuple[Head, bytes]]
    is_whole: bool
    refusal: ProxyError | None


def read(pieces: list[bytes]) -> Read:
    framing, found, refusal = Framing(LIMITS), Read([], True, None), None
    body = b""

    def took(part: bytes, *, was_head: bool) -> None:
        nonlocal body
        while True:
            if was_head:
                if framing.phase is Phase.HEAD:
                    return
                body = b""
            body += part
            if framing.phase is not Phase.NEXT:
                return
            found.requests.append((framing.head, body))
            part, was_head = framing.next(), True

    try:
        for piece in pieces:
            before = framing.phase
            took(framing.feed(piece), was_head=before is Phase.HEAD)
    except ProxyError as error:
        refusal = error
    found.is_whole, found.refusal = framing.phase is Phase.HEAD and not framing.waiting, refusal
    return found


@settings(max_examples=300)
@given(STREAMS, st.data())
def test_cutting_changes_nothing(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole, cut = read([stream]), read([piece for piece in pieces if piece])
    assert cut.requests == whole.requests
    assert (cut.refusal is None) == (whole.refusal is None)
    if whole.refusal is not None and cut.refusal is not None:
        event(f"refused {whole.refusal.status}")
        assert 400 <= cut.refusal.status < 500


class _Oracle:
    """aiohttp's parser (llhttp), asked what a whole request says."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def read(self, raw: bytes) -> tuple[Any, bytes, bytes]:
        """Message, body, and what is left."""
        parser = HttpRequestParser(BaseProtocol(self._loop), self._loop, 2**16)
        messages, _, tail = parser.feed_data(raw)
        ((message, payload),) = messages
        body = b"".join(getattr(payload, "_buffer", ()))
        assert payload.is_eof()
        return message, body, tail


ORACLE = _Oracle()


@settings(max_examples=500)
@given(nearly_good())
def test_another_parser_reads_the_same(raw: bytes) -> None:
    found = read([raw])
    if found.refusal is not None or not found.is_whole or len(found.requests) != 1:
        return
    event("judged")
    ((head, body),) = found.requests
    message, its_body, tail = ORACLE.read(raw)
    assert (message.method, message.path, message.version) == (head.method, head.target, (1, head.minor))
    assert its_body == body
    assert tail == b""
    assert message.should_close is not head.keeps_open
    for name, value in head.headers.items():
        theirs = [each.decode("latin-1").strip(" \t") for n, each in message.raw_headers if n.lower() == name.encode()]
        assert ", ".join(theirs) == value or set(theirs) == {value}


@settings(max_examples=500)
@given(nearly_good())
@example(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nhello")
def test_what_passes_is_plainly_so(raw: bytes) -> None:
    """Read anew by the letter of RFC 9112, without our parser."""
    for head, body in read([raw]).requests[:1]:
        written = raw.removeprefix(b"\r\n")
        lines = written.partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert lines[0] == f"{head.method} {head.target} HTTP/1.{head.minor}".encode()
        names = [line.partition(b":")[0].lower() for line in lines[1:]]
        assert all(name and not set(name) & set(b' \t\r\n\0()<>@,;\\"/[]?={}') for name in names)
        assert not any((byte < 0x20 and byte != 0x09) or byte == 0x7F for line in lines for byte in line)
        assert names.count(b"host") <= 1
        assert head.minor == 0 or names.count(b"host") == 1
        framed = names.count(b"content-length"), names.count(b"transfer-encoding")
        assert framed in ((0, 0), (1, 0), (0, 1))
        assert body == b"" or framed != (0, 0)
        lengths = [
            line.partition(b":")[2].strip(b" \t") for line in lines if line.lower().startswith(b"content-length:")
        ]
        assert all(map(bytes.isdigit, lengths))

"""What was judged is what is sent, checked against what a recorder upstream saw; and what is refused it never saw."""

import asyncio
import socket
import threading
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import normpath
from urllib.parse import parse_qsl, quote, unquote

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.assemble import Service
from proxy.core.target import parse_request_target
from proxy.errors import BadRequest
from tests.running import configured

TOKEN = "canary-token-of-ours-0123456789"
RULE = "/arcgis/rest/services/City"
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{"a": 1}'
REFUSED = {400, 403, 404, 405, 413, 414, 431}
FORM = "Content-Type: application/x-www-form-urlencoded"


@dataclass
class Recorder:
    """A server that writes down what it hears, and a proxy in front of it, on a loop of their own."""

    port: int = 0
    proxy: int = 0
    connections: int = 0
    heard: list[tuple[bytes, bytes]] = field(default_factory=list)  # head and body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (line[15:] for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), b"0"
                )
                self.heard.append((head, await reader.readexactly(int(length))))
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    @property
    def site(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, target: str, method: str = "GET", body: bytes = b"", *headers: str) -> int:
        """The status of the answer."""
        self.heard.clear()
        lines = [f"{method} /proxy?{target} HTTP/1.1", "Host: p", "Referer: https://maps.example.com/", *headers]
        lines += ["Connection: close", *([f"Content-Length: {len(body)}"] if body else []), "", ""]
        answer = b""
        with socket.create_connection(("127.0.0.1", self.proxy), timeout=5) as line:
            line.sendall("\r\n".join(lines).encode("latin-1") + body)
            while piece := line.recv(65536):
                answer += piece
        return int(answer[9:12])

    def sent(self) -> tuple[str, str, str]:
        """Path, query and body of the one request that was heard."""
        ((head, body),) = self.heard
        line = head.split(b"\r\n")[0].decode("ascii")
        assert f"host: 127.0.0.1:{self.port}" in head.decode("latin-1").lower().split("\r\n")
        path, _, query = line.split(" ")[1].partition("?")
        return path, query, body.decode("latin-1")


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    found, loop = Recorder(), asyncio.new_event_loop()
    file = tmp_path_factory.mktemp("sent") / "proxy.yaml"

    async def start() -> tuple[asyncio.Server, Service]:
        server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
        found.port = server.sockets[0].getsockname()[1]
        service = Service(configured(_written(file, found.site)))
        await service.start()
        found.proxy = service.public.port
        return server, service

    server, service = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield found
    asyncio.run_coroutine_threadsafe(service.stop(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(asyncio.sleep(0.1))
    loop.close()


def _written(file: Path, site: str) -> Path:
    rule = {"url": f"{site}{RULE}", "accessToken": TOKEN, "inject": "query"}
    document = {
        "server": {"listen": "127.0.0.1:0", "limits": {"drain": "1s"}},
        "admin": {"listen": None},
        "allowedReferers": ["https://maps.example.com"],
        "serverUrls": [rule],
    }
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


SEGMENTS = st.one_of(
    st.sampled_from(
        "City MapServer export 0 query .. . ... %2e%2e %2E. .%2e %252e%252e ..%2f %2f %5c .. %20 ..%20 %2e%2e%20 ..; ;a"
        " %c0%ae %c0%ae%c0%ae %EF%BC%8E%EF%BC%8E %E2%80%A5 %E2%80%A4%E2%80%A4 %ef%bc%8f %00 %0a %7f %41dmin admin %61"
        " tokens generateToken %23 %3f # \\ a\\..\\b [x] {x} %zz % %4 ~ a:b @ a@b * City%2f.. CITY c%49ty".split()
    ),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=6),
    st.binary(max_size=4).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)),
    st.text(max_size=3).map(lambda text: quote(text, safe="")),
    st.just(""),
)
PATHS = st.lists(SEGMENTS, max_size=6).map("/".join)
QUERIES = st.one_of(
    st.just(""),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30).map("?{}".format),
    st.sampled_from(["?f=json", "?f=json?x=1", "?a=http://other/?b", "?", "??", "&f=json", "=&f=json", "?where=1=1#x"]),
)
RULES = st.sampled_from([RULE, f"{RULE}/MapServer", RULE.lower(), "/arcgis/rest/services", "/arcgis", f"{RULE}x"])


@settings(max_examples=400, deadline=None)
@given(base=RULES, path=PATHS, query=QUERIES, is_encoded=st.booleans())
@example(RULE, "MapServer", "?f=json", False)
@example(RULE, "MapServer/%41", "?f=json", False)
@example(RULE, "MapServer", "?f=json", True)
def test_what_was_judged_is_what_is_sent(
    recorder: Recorder, base: str, path: str, query: str, is_encoded: bool
) -> None:
    raw = f"{recorder.site}{base}/{path}{query}"
    raw = quote(raw, safe="") if is_encoded else raw
    before = recorder.connections
    status = recorder.ask(raw)
    if status != 200:
        assert status in REFUSED
        assert (recorder.heard, recorder.connections) == ([], before)
        return
    judged = parse_request_target(raw)
    path, query, _ = recorder.sent()
    assert path == judged.path
    kept = "&".join(pair for pair in query.split("&") if pair != f"token={TOKEN}")
    ours = "&".join(pair for pair in (judged.query or "").split("&") if "token" not in unquote(pair).lower())
    assert kept == ours or "token" in unquote(judged.query or "").lower()


@settings(max_examples=400, deadline=None)
@given(path=st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join))
@example("..")
@example("MapServer/../../../admin")
@example("../Secret/MapServer")
@example("%2e%2e/Secret")
@example("%EF%BC%8E%EF%BC%8E/Secret")
def test_no_target_leaves_its_rule(recorder: Recorder, path: str) -> None:
    """However a server reads it: decoded once more, full-width letters folded, dots resolved, in either letter case."""
    before = recorder.connections
    if recorder.ask(f"{recorder.site}{RULE}/{path}?f=json") != 200:
        assert (recorder.heard, recorder.connections) == ([], before)
        return
    sent, _, _ = recorder.sent()
    readings: list[Callable[[str], str]] = [str, unquote, lambda text: unquote(unquote(text))]
    for read in readings:
        text = unicodedata.normalize("NFKC", read(sent)).replace("\\", "/")
        for each in (text, text.partition(";")[0], text.replace(" ", "")):
            assert f"{normpath(each)}/".lower().startswith(f"{RULE}/".lower())


@settings(max_examples=300, deadline=None)
@given(raw=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60))
@example("https://canary@127.0.0.1/")
@example("http://127.0.0.1:0/")
def test_a_refusal_means_that_nobody_was_asked(recorder: Recorder, raw: str) -> None:
    """Any text for a target: an answer or a refusal, and no connection for what is in no rule."""
    before = recorder.connections
    status = recorder.ask(raw)
    assert status in REFUSED or raw.lower() == "ping"
    assert (recorder.heard, recorder.connections) == ([], before)
    try:
        parse_request_target(raw)
    except BadRequest:
        assert status in (400, 414)


def _spelled(text: str, codes: list[int]) -> str:
    """The letters, some of them in capitals or encoded."""
    forms = (str, str.upper, lambda c: f"%{ord(c):02x}", lambda c: f"%{ord(c.upper()):02X}")
    return "".join(forms[code % 4](letter) for letter, code in zip(text, codes, strict=False))


NAMES = st.one_of(
    st.lists(st.integers(0, 3), min_size=5, max_size=5).map(lambda codes: _spelled("token", codes)),
    st.sampled_from(
        ["token[]", "[token]", "%20token", "token+", "+token", "tok%65n%00x", "f", "where", "tokens", "tkn"]
    ),
)
PAIRS = st.lists(st.tuples(NAMES, st.text("ab1%2b", max_size=5)), max_size=5)


def _readings(text: str) -> Iterator[list[tuple[str, str]]]:
    """The parameters called `token`, as lenient servers read them."""
    for plain in (text, text.replace("+", " "), unquote(text)):
        pairs = parse_qsl(plain, keep_blank_values=True, errors="replace")
        yield [(n, v) for n, v in pairs if n.strip().strip("[]").partition("\0")[0].strip().lower() == "token"]


@settings(max_examples=300, deadline=None)
@given(query=PAIRS, form=st.one_of(st.none(), PAIRS))
@example([("token", "theirs")], [("TOKEN", "theirs")])
@example([("%74oken", "theirs")], None)
def test_one_token_goes_up_and_it_is_ours(
    recorder: Recorder, query: list[tuple[str, str]], form: list[tuple[str, str]] | None
) -> None:
    target = f"{recorder.site}{RULE}/MapServer?f=json" + "".join(f"&{name}={value}" for name, value in query)
    if form is None:
        status = recorder.ask(target)
    else:
        body = "&".join(["f=json", *(f"{name}={value}" for name, value in form)]).encode()
        status = recorder.ask(target, "POST", body, FORM)
    if status != 200:
        assert (status in REFUSED, recorder.heard) == (True, [])
        return
    _, sent_query, sent_form = recorder.sent()
    for in_query, in_form in zip(_readings(sent_query), _readings(sent_form), strict=True):
        assert [value for _, value in in_query + in_form] == [TOKEN]

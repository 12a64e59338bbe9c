"""proxy.upstream.connection for any bytes in any cutting: an answer or a refusal, and never two answers."""

import asyncio
import itertools
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.errors import ProxyError, UpstreamFailed
from proxy.traffic import Reply
from proxy.upstream.connection import Connection, Stale
from proxy.upstream.framing import Chunked

WORDS = (
    *(b"HTTP/1.1 ", b"HTTP/1.0 ", b"200", b"204", b"304", b"100", b"101", b"999", b" OK", b"\r\n", b"\r\n\r\n", b"\n"),
    *(b"Content-Length: ", b"0", b"4", b"70000", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
    *(
        b"4\r\ngood\r\n",
        b"0\r\n\r\n",
        b"ffff\r\n",
        b"good",
        b"x" * 70_000,
        b"\0",
        b"\r",
        b"X: y\r\n",
        b"\xff",
        b":",
        b" ",
    ),
    *(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    *(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n", b"Keep-Alive: timeout=5\r\n"),
)
garbage = st.lists(st.sampled_from(WORDS), max_size=12).map(b"".join) | st.binary(max_size=200)
cuts = st.lists(st.integers(0, 300), max_size=8)
methods = st.sampled_from(["GET", "HEAD", "POST"])


class Wire(asyncio.Transport):
    """The socket's side: keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def abort(self) -> None:
        self.is_aborted = True

    def pause_reading(self) -> None:
        """What is fed is given by the test, at once."""

    def resume_reading(self) -> None:
        """As above."""


@dataclass
class Pool:
    events: list[str] = field(default_factory=list)

    def freed(self, connection: Connection, idle: float) -> None:
        self.events.append("freed")

    def lost(self, connection: Connection) -> None:
        self.events.append("lost")

    def watch(self, deadline: float) -> None:
        pass

    def held(self, connection: Connection) -> None:
        pass


Outcome = tuple[int, dict[str, str], bytes, bool] | type[Exception]


async def outcome(method: str, pieces: list[bytes]) -> tuple[Outcome, list[str]]:
    """What the asker got: status, headers, body and whether it was whole, or the refusal."""
    loop = asyncio.get_running_loop()
    wire, pool = Wire(), Pool()
    connection = Connection(loop, pool, 1.0)
    connection.connection_made(wire)
    waiter = connection.ask(b"request", method, 1.0)
    for piece in pieces:
        connection.data_received(piece)
    if not wire.is_aborted:
        connection.eof_received()
    connection.connection_lost(None)
    assert pool.events.count("lost") == 1
    assert pool.events.count("freed") <= 1
    try:
        reply = await waiter
    except (ProxyError, Stale) as error:
        return type(error), pool.events
    return await _read(reply), pool.events


async def _read(reply: Reply) -> Outcome:
    if isinstance(reply.body, bytes):
        return reply.status, reply.headers, reply.body, True
    body, is_whole = b"", False
    try:
        async for piece in reply.body:
            body += piece
        is_whole = True
    except UpstreamFailed:
        pass
    return reply.status, reply.headers, body, is_whole


def cut(raw: bytes, at: list[int]) -> list[bytes]:
    ends = sorted({min(each, len(raw)) for each in at} | {0, len(raw)})
    return [raw[start:end] for start, end in itertools.pairwise(ends)]


@settings(max_examples=400)
@example("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", [3, 40])
@example(
    "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", [60]
)
@given(methods, garbage, cuts)
def test_any_bytes_give_an_answer_or_a_refusal(method: str, raw: bytes, at: list[int]) -> None:
    got, _ = asyncio.run(outcome(method, cut(raw, at)))
    if isinstance(got, tuple):
        status, headers, body, _ = got
        assert 200 <= status <= 599
        assert not {"\r", "\n", "\0"} & set("".join([*headers, *headers.values()]))
        assert method != "HEAD" or body == b""
        length = headers.get("content-length")
        assert length is None or len(body) <= int(length)
    else:
        assert got is UpstreamFailed


@settings(max_examples=200)
@given(methods, garbage, cuts)
def test_the_cutting_changes_no_answer(method: str, raw: bytes, at: list[int]) -> None:
    """But that what follows an answer may come when the connection already rests, and what is refused in a body may be
    refused before a byte of it is passed on."""
    whole, _ = asyncio.run(outcome(method, [raw]))
    pieces, _ = asyncio.run(outcome(method, cut(raw, at)))
    if isinstance(whole, tuple):
        assert isinstance(pieces, tuple)
        assert pieces[:2] == whole[:2]
        assert pieces[3] == whole[3]
        assert not whole[3] or pieces[2] == whole[2]
    elif isinstance(pieces, tuple):
        assert not pieces[3]


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=10), cuts)
def test_what_is_chunked_comes_out_again(chunks: list[bytes], at: list[int]) -> None:
    raw = b"".join(b"%X\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    framing = Chunked()
    assert b"".join(framing.feed(piece) for piece in cut(raw, at)) == b"".join(chunks)
    assert (framing.is_done, framing.has_excess) == (True, False)


def test_a_connection_that_had_served_and_ends_in_silence_is_stale() -> None:
    async def run() -> None:
        wire, pool = Wire(), Pool()
        connection = Connection(asyncio.get_running_loop(), pool, 1.0)
        connection.connection_made(wire)
        first = connection.ask(b"a", "GET", 1.0)
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert (await first).status == 200
        second = connection.ask(b"b", "GET", 1.0)
        connection.connection_lost(ConnectionResetError())
        assert isinstance(second.exception(), Stale)
        assert (wire.sent, pool.events) == (b"ab", ["freed", "lost"])

    asyncio.run(run())


def test_bytes_that_nobody_asked_for_end_it() -> None:
    async def run() -> None:
        wire, pool = Wire(), Pool()
        connection = Connection(asyncio.get_running_loop(), pool, 1.0)
        connection.connection_made(wire)
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
        assert (wire.is_aborted, pool.events) == (True, ["lost"])

    asyncio.run(run())

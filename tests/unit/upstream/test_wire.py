"""proxy.upstream.wire: heads from values to bytes and back; whatever can be read in two ways is no answer."""

import pytest

from proxy.errors import BadRequest, UpstreamFailed
from proxy.upstream.wire import MAX_HEAD, HeadReader, idle_limit, own_line, parse_head, request_head


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join([status, *lines]).encode("latin-1")


def test_a_request_head_is_its_lines() -> None:
    raw = request_head("GET", "/a?b=c", "gis.example", {"accept": "*/*", "referer": "https://x/"})
    assert raw == b"GET /a?b=c HTTP/1.1\r\nHost: gis.example\r\naccept: */*\r\nreferer: https://x/\r\n\r\n"


def test_framing_is_ours_alone() -> None:
    given = {"content-length": "9", "transfer-encoding": "chunked", "connection": "close", "host": "x", "expect": "100"}
    raw = request_head("POST", "/", "gis.example", given | {"a": "b", "te": "x"}, own_line("content-length", "4"))
    assert raw == b"POST / HTTP/1.1\r\nHost: gis.example\r\na: b\r\ncontent-length: 4\r\n\r\n"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "a\0b"])
def test_no_value_begins_a_line_of_its_own(value: str) -> None:
    with pytest.raises(BadRequest):
        request_head("GET", "/", "gis.example", {"accept": value})
    with pytest.raises(BadRequest):
        request_head("GET", f"/{value}", "gis.example", {})


def test_a_blank_in_the_target_is_refused() -> None:
    with pytest.raises(BadRequest):
        request_head("GET", "/a HTTP/1.1", "gis.example", {})


def test_latin_1_goes_up_as_it_came_and_the_rest_as_utf_8() -> None:
    assert b"a: \xe4\r\n" in request_head("GET", "/", "h", {"a": "ä"})
    assert "a: €\r\n".encode() in request_head("GET", "/", "h", {"a": "€"})


def test_an_answer_is_status_headers_and_framing() -> None:
    parsed = parse_head(head("Content-Type: text/plain", "Content-Length: 12", "Vary: a", "vary: b"))
    assert parsed == (200, {"content-type": "text/plain", "content-length": "12", "vary": "a, b"}, 12, False, True)


@pytest.mark.parametrize(
    ("lines", "status", "persists"),
    [
        ((), "HTTP/1.1 200 OK", True),
        (("Connection: close",), "HTTP/1.1 200 OK", False),
        (("Connection: x, CLOSE",), "HTTP/1.1 200 OK", False),
        (("Connection: keep-alive, close",), "HTTP/1.1 200 OK", False),
        ((), "HTTP/1.0 200 OK", False),
        (("Connection: Keep-Alive",), "HTTP/1.0 200 OK", True),
    ],
)
def test_whether_the_connection_may_be_used_again(lines: tuple[str, ...], status: str, persists: bool) -> None:
    assert parse_head(head(*lines, status=status)).persists is persists


@pytest.mark.parametrize(
    ("lines", "length", "is_chunked"),
    [
        ((), None, False),
        (("Content-Length: 0",), 0, False),
        (("Content-Length:  007 ",), 7, False),
        (("Transfer-Encoding: chunked",), None, True),
        (("Transfer-Encoding: Chunked ",), None, True),
    ],
)
def test_where_the_body_ends(lines: tuple[str, ...], length: int | None, is_chunked: bool) -> None:
    parsed = parse_head(head(*lines))
    assert (parsed.length, parsed.is_chunked) == (length, is_chunked)


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 1", "Content-Length: 2"),
        ("Content-Length: 1", "Content-Length: 1"),
        ("Content-Length: 1", "content-length: 1"),
        ("Content-Length: 1, 1",),
        ("Content-Length: ",),
        ("Content-Length: 1 1",),
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: ²",),
        ("Content-Length: " + "9" * 19,),
        ("Content-Length: 1", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: ",),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding: chunked;a=b",),
        ("Transfer-Encoding: \x0bchunked",),
        ("Content-Type: a", "Content-Type: b"),
        (" a: b",),
        ("a : b",),
        (": b",),
        ("",),
        ("ab",),
        ("a: \x7f",),
        ("a: b\nc: d",),
        tuple(f"x-{n}: y" for n in range(129)),
    ],
)
def test_an_ambiguous_head_is_no_answer(lines: tuple[str, ...]) -> None:
    for _ in range(2):  # what was remembered must not count
        with pytest.raises(UpstreamFailed):
            parse_head(head(*lines))


@pytest.mark.parametrize(
    "status",
    [
        *("HTTP/1.1 099 x", "HTTP/1.1 600 x", "HTTP/1.1 20 x", "HTTP/1.1 2000 x", "HTTP/1.1 101 Switching"),
        *("HTTP/1.1  200 x", "HTTP/1.1\t200 x", "HTTP/1.1 200x", "HTTP/2 200 x", "HTTP/1.2 200 x", "HTTP/11 200 x"),
        *("http/1.1 200 x", " HTTP/1.1 200 x", "HTTP/1.1 200 \x00", "HTTP/1.1 200 a\nb: c", "HTTP/1.1 +20 x", ""),
    ],
)
def test_a_status_line_that_is_none(status: str) -> None:
    with pytest.raises(UpstreamFailed):
        parse_head(head(status=status))


def test_a_reason_may_be_anything_printable_or_missing() -> None:
    for reason in ("", " ", " O\tK", " \xe4", " a b"):
        assert parse_head(head(status=f"HTTP/1.1 404{reason}")).status == 404


@pytest.mark.parametrize(
    ("keep_alive", "seconds"),
    [
        (None, 15),
        ("", 15),
        ("timeout=5", 4),
        ('max=100, Timeout="5"', 4),
        ("timeout=1", 0.5),
        ("timeout=0", 0),
        ("timeout=1000", 15),
        ("xtimeout=1", 15),
    ],
)
def test_a_connection_rests_for_less_than_the_server_says(keep_alive: str | None, seconds: float) -> None:
    assert idle_limit(keep_alive) == seconds


GOOD = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_head_is_found_however_it_is_cut(size: int) -> None:
    reader, raw = HeadReader(), b"HTTP/1.1 103 Hints\r\nC: d\r\n\r\n" + GOOD
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert [reader.feed(piece) for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    found = reader.feed(pieces[-1] + b"rest")
    assert found is not None
    parsed, data, at = found
    assert (parsed.headers, data[at:]) == ({"a": "b"}, b"rest")


def test_the_next_head_on_a_connection_begins_anew() -> None:
    reader = HeadReader()
    for _ in range(5):
        found = reader.feed(b"HTTP/1.1 100 Go on\r\n\r\n" * 6 + GOOD)
        assert found is not None
    with pytest.raises(UpstreamFailed):
        reader.feed(b"HTTP/1.1 100 Go on\r\n\r\n" * 9 + GOOD)


@pytest.mark.parametrize(
    "raw", [b"X", b"HTTQ", b"\r\n", b"HTTP/1.1 200 OK\nA: b", b"HTTP/2.0 200", b"HTTP/1.1x" * 8000]
)
def test_what_can_be_no_head_is_told_at_once(raw: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        HeadReader().feed(raw)


def test_a_head_has_a_longest_length() -> None:
    def of(length: int) -> bytes:
        frame = len(GOOD) - 5
        return GOOD.replace(b"b", b"b" * (length - frame))

    assert len(of(MAX_HEAD).partition(b"\r\n\r\n")[0]) == MAX_HEAD
    assert HeadReader().feed(of(MAX_HEAD)) is not None
    for size in (len(of(MAX_HEAD + 1)), 1000):
        raw, reader = of(MAX_HEAD + 1), HeadReader()
        with pytest.raises(UpstreamFailed):
            [reader.feed(raw[at : at + size]) for at in range(0, len(raw), size)]

"""proxy.web.head: what tests/cases/raw_requests.yaml cannot show."""

import pytest

from proxy.errors import BadRequest, HeadersTooLarge, MethodNotAllowed, TargetTooLong
from proxy.model import Limits
from proxy.web.head import Head, read_head

LINES = b"Host: h\r\nAccept: a\r\nX_User: mallory\r\nX-User:\talice \r\nACCEPT: b"


def head(lines: bytes = LINES, line: bytes = b"GET /a?b HTTP/1.1", limits: Limits | None = None) -> Head:
    return read_head(line + b"\r\n" + lines, limits or Limits())


def test_headers_have_lower_case_names_and_one_value_each() -> None:
    assert head().headers == {"host": "h", "accept": "a, b", "x-user": "alice"}


def test_every_line_is_there_for_those_who_ask_whether_one_came_twice() -> None:
    names = [name for name, _ in head().headers.raw]
    assert names == [b"Host", b"Accept", b"X-User", b"ACCEPT"]  # one in disguise is not heard at all
    assert [name for name, _ in head(b"Host: h\r\nX-User: a").headers.raw] == [b"Host", b"X-User"]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "PURGE", "get", "LINK"])
def test_other_methods_are_not_spoken(method: str) -> None:
    with pytest.raises(MethodNotAllowed):
        head(line=f"{method} /a HTTP/1.1".encode())


def test_the_same_lines_are_understood_once() -> None:
    assert head().headers is head(line=b"HEAD /other HTTP/1.1").headers
    long = LINES + b"\r\nX: " + b"y" * 8000
    assert head(long).headers is not head(long).headers


@pytest.mark.parametrize(
    ("options", "minor", "keeps_open"),
    [
        ("", 1, True),
        ("", 0, False),
        ("close", 1, False),
        ("Close", 1, False),
        ("TE, close", 1, False),
        ("keep-alive", 0, True),
        ("Keep-Alive", 0, True),
        ("keep-alive", 1, True),
    ],
)
def test_who_keeps_a_connection_open(options: str, minor: int, keeps_open: bool) -> None:
    lines = b"Host: h" + (b"\r\nConnection: " + options.encode() if options else b"")
    assert head(lines, b"GET / HTTP/1.%d" % minor).keeps_open is keeps_open


@pytest.mark.parametrize(
    "name", ["host", "content-length", "content-type", "transfer-encoding", "x-forwarded-for", "referer", "origin"]
)
def test_connection_names_nothing_that_is_judged_here(name: str) -> None:
    with pytest.raises(BadRequest):
        head(b"Host: h\r\nConnection: close, " + name.encode())


def test_limits_are_met_exactly() -> None:
    line, lines = b"GET /%b HTTP/1.1" % (b"a" * 50), b"Host: h\r\nX: " + b"y" * 50
    exact = Limits(request_line=len(line), headers=len(lines) + 2, header_count=2)
    assert head(lines, line, exact).target == "/" + "a" * 50
    with pytest.raises(TargetTooLong):
        head(lines, line.replace(b"/", b"/a", 1), exact)
    with pytest.raises(HeadersTooLarge):
        head(lines + b"y", line, exact)
    with pytest.raises(HeadersTooLarge):
        head(b"Host: h\r\nA: b\r\nC: d", line, exact)

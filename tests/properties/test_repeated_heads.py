"""proxy.upstream.wire: a head that is looked up says what it says when it is read, whatever was read before."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.core.hygiene import to_client
from proxy.errors import UpstreamFailed
from proxy.upstream.wire import Head, HeadReader, known_head, parse_head

DATES = ("Sat, 21 Nov 2026 14:21:27 GMT", "Sat, 21 Nov 2026 14:21:28 GMT", "yesterday", "Sat, 21 Nov 2026 14:21:2 GMT")
LINES = (
    *(f"{name}: {date}" for name in ("Date", "date", "X-Date") for date in DATES),
    *(
        f"{name}: {size}"
        for name in ("Content-Length", "content-length")
        for size in ("0", "7", "007", "+7", "7,7", "")
    ),
    *(
        "Content-Length:7",
        "Content-Length:  7",
        "Content-Length: 7 ",
        "Content-Length:\t7",
        "Content-Length : 7",
        "Date:Sat, 21 Nov 2026 14:21:27 GMT",
        "Transfer-Encoding: chunked",
    ),
    *("Connection: close", "Connection: keep-alive", "Connection: Date", "Connection: Content-Length, ETag"),
    *('ETag: "a"', "Content-Type: application/json", "Vary: a", "vary: b", "Set-Cookie: a=b", "Cache-Control: public"),
    *("Server: x", "Bad", "Bad : x", " folded", "Last-Modified: Sat, 21 Nov 2026 14:20:00 GMT"),
)
STATUSES = ("HTTP/1.1 200 OK", "HTTP/1.0 200 OK", "HTTP/1.1 304 Not Modified", "HTTP/1.1 100 Continue", "HTTP/2 200")
heads = st.builds(
    lambda status, lines: "\r\n".join([status, *lines]).encode(),
    st.sampled_from(STATUSES),
    st.lists(st.sampled_from(LINES), max_size=6),
)


def _read(head: bytes, *, anew: bool) -> Head | None:
    try:
        return parse_head(head) if anew else known_head(head)
    except UpstreamFailed:
        return None


# Other lines, in the same order, for each form in which a server may write a length
FORMS = [
    f"HTTP/1.1 200 OK\r\nDate: {DATES[0]}\r\n{form}".encode()
    for form in LINES
    if form.lower().startswith("content-length")
]


@settings(max_examples=500)
@given(st.lists(heads, min_size=1, max_size=6))
@example(FORMS)
@example([form.replace(b"\r\nDate", b"\r\nX: y\r\nDate") for form in reversed(FORMS)])
def test_looked_up_or_read_it_is_the_same(some: list[bytes]) -> None:
    for head in (*some, *some):
        found, read = _read(head, anew=False), _read(head, anew=True)
        assert found == read, head
        if found is not None and read is not None:
            for private in (False, True):
                assert to_client(found.headers, private=private) == to_client(read.headers, private=private)


@given(st.lists(st.tuples(heads, st.binary(max_size=9)), min_size=1, max_size=6))
def test_one_connection_tells_its_answers_apart(some: list[tuple[bytes, bytes]]) -> None:
    reader = HeadReader()
    for head, rest in (*some, *some):
        read = _read(head, anew=True)
        if read is None or read.status < 200:
            continue
        data = head + b"\r\n\r\n" + rest
        assert reader.feed(data) == (read, data, len(head) + 4)

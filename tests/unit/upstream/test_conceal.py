"""proxy.upstream.conceal: the quick look says "nothing there" of nothing that holds a secret."""

import gzip
import zlib
from collections.abc import AsyncIterator

import pytest

from proxy.core.inflate import in_the_clear
from proxy.traffic import Exchange, Reply
from proxy.upstream.conceal import conceal, is_clean
from proxy.upstream.wire import HeadReader

SECRETS = ("canary-token-0123456789abcdef..",)
KEY = "20260101"
JSON, PICTURE, TEXT = "application/json", "image/png", "text/plain"
GZIPPED = "Content-Encoding: gzip"


def answer(body: bytes, *lines: str, status: str = "200 OK") -> Reply:
    """As a connection hands it on."""
    head = (f"HTTP/1.1 {status}", "Date: Sat, 21 Nov 2026 14:21:27 GMT", f"Content-Length: {len(body)}", *lines)
    found = HeadReader().feed("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    assert found is not None
    return Reply(found[0].status, found[0].headers, body)


def read(reply: Reply) -> tuple[Reply, bytes | None]:
    return reply, in_the_clear(reply.headers, reply.body)


def test_most_answers_have_no_secret() -> None:
    for _ in range(2):
        assert is_clean(*read(answer(b'{"layers":[]}', f"Content-Type: {JSON}")), SECRETS)
        assert is_clean(*read(answer(b"\x89PNG", f"Content-Type: {PICTURE}")), SECRETS)
        assert is_clean(*read(answer(gzip.compress(b"{}"), f"Content-Type: {JSON}", GZIPPED)), SECRETS)


@pytest.mark.parametrize(
    ("body", "lines", "status"),
    [
        (b'{"url":"?token=canary-token-0123456789abcdef.."}', (f"Content-Type: {JSON}",), "200 OK"),
        (b"{}", (f"Content-Type: {JSON}", 'ETag: "canary-token-0123456789abcdef.."'), "200 OK"),
        (b"\x89PNG", (f"Content-Type: {PICTURE}", 'ETag: "canary-token-0123456789abcdef.."'), "200 OK"),
        (b"\x1f\x8b", (f"Content-Type: {JSON}", GZIPPED), "200 OK"),
        (gzip.compress(b"canary-token-0123456789abcdef.."), (f"Content-Type: {JSON}", GZIPPED), "200 OK"),
        (gzip.compress(b"{}")[:-1], (f"Content-Type: {JSON}", GZIPPED), "200 OK"),
        (gzip.compress(b"{}") + gzip.compress(b"{}"), (f"Content-Type: {JSON}", GZIPPED), "200 OK"),
        (gzip.compress(b" " * 300_000), (f"Content-Type: {JSON}", GZIPPED), "200 OK"),
        (gzip.compress(b" " * 300_000)[:-4] + bytes(4), (f"Content-Type: {JSON}", GZIPPED), "200 OK"),
        (zlib.compress(b"{}"), (f"Content-Type: {JSON}", "Content-Encoding: deflate"), "200 OK"),
        (b"{}", (f"Content-Type: {JSON}", "Content-Encoding: br"), "200 OK"),
        (b"canary-token-0123456789abcdef..", ("Content-Type: application/octet-stream",), "200 OK"),
        (b"canary-token-0123456789abcdef..", (), "200 OK"),
        (b"canary-token-012345", (f"Content-Type: {TEXT}",), "206 Partial Content"),
    ],
)
def test_what_may_hold_one_is_looked_through(body: bytes, lines: tuple[str, ...], status: str) -> None:
    for _ in range(2):
        assert not is_clean(*read(answer(body, *lines, status=status)), SECRETS)


def test_a_head_that_was_clean_is_looked_at_again_for_other_secrets() -> None:
    lines = f"Content-Type: {JSON}", 'ETag: "the-next-token-9876543210"'
    assert is_clean(*read(answer(b"{}", *lines)), SECRETS)
    assert not is_clean(*read(answer(b"{}", *lines)), ("the-next-token-9876543210", *SECRETS))
    assert is_clean(*read(answer(b"{}", *lines)), SECRETS)


def test_a_stream_is_looked_through() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"{}"

    reply = answer(b"{}", f"Content-Type: {JSON}")
    reply.body = pieces()
    assert not is_clean(*read(reply), SECRETS)


async def test_a_length_stays_whatever_secret_has_its_digits() -> None:
    headers = {"content-type": TEXT, "content-length": KEY, "etag": f'"{KEY}"'}
    reply = Reply(200, headers, b"text")
    await conceal(reply, (KEY,), Exchange("r", "GET", 0.0))
    assert reply.headers == {"content-type": TEXT, "content-length": KEY, "etag": '"xxxxxxxx"'}

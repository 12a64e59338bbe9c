"""The head of one request, from the bytes of the wire: taken as a whole or refused, never repaired. Waits for nothing.

Every form that two parsers read differently is refused (RFC 9112 §11.2), whether or not we would read it well: who
stands before or behind us may not.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Final

from proxy import names
from proxy.core import hygiene
from proxy.errors import BadRequest, ExpectationFailed, HeadersTooLarge, MethodNotAllowed, TargetTooLong
from proxy.model import Limits
from proxy.traffic import Headers

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_KNOWN: Final = frozenset(METHODS)
_BODILESS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
_VERSIONS: Final = {"HTTP/1.1": 1, "HTTP/1.0": 0}
# Bytes that may stand in a head; CR and LF are then counted against the lines.
_PRINTED: Final = bytes(c for c in range(256) if c in b"\t\r\n" or (c >= 0x20 and c != 0x7F))
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOST: Final = re.compile(
    r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[(?P<v6>[0-9a-f:.]+)\])(?::(?P<port>[1-9][0-9]{0,4}))?", re.IGNORECASE
)
_DIGITS: Final = re.compile(r"[0-9]{1,15}")
_LONGEST_KEPT: Final = 4096  # bytes of header lines whose meaning is kept
# A line feed alone, a carriage return alone, and what is never text.
_STRAY: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Two of these are refused even where they are equal: somebody between us may have read the other one.
_ONCE: Final = frozenset((names.HOST, names.CONTENT_LENGTH, names.TRANSFER_ENCODING, names.EXPECT, names.UPGRADE))
# What is read here or passed on has no bytes beyond ASCII. Elsewhere they do no harm and are common: a company's
# cookies, a CDN's name of a city.
_ASCII: Final = frozenset(
    {
        names.ACCEPT,
        names.ACCEPT_ENCODING,
        names.ACCEPT_LANGUAGE,
        names.ACCESS_CONTROL_REQUEST_HEADERS,
        names.ACCESS_CONTROL_REQUEST_METHOD,
        names.CACHE_CONTROL,
        names.CONNECTION,
        names.CONTENT_DISPOSITION,
        names.CONTENT_ENCODING,
        names.CONTENT_LANGUAGE,
        names.CONTENT_LENGTH,
        names.CONTENT_TYPE,
        names.EXPECT,
        names.FORWARDED,
        names.HOST,
        names.IF_MATCH,
        names.IF_MODIFIED_SINCE,
        names.IF_NONE_MATCH,
        names.IF_RANGE,
        names.IF_UNMODIFIED_SINCE,
        names.ORIGIN,
        names.PRAGMA,
        names.RANGE,
        names.REFERER,
        names.SOAP_ACTION,
        names.TE,
        names.TRAILER,
        names.TRANSFER_ENCODING,
        names.UPGRADE,
        names.USER_AGENT,
        names.X_FORWARDED_FOR,
        names.X_FORWARDED_HOST,
        names.X_FORWARDED_PROTO,
        names.X_REQUEST_ID,
        names.X_REQUESTED_WITH,
    }
)
# Those of them that `Connection` may not name: they would be judged here and then not be sent.
_NOT_OPTIONS: Final = _ASCII - {names.CONNECTION, names.TE, names.TRAILER, names.UPGRADE}


@dataclass(slots=True)
class Head:
    """A request line and its headers. `target` is in origin form; `length` that of the body in bytes, None where it
    comes in chunks; `keeps_open` whether the client wants the connection for another request."""

    method: str
    target: str
    minor: int  # of HTTP/1.x
    headers: hygiene.ClientHeaders
    length: int | None
    keeps_open: bool
    wants_continue: bool = False


@dataclass(frozen=True, slots=True)
class _Fields:
    """What the header lines say by themselves."""

    headers: hygiene.ClientHeaders
    count: int
    length: int | None
    expects: bool
    options: frozenset[str]  # those of `Connection`
    keeps_open: bool  # in HTTP/1.1
    is_plain: bool  # nothing but a Host is asked of HTTP/1.1, and no body comes: all of a browser's GETs


def read_head(raw: bytes, limits: Limits) -> Head:
    """`raw` is everything before the empty line. Raises BadRequest, MethodNotAllowed, TargetTooLong, HeadersTooLarge
    or ExpectationFailed."""
    end = raw.find(b"\r\n")
    line, block = (raw[:end], raw[end:]) if end >= 0 else (raw, b"")
    method, target, minor = _request_line(line.decode("latin-1"), limits)
    if len(block) > limits.headers:
        raise _too_much()
    # A browser sends the same lines hundreds of times
    fields = _fields(block) if len(block) <= _LONGEST_KEPT else _fields.__wrapped__(block)
    if fields.count > limits.header_count:
        raise _too_much()
    if fields.is_plain and minor:
        return Head(method, target, minor, fields.headers, 0, fields.keeps_open)
    length = fields.length
    if minor and names.HOST not in fields.headers:
        raise _bad_host()
    if length is None and not minor:
        raise _bad_coding()
    if length != 0 and method in _BODILESS:
        raise BadRequest(f"A {method} request has no body here; send it as POST.", slug="bad_body")
    keeps_open = fields.keeps_open if minor else "keep-alive" in fields.options
    wants_continue = fields.expects and length != 0 and minor == 1
    return Head(method, target, minor, fields.headers, length, keeps_open, wants_continue)


def foresee(part: bytes, since: int, limits: Limits) -> None:
    """What an unfinished head shows already, so that garbage gets its answer at once. `since`: how much of it was
    looked at before. Raises as `read_head` does."""
    if not since and not _TOKEN.match(chr(part[0])):
        raise _malformed()
    if _STRAY.search(part, max(0, since - 1)):
        raise _malformed()
    end = part.find(b"\r\n")
    if end < 0:
        if len(part) > limits.request_line + 1:
            raise _too_long()
        return
    if end >= since - 1:
        _request_line(part[:end].decode("latin-1"), limits)
    if len(part) - end > limits.headers + 4:
        raise _too_much()


def _request_line(line: str, limits: Limits) -> tuple[str, str, int]:
    if len(line) > limits.request_line:
        raise _too_long()
    parts = line.split(" ")
    if len(parts) != 3:
        raise _malformed()
    method, target, version = parts
    minor = _VERSIONS.get(version)
    if minor is None:
        raise BadRequest("Only HTTP/1.0 and HTTP/1.1 are spoken here.", slug="malformed")
    if method not in _KNOWN:
        if not _TOKEN.fullmatch(method):
            raise _malformed()
        raise MethodNotAllowed("This method is not spoken here.", f"These are: {', '.join(METHODS)}.")
    if not target.startswith("/"):
        # We are nobody's forward proxy (absolute form, CONNECT), and there is nothing to say of the server itself (*)
        raise BadRequest("The request target is not in origin form.", slug="malformed")
    if not target.isascii() or not target.isprintable() or "#" in target:
        raise BadRequest(
            "The request target has a character that must be percent-encoded.",
            "Encode blanks, # and letters outside ASCII (encodeURI does).",
            slug="malformed",
        )
    return method, target, minor


@lru_cache(maxsize=512)
def _fields(block: bytes) -> _Fields:
    """The header lines, each with its line break before it."""
    lines = block.decode("latin-1").split("\r\n")[1:]
    if block.translate(None, _PRINTED) or not block.count(b"\r") == block.count(b"\n") == len(lines):
        raise _malformed()
    headers = _headers(lines)
    if not block.isascii() and any(name in _ASCII and not value.isascii() for name, value in headers.items()):
        raise BadRequest("A request header has bytes outside ASCII.", slug="bad_header")
    if not _is_host(headers.get(names.HOST, "p")):
        raise _bad_host()
    # Other offers (h2c, by Java's client) are not taken up, and nobody behind us gets to see them
    if "websocket" in headers.get(names.UPGRADE, "").lower():
        raise BadRequest("WebSockets are not spoken here.", slug="bad_header")
    expected = headers.get(names.EXPECT)
    if expected is not None and expected.lower() != "100-continue":
        raise ExpectationFailed("Only 100-continue can be expected here.")
    options = frozenset(option.strip(" \t").lower() for option in headers.get(names.CONNECTION, "").split(","))
    if not options.isdisjoint(_NOT_OPTIONS):
        raise BadRequest("Connection names a header that is not about the connection.", slug="bad_header")
    length = _body_length(headers)
    is_plain = length == 0 and names.HOST in headers
    return _Fields(headers, len(lines), length, expected is not None, options, "close" not in options, is_plain)


def _headers(lines: list[str]) -> hygiene.ClientHeaders:
    """By lower-case name. Names with an underscore are left out: `X_Forwarded_For` is `X-Forwarded-For` to some."""
    headers: dict[str, str] = {}
    raw: list[tuple[bytes, bytes]] = []
    is_repeated = False
    for line in lines:
        written, colon, value = line.partition(":")
        # A blank before the colon and a folded line end here, too
        if not colon or not _TOKEN.fullmatch(written):
            raise _malformed()
        if "_" in written:
            continue
        raw.append((written.encode(), value.encode("latin-1")))
        name = written.lower()
        if name in headers:
            if name in _ONCE:
                raise BadRequest(f"The request has two {name} headers.", slug="bad_header")
            is_repeated = True
        else:
            headers[name] = value.strip(" \t")
    if is_repeated:
        headers = hygiene.client_headers(raw)
    return hygiene.ClientHeaders(headers, tuple(raw))


def _body_length(headers: Headers) -> int | None:
    coding, written = headers.get(names.TRANSFER_ENCODING), headers.get(names.CONTENT_LENGTH)
    if coding is not None:
        if written is not None:
            raise BadRequest("The request has both a length and a transfer coding.", slug="malformed")
        if coding.lower() != "chunked":
            raise _bad_coding()
        return None
    if written is None:
        return 0
    if not _DIGITS.fullmatch(written):
        raise BadRequest("The Content-Length is not a plain number.", slug="malformed")
    return int(written)


def _is_host(value: str) -> bool:
    match = _HOST.fullmatch(value)
    if match is None or int(match["port"] or 1) > 65535:
        return False
    try:
        return not match["v6"] or bool(IPv6Address(match["v6"]))
    except AddressValueError:
        return False


def _bad_host() -> BadRequest:
    return BadRequest("The request has no Host, or one that is none.", slug="bad_header")


def _bad_coding() -> BadRequest:
    return BadRequest("Only the transfer coding 'chunked' is taken, on HTTP/1.1.", slug="malformed")


def _malformed() -> BadRequest:
    return BadRequest("The request is not well-formed HTTP.", slug="malformed")


def _too_long() -> TargetTooLong:
    return TargetTooLong("The request line is too long.", "server.limits.requestLine sets the limit; or send a POST.")


def _too_much() -> HeadersTooLarge:
    return HeadersTooLarge(
        "The request headers are too many or too long.",
        "server.limits.headers and server.limits.headerCount set the limits.",
    )

"""HTTP/1.1 towards servers (RFC 9112): heads and framing, from values to bytes and back. Nothing here waits.

A parser of our own: the lines that a server repeats with every answer are looked up, not parsed again (a third of the
time of the C parser and the header check behind it), and nothing lenient has to be switched off. Whatever two readers
could understand in two ways is no answer: bare line feeds, folded lines, a length beside a coding (threats T33, T34).
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from proxy import names
from proxy.core import hygiene
from proxy.errors import BadRequest, UpstreamFailed
from proxy.upstream.failures import bad_answer

_END_OF_HEAD: Final = b"\r\n\r\n"
_NO_LINES: Final = ("", "")  # which end a head
_MOST_INTERIMS: Final = 8
MAX_HEAD: Final = 64 * 1024  # bytes
_MAX_FIELDS: Final = 128
_REMEMBERED: Final = 4096  # bytes of a head whose lines are kept: what is longer is not what a server repeats
_IDLE: Final = 15.0  # seconds; below the keep-alive of the servers we know, so we seldom meet a closed one

# RFC 9112 §4; the blank before the reason is left out by some, and the reason itself is never looked at.
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})(?: [\t\x20-\x7e\x80-\xff]*)?")
_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")
_BEGINNING: Final = b"HTTP/1."
_FRAMING_NAMES: Final = (names.CONTENT_LENGTH.encode(), names.TRANSFER_ENCODING.encode())
_KEEP_ALIVE: Final = re.compile(r"(?:^|[,;\s])timeout\s*=\s*\"?([0-9]{1,6})", re.IGNORECASE)
# Ours alone to write: they say where a message ends and what becomes of the connection.
_FRAMING: Final = frozenset(
    {
        names.CONNECTION,
        names.CONTENT_LENGTH,
        names.EXPECT,
        names.HOST,
        names.KEEP_ALIVE,
        names.PROXY_CONNECTION,
        names.TE,
        names.TRAILER,
        names.TRANSFER_ENCODING,
        names.UPGRADE,
    }
)


def request_head(method: str, target: str, host: str, headers: Mapping[str, str], framing: str = "") -> bytes:
    """The head of a request; `framing` is a line of ours about its body. What `headers` say about framing, host and
    connection is left out. Raises BadRequest where a value would begin a line of its own."""
    if not _FRAMING.isdisjoint(headers):
        headers = {name: value for name, value in headers.items() if name not in _FRAMING}
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *map(": ".join, headers.items())]
    if framing:
        lines.append(framing)
    lines += _NO_LINES
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\n") != breaks or text.count("\r") != breaks or "\0" in text or " " in target:
        raise BadRequest("A header of the request is malformed.", slug="bad_header")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # only from a configuration: what a client sends came in as Latin-1
        return text.encode()


class Head(NamedTuple):
    """An answer's head. `length` is of the body; None with `is_chunked` false means that it ends with the
    connection."""

    status: int
    headers: dict[str, str]
    length: int | None
    is_chunked: bool
    persists: bool  # the connection may be used again, as far as the server is concerned


def parse_head(raw: bytes) -> Head:
    """The head before its empty line. Raises UpstreamFailed; 101 and what is no status at all count as malformed."""
    line, *fields = raw.split(b"\r\n")
    if len(fields) > _MAX_FIELDS:
        raise bad_answer()
    is_short = len(raw) <= _REMEMBERED
    status, minor = _known_status_line(line) if is_short else _status_line(line)
    headers = dict(map(_known_field if is_short else _field, fields))
    if len(headers) != len(fields):
        headers = _joined(fields)
    length, is_chunked = _framing(headers, minor)
    connection = headers.get(names.CONNECTION)
    persists = minor == 1 if connection is None else _persists(connection, minor)
    return Head(status, headers, length, is_chunked, persists)


def _joined(fields: list[bytes]) -> dict[str, str]:
    """Where a name came more than once. Two lengths are two answers, even where they are equal."""
    pairs = [(name, value) for name, _, value in (each.partition(b":") for each in fields)]
    framing = [name for name, _ in pairs if name.lower() in _FRAMING_NAMES]
    if len(framing) > 1:
        raise bad_answer()
    return hygiene.upstream_headers(pairs)


def _status_line(line: bytes) -> tuple[int, int]:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise bad_answer()
    status = int(match[2])
    if not 100 <= status <= 599 or status == 101:  # we never ask for another protocol
        raise UpstreamFailed("The server answered with a status that has no meaning here.", slug="bad_answer")
    return status, int(match[1])


def _field(line: bytes) -> tuple[str, str]:
    """One header, judged by `core.hygiene`. Raises UpstreamFailed."""
    name, colon, value = line.partition(b":")
    if not colon:
        raise bad_answer()
    (pair,) = hygiene.upstream_headers(((name, value),)).items()
    return pair


# Kept by the bytes of the line: server, type, policy and the date of this second come with every answer.
_known_status_line: Final[Callable[[bytes], tuple[int, int]]] = lru_cache(maxsize=64)(_status_line)
_known_field: Final[Callable[[bytes], tuple[str, str]]] = lru_cache(maxsize=1024)(_field)


def _framing(headers: Mapping[str, str], minor: int) -> tuple[int | None, bool]:
    """RFC 9112 §6.3, with every way out that it leaves to a lenient reader closed."""
    coding, length = headers.get(names.TRANSFER_ENCODING), headers.get(names.CONTENT_LENGTH)
    if coding is not None:
        if length is not None or minor == 0 or coding.lower() != "chunked":
            raise bad_answer()
        return None, True
    if length is None:
        return None, False
    if not (length.isascii() and length.isdigit() and len(length) <= 18):
        raise bad_answer()
    return int(length), False


@lru_cache(maxsize=64)
def _persists(connection: str, minor: int) -> bool:
    options = {option.strip() for option in connection.lower().split(",")}
    return "close" not in options and (minor == 1 or "keep-alive" in options)


def idle_limit(keep_alive: str | None) -> float:
    """Seconds for which a connection may rest: less than the server says in `Keep-Alive`, since the request has to
    be there before it closes."""
    match = _KEEP_ALIVE.search(keep_alive) if keep_alive else None
    if match is None:
        return _IDLE
    said = int(match[1])
    return min(_IDLE, said - 1 if said > 1 else said / 2)


class HeadReader:
    """Finds the head of an answer in the bytes of its connection, behind interim ones (1xx), which end here."""

    def __init__(self) -> None:
        self._held = bytearray()  # a head that is not whole yet
        self._interims = 0

    def feed(self, data: bytes) -> tuple[Head, bytes, int] | None:
        """The head, and the bytes whose rest from there on is body; None while it is not whole. Raises UpstreamFailed
        as soon as it can be no HTTP: nobody has to wait for a time-out."""
        known = 0
        if self._held:
            known = max(0, len(self._held) - 3)
            self._held += data
            if self._held.find(_END_OF_HEAD, known) < 0:
                _check_beginning(self._held)
                return None
            data, self._held = bytes(self._held), bytearray()
        at, end = 0, data.find(_END_OF_HEAD, known)
        while 0 <= end <= at + MAX_HEAD:
            head = parse_head(data[at:end])
            at = end + 4
            if head.status >= 200:
                self._interims = 0
                return head, data, at
            self._interims += 1
            if self._interims > _MOST_INTERIMS:
                raise bad_answer()
            end = data.find(_END_OF_HEAD, at)
        _check_beginning(data[at:])
        self._held = bytearray(data[at:])
        return None


def _check_beginning(raw: bytes | bytearray) -> None:
    if not raw.startswith(_BEGINNING[: len(raw)]) or len(raw) > MAX_HEAD:
        raise bad_answer()
    # Later lines are judged with the whole head; the first is where another protocol shows
    if _BARE_LINE_FEED.search(raw, 0, 1024):
        raise bad_answer()

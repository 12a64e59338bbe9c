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
from proxy.core.repeated import Answered, Repeated, Upward
from proxy.errors import BadRequest, UpstreamFailed
from proxy.upstream.failures import bad_answer

_END_OF_HEAD: Final = b"\r\n\r\n"
_MOST_INTERIMS: Final = 8
MAX_HEAD: Final = 64 * 1024  # bytes
_MAX_FIELDS: Final = 128
_REMEMBERED: Final = 4096  # bytes of a head whose lines are kept: what is longer is not what a server repeats
_REPEATED, _MOST_REPEATED = 1024, 512  # bytes of a head that is kept as a whole, and how many of them
_IDLE: Final = 15.0  # seconds; below the keep-alive of the servers we know, so we seldom meet a closed one

# RFC 9112 §4; the blank before the reason is left out by some, and the reason itself is never looked at.
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})(?: [\t\x20-\x7e\x80-\xff]*)?")
_BARE_LINE_FEED: Final = re.compile(rb"(?<!\r)\n")
_BEGINNING: Final = b"HTTP/1."
# What differs in heads that are else the same, in the form that all servers give it; in any other it is of the rest
_CHANGING: Final = re.compile(
    rb"\r\n(?:(?i:date): ([A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT)"
    rb"|(?i:content-length): ([0-9]{1,18}))(?=\r\n|\Z)"
)
_ORDINARY: Final = (None, "keep-alive", "Keep-Alive", "close")  # values of `Connection` that name no header
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


def request_head(method: str, target: str, host: str, headers: Mapping[str, str], own: str = "") -> bytes:
    """The head of a request; `own` are lines of ours, each with its end, see `own_line`. What `headers` say about
    framing, host and connection is left out. Raises BadRequest where a value would begin a line of its own."""
    if not target.isprintable() or " " in target:
        raise _malformed()
    lines = headers.text if isinstance(headers, Upward) else ""
    if not lines:
        lines = _lines(headers)
        if isinstance(headers, Upward):
            headers.text = lines
    text = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}{own}\r\n"
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # only from a configuration: what a client sends came in as Latin-1
        return text.encode()


def own_line(name: str, value: str) -> str:
    """A line of ours in the head of a request. Raises BadRequest."""
    if not value.isprintable():
        raise _malformed()
    return f"{name}: {value}\r\n"


def _lines(headers: Mapping[str, str]) -> str:
    """As they stand in a head, each with its end."""
    if not _FRAMING.isdisjoint(headers):
        headers = {name: value for name, value in headers.items() if name not in _FRAMING}
    text = "\r\n".join([*map(": ".join, headers.items()), ""])
    if not text.count("\n") == text.count("\r") == len(headers) or "\0" in text:
        raise _malformed()
    return text


def _malformed() -> BadRequest:
    return BadRequest("A header of the request is malformed.", slug="bad_header")


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


class _Known(NamedTuple):
    """A head that was parsed before, less date and length."""

    status: int
    repeated: Repeated
    is_chunked: bool
    persists: bool


_known_heads: Final[dict[tuple[bytes, bool, bool], _Known]] = {}


def known_head(raw: bytes) -> Head:
    """As `parse_head`; what a server says again and again is looked up, by all its bytes but date and length."""
    pieces = _CHANGING.split(raw)
    count = len(pieces)
    if count not in (4, 7) or len(raw) > _REPEATED:
        return parse_head(raw)
    date, length = pieces[1], pieces[2]
    if count == 7:
        date, length = date or pieces[4], length or pieces[5]
        if date is None or length is None:  # one of them twice
            return parse_head(raw)
    size = None if length is None else int(length)
    key = b"".join(pieces[::3]), date is None, length is None
    known = _known_heads.get(key)
    if known is None:
        head = parse_head(raw)
        if head.length != size:  # it stands there in another form
            return head
        is_single = len(head.headers) == raw.count(b"\r\n")  # no name twice: each value was looked at by itself
        if head.status < 200 or not is_single or head.headers.get(names.CONNECTION) not in _ORDINARY:
            return head
        same = dict(head.headers)
        if date is not None:
            del same[names.DATE]
        if length is not None:
            del same[names.CONTENT_LENGTH]
        if len(_known_heads) >= _MOST_REPEATED:
            _known_heads.clear()
        known = _known_heads[key] = _Known(head.status, Repeated(same), head.is_chunked, head.persists)
    headers = Answered(known.repeated.headers)
    headers.repeated = known.repeated
    if date is not None:
        headers[names.DATE] = date.decode("ascii")
    if length is not None:
        headers[names.CONTENT_LENGTH] = length.decode("ascii")
    return Head(known.status, headers, size, known.is_chunked, known.persists)


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
        self._last: tuple[bytes, Head] = b"", Head(0, {}, None, False, False)

    def feed(self, data: bytes) -> tuple[Head, bytes, int] | None:
        """The head, and the bytes whose rest from there on is body; None while it is not whole. Raises UpstreamFailed
        as soon as it can be no HTTP: nobody has to wait for a time-out."""
        if not self._held:
            end = data.find(_END_OF_HEAD)
            if 0 <= end <= MAX_HEAD and (head := self._known(data[:end])).status >= 200:
                self._interims = 0
                return head, data, end + 4
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
            head = known_head(data[at:end])
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

    def _known(self, raw: bytes) -> Head:
        """A server that is asked twice within a second may well say the same."""
        if raw == self._last[0] and raw:
            return self._last[1]
        head = known_head(raw)
        if isinstance(head.headers, Answered):  # which is not to be changed
            self._last = raw, head
        return head


def _check_beginning(raw: bytes | bytearray) -> None:
    if not raw.startswith(_BEGINNING[: len(raw)]) or len(raw) > MAX_HEAD:
        raise bad_answer()
    # Later lines are judged with the whole head; the first is where another protocol shows
    if _BARE_LINE_FEED.search(raw, 0, 1024):
        raise bad_answer()

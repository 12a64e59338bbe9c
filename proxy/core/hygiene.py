"""Which headers cross, in each direction: two allow-lists, and what every answer of the proxy carries.

An allow-list because the deny-list is never complete: HSTS, Clear-Site-Data, Service-Worker-Allowed, Refresh, Link
and their like would rule the page's whole origin. Nothing here knows a body.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from proxy import names
from proxy.core import trace
from proxy.core.remembering import remembered
from proxy.core.repeated import Answered, Repeated, Upward
from proxy.errors import BadRequest, UpstreamFailed
from proxy.traffic import Headers

# What a client may tell the upstream. No Cookie, Authorization, Origin, Referer, X-Forwarded-*, Expect, TE.
_UPWARD: Final = frozenset(
    {
        names.ACCEPT,
        names.ACCEPT_LANGUAGE,
        names.CACHE_CONTROL,
        names.CONTENT_DISPOSITION,
        names.CONTENT_ENCODING,
        names.CONTENT_LANGUAGE,
        names.CONTENT_TYPE,
        names.IF_MATCH,
        names.IF_MODIFIED_SINCE,
        names.IF_NONE_MATCH,
        names.IF_RANGE,
        names.IF_UNMODIFIED_SINCE,
        names.PRAGMA,
        names.RANGE,
        names.SOAP_ACTION,
        names.TRACEPARENT,
        names.TRACESTATE,
        names.USER_AGENT,
        names.X_REQUESTED_WITH,
    }
)
# What an upstream may tell the client. No Set-Cookie, Server, CORS, CSP, HSTS, Refresh, Alt-Svc, WWW-Authenticate.
_DOWNWARD: Final = frozenset(
    {
        names.ACCEPT_RANGES,
        names.AGE,
        names.CACHE_CONTROL,
        names.CONTENT_DISPOSITION,
        names.CONTENT_ENCODING,
        names.CONTENT_LANGUAGE,
        names.CONTENT_LENGTH,
        names.CONTENT_RANGE,
        names.CONTENT_TYPE,
        names.DATE,
        names.ETAG,
        names.EXPIRES,
        names.LAST_MODIFIED,
        names.PRAGMA,
        names.RETRY_AFTER,
        names.VARY,
    }
)
# A second one of these is a contradiction; all others are lists, joined by ", " (RFC 9110 §5.3).
_SINGLE: Final = frozenset(
    {
        names.AUTHORIZATION,
        names.CONTENT_DISPOSITION,
        names.CONTENT_LENGTH,
        names.CONTENT_RANGE,
        names.CONTENT_TYPE,
        names.DATE,
        names.ETAG,
        names.HOST,
        names.IF_MODIFIED_SINCE,
        names.IF_RANGE,
        names.IF_UNMODIFIED_SINCE,
        names.LAST_MODIFIED,
        names.LOCATION,
        names.ORIGIN,
        names.RANGE,
        names.REFERER,
        names.RETRY_AFTER,
        names.TRACEPARENT,
        names.TRANSFER_ENCODING,
        names.USER_AGENT,
        names.X_REQUEST_ID,
    }
)
# The codings that `core.classify` can look into.
_CODINGS: Final = ("gzip", "deflate")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE_BYTES: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_MOST_REFERERS: Final = 32
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MAX_RANGES: Final = 16
# Documents that a browser would run with the rights of the page's origin (threat T27). "xsl": Chrome shows text/xsl as
# XML; "multipart/": Firefox shows the pages in multipart/x-mixed-replace.
_ACTIVE_TYPES: Final = ("html", "xml", "svg", "xsl", "multipart/")

# What differs in the answers that a server gives one after the other
CHANGING: Final = (names.DATE, names.CONTENT_LENGTH)
COMMON: Final = {names.X_CONTENT_TYPE_OPTIONS: "nosniff", names.REFERRER_POLICY: "no-referrer"}


class ClientHeaders(dict[str, str]):
    """A client's headers, lower-case, not to be changed: browsers send the same ones hundreds of times, and what they
    become upstream is kept with them."""

    __slots__ = ("_upward", "came_before", "raw")

    def __init__(self, headers: dict[str, str], raw: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(headers)
        self.raw = raw  # as they came
        self.came_before = False  # another request had these very ones
        self._upward: dict[str, dict[str, str]] = {}

    def upward(self, referer: str) -> Headers:
        """See `to_upstream`."""
        up = self._upward.get(referer)
        if up is None:
            if len(self._upward) > _MOST_REFERERS:
                self._upward.clear()
            up = self._upward[referer] = _upward(self, referer)
        return up


def client_headers(raw: Iterable[tuple[bytes, bytes]]) -> ClientHeaders:
    """A client's headers with lower-case names, from the bytes of the wire. Raises BadRequest."""
    pairs = tuple(raw)
    refusal = BadRequest("A request header is malformed or came twice.", slug="bad_header")
    return ClientHeaders(_collect(pairs, refusal), pairs)


def upstream_headers(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """An upstream's headers with lower-case names, checked before a byte of the answer is sent on.

    Raises UpstreamFailed: a control character here would split our own answer.
    """
    return _collect(raw, UpstreamFailed("The server's answer has malformed headers.", slug="bad_answer"))


def to_upstream(given: Headers, *, referer: str) -> Upward:
    """The headers of a request on its way up, but for the proxy's own. Hop-by-hop and `Connection`-named headers stay
    here."""
    return Upward(given.upward(referer) if isinstance(given, ClientHeaders) else _upward(given, referer))


def goes_up(name: str) -> bool:
    """Whether a client's header of this name (lower-case) reaches the upstream."""
    return name in _UPWARD


def _upward(given: Headers, referer: str) -> dict[str, str]:
    named = _named_by_connection(given)
    up = {name: value for name, value in given.items() if name in _UPWARD and name not in named}
    offered = given.get(names.ACCEPT_ENCODING, "").lower()
    accepted = [coding for coding in _CODINGS if re.search(rf"\b{coding}\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))", offered)]
    # Only what we can look into; and said in so many words, since silence means "anything" (RFC 9110 §12.5.3).
    up[names.ACCEPT_ENCODING] = ", ".join(accepted) or "identity"
    if up.get(names.RANGE, "").count(",") >= _MAX_RANGES:
        del up[names.RANGE]
    if not trace.is_parent(up.get(names.TRACEPARENT, "")):
        up.pop(names.TRACEPARENT, None)
    if names.TRACEPARENT not in up or not trace.is_state(up.get(names.TRACESTATE, "")):
        up.pop(names.TRACESTATE, None)
    up.setdefault(names.ACCEPT, "*/*")
    if referer:
        up[names.REFERER] = referer
    return up


def changed(headers: Headers, changes: Mapping[str, str | None]) -> dict[str, str]:
    """`headers` with some others or, for None, left out."""
    return {name: value for name, value in {**headers, **changes}.items() if value is not None}


def framing(headers: Headers) -> dict[str, str]:
    """The headers by which the end of an answer can be told."""
    return {name: headers[name] for name in (names.CONTENT_LENGTH, names.TRANSFER_ENCODING) if name in headers}


def to_client(given: Headers, *, private: bool) -> dict[str, str]:
    """The headers of an answer on its way down. `private`: it was made with a credential, so shared caches
    between us and the browser must not keep it."""
    if not isinstance(given, Answered):
        return _downward(given, private=private)
    down = dict(repeated_to_client(given.repeated, private=private))
    for name in CHANGING:
        if name in given:
            down[name] = given[name]
    return down


def repeated_to_client(given: Repeated, *, private: bool) -> Headers:
    """Of what a server repeats."""
    same = given.down.get(private)
    if same is None:
        same = given.down[private] = _downward(given.headers, private=private)
    return same


def _downward(given: Headers, *, private: bool) -> dict[str, str]:
    named = _named_by_connection(given)
    down = {name: value for name, value in given.items() if name in _DOWNWARD and name not in named}
    down.update(_common_for(down.get(names.CONTENT_TYPE, "")))
    if private:
        down[names.CACHE_CONTROL] = _as_private(down.get(names.CACHE_CONTROL, ""))
    return down


@remembered(256)
def _common_for(content_type: str) -> dict[str, str]:
    """What answers of this type have on top."""
    down = dict(COMMON)
    # What has no type may be taken for a page by what it looks like
    if not content_type or any(kind in content_type.lower() for kind in _ACTIVE_TYPES):
        down[names.CONTENT_SECURITY_POLICY] = "sandbox"
    return down


def request_id(given: Headers) -> str | None:
    """The client's X-Request-Id if it is a plain word of at most 128 characters, else None."""
    value = given.get(names.X_REQUEST_ID)
    return value if value is not None and _REQUEST_ID.fullmatch(value) else None


def _collect(raw: Iterable[tuple[bytes, bytes]], malformed: BadRequest | UpstreamFailed) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name = _name(raw_name)
        if not name or raw_value.translate(None, _VALUE_BYTES):
            raise malformed
        value = raw_value.decode("latin-1").strip(" \t")
        if name in headers:
            if name in _SINGLE and headers[name] != value:
                raise malformed
            if name not in _SINGLE:
                headers[name] = f"{headers[name]}, {value}"
        else:
            headers[name] = value
    return headers


@remembered(1024)
def _name(raw: bytes) -> str:
    """A header's name in lower case; "" where it is none."""
    name = raw.decode("latin-1").lower()
    return name if _NAME.fullmatch(name) else ""


def _named_by_connection(given: Headers) -> frozenset[str]:
    connection = given.get(names.CONNECTION)
    if connection is None or connection.lower() in ("keep-alive", "close"):
        return frozenset()
    return frozenset(option.strip().lower() for option in connection.split(","))


@remembered(256)
def _as_private(cache_control: str) -> str:
    kept = [
        directive
        for part in cache_control.split(",")
        if (directive := part.strip())
        and directive.lower() not in ("public", "private")
        and "s-maxage" not in directive.lower()
    ]
    return ", ".join(["private", *kept])

"""Did this answer reject our token? Decided from status, type and the first bytes, however the body is cut.

ArcGIS says most failures with HTTP 200 and a body of about sixty bytes, and says them as JSON, JSONP, HTML or SOAP,
with types that prove nothing, gzipped or not. Only the top-level first key counts: feature attributes called `code`,
errors of single edits and jobs that quote another server's 499 are data.
"""

import enum
import json
import re
import zlib
from dataclasses import dataclass
from typing import Final

from proxy import names
from proxy.model import Headers

_MOST_HELD: Final = 64 * 1024  # bytes that are held back undecided
_SMALL: Final = 4096  # a binary answer up to here may be an error in disguise
_HTML_LOOK: Final = 16 * 1024
_GZIP, _ZLIB = 47, 15
_BOM: Final = b"\xef\xbb\xbf"

_CODES: Final = frozenset(
    (names.CODE_UNAUTHORIZED, names.CODE_FORBIDDEN, names.CODE_TOKEN_INVALID, names.CODE_TOKEN_REQUIRED)
)
_JSONP: Final = re.compile(rb"(?:/\*\*/)?\s*[A-Za-z_$][\w$.\[\]]{0,200}\s*\(\s*")
_ERROR_START: Final = re.compile(rb'\{\s*"(?:error|status)"\s*:')
_FIRST_KEYS: Final = (b'"error"', b'"status"')
_HTML_TOKEN: Final = re.compile(rb"\b(invalid token|token required)\b", re.IGNORECASE)
_HTML_LOGIN: Final = re.compile(rb"rest/login\?redirect=|name=[\"']password[\"']", re.IGNORECASE)
_SOAP_TOKEN: Final = re.compile(rb"(invalid token|token required|token expired)", re.IGNORECASE)
_LOGIN_LOCATION: Final = re.compile(r"/(?:rest/login|sharing/(?:rest/)?oauth2/authorize|login)\b", re.IGNORECASE)
_TEXTUAL: Final = ("json", "text/", "javascript", "xml", "html")


class Verdict(enum.Enum):
    """What an answer says about the token that went with the request."""

    PASS = "pass"
    TOKEN_REQUIRED = "token_required"  # 499: none arrived
    TOKEN_INVALID = "token_invalid"  # 498
    DENIED = "denied"  # the token is good, the right is missing
    LOGIN = "login"  # a sign-in page or challenge: ambiguous, heals reads only


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, and the upstream's own sentence where it gave one (cleaned)."""

    verdict: Verdict
    message: str = ""


PASSED: Final = Finding(Verdict.PASS)


def inspect(status: int, headers: Headers, *, wanted: str, path: str) -> "Finding | Inspector | None":
    """A finding from status and headers alone, an `Inspector` to be fed the body, or None: stream it untouched.

    `wanted` is the request's `f`, lower-case, "" where it has none; `path` the target's.
    """
    if status == names.CODE_TOKEN_INVALID:
        return Finding(Verdict.TOKEN_INVALID)
    if status == names.CODE_TOKEN_REQUIRED:
        return Finding(Verdict.TOKEN_REQUIRED)
    if status == names.CODE_UNAUTHORIZED:
        return Finding(Verdict.LOGIN, "The server asks for a sign-in.")
    if 300 <= status < 400:
        location = headers.get(names.LOCATION, "")
        return (
            Finding(Verdict.LOGIN, "The server redirects to its sign-in.") if _LOGIN_LOCATION.search(location) else None
        )
    kind = headers.get(names.CONTENT_TYPE, "").lower()
    length = headers.get(names.CONTENT_LENGTH, "")
    size = int(length) if length.isdecimal() and len(length) < 16 else None
    if size == 0 or status == 204:
        return None
    if not kind or any(part in kind for part in _TEXTUAL):
        if "svg" in kind:
            return None
        return Inspector(headers, kind, is_page_wanted=wanted in ("", "html") and status == 200)
    # JSON in place of a picture often keeps the picture's type
    return Inspector(headers, kind, is_page_wanted=False) if size is not None and size <= _SMALL else None


class Inspector:
    """Fed the raw bytes of a body until it knows; says PASS as early as it can."""

    def __init__(self, headers: Headers, kind: str, *, is_page_wanted: bool) -> None:
        coding = headers.get(names.CONTENT_ENCODING, "").strip().lower()
        self._decoder: zlib._Decompress | None = None
        self._is_opaque = coding not in ("", "identity", "gzip", "x-gzip", "deflate")
        if coding in ("gzip", "x-gzip", "deflate"):
            self._decoder = zlib.decompressobj(_ZLIB if coding == "deflate" else _GZIP)
        self._kind = kind
        self._is_page_wanted = is_page_wanted
        self._seen = b""

    def feed(self, chunk: bytes) -> Finding | None:
        """A finding, or None while more is needed."""
        if self._is_opaque:
            return PASSED
        if self._decoder is not None:
            try:
                # Bounded: what a bomb would become is never made
                chunk = self._decoder.decompress(chunk, max(1, _MOST_HELD - len(self._seen)))
            except zlib.error:
                return PASSED
        self._seen += chunk
        return self._look(is_all=False)

    def finish(self) -> Finding:
        """The finding at the end of the body."""
        return self._look(is_all=True) or PASSED

    def _look(self, *, is_all: bool) -> Finding | None:
        text = self._seen.removeprefix(_BOM).lstrip()
        if not text or (_BOM.startswith(text) and not is_all):
            return None if not is_all and len(self._seen) < _MOST_HELD else PASSED
        is_over = len(self._seen) >= _MOST_HELD
        if text[:1] == b"<":
            return self._markup(text, is_all=is_all)
        if text[:1] != b"{":
            call = _JSONP.match(text)
            if call is None:
                might_be_call = re.fullmatch(rb"[\w$.\[\]/*\s]{1,220}", text) is not None
                return PASSED if is_all or is_over or not might_be_call else None
            text = (
                text[call.end() :].rstrip().removesuffix(b";").rstrip().removesuffix(b")")
                if is_all
                else text[call.end() :]
            )
            if not text:
                return PASSED if is_all else None
        if not _ERROR_START.match(text):
            return None if _may_become_error(text) and not is_all and not is_over else PASSED
        return self._error(text, is_all=is_all, is_over=is_over)

    def _error(self, text: bytes, *, is_all: bool, is_over: bool) -> Finding | None:
        """`text` begins as an error does; it is read to its end, since only the whole parses."""
        try:
            document, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return PASSED if is_all or is_over else None
        error = document.get("error")
        if isinstance(error, dict):
            return _of_code(error.get("code"), error)
        if document.get("status") == "error":
            return _of_code(document.get("code"), document)
        return PASSED

    def _markup(self, text: bytes, *, is_all: bool) -> Finding | None:
        """HTML and XML: the markers stand near the top, and only in pages that are no data."""
        if "html" in self._kind or text[:15].lower().startswith((b"<!doctype html", b"<html")):
            return self._page(text[:_HTML_LOOK], is_all=is_all, is_long=len(text) > _SMALL)
        if b"Fault" in text[:_SMALL] and len(text) <= _SMALL and (found := _SOAP_TOKEN.search(text)) is not None:
            is_required = b"required" in found[1].lower()
            return Finding(Verdict.TOKEN_REQUIRED if is_required else Verdict.TOKEN_INVALID)
        could_be_fault = len(text) < _SMALL and (b"nvelope" in text[:400] or len(text) < 400)
        return PASSED if is_all or not could_be_fault else None

    def _page(self, look: bytes, *, is_all: bool, is_long: bool) -> Finding | None:
        """A page that nobody asked for may be of any length; one that was asked for is an error only if short."""
        login, token = _HTML_LOGIN.search(look), _HTML_TOKEN.search(look)
        is_first = token is not None and (login is None or token.start() < login.start())
        if token is not None and is_first and (not self._is_page_wanted or (is_all and not is_long)):
            is_invalid = token[1].lower().startswith(b"invalid")
            return Finding(Verdict.TOKEN_INVALID if is_invalid else Verdict.TOKEN_REQUIRED)
        if login is not None:
            return Finding(Verdict.LOGIN, "The server answered with its sign-in page.")
        return PASSED if is_all or len(look) >= _HTML_LOOK else None


def _may_become_error(text: bytes) -> bool:
    """Whether more bytes could make the first key `error` or `status`."""
    key = text[1:].lstrip()
    return any(
        first.startswith(key) or (key.startswith(first) and not key[len(first) :].strip()) for first in _FIRST_KEYS
    )


def _of_code(code: object, error: dict[str, object]) -> Finding:
    number = int(code) if isinstance(code, str) and code.isascii() and code.isdecimal() and len(code) < 6 else code
    if number not in _CODES:
        return PASSED
    if number == names.CODE_TOKEN_INVALID:
        return Finding(Verdict.TOKEN_INVALID)
    if number == names.CODE_TOKEN_REQUIRED:
        return Finding(Verdict.TOKEN_REQUIRED)
    return Finding(Verdict.DENIED, _sentence(error.get("message")))


def _sentence(value: object) -> str:
    """The upstream's own words, printable and short. The JS SDK asks again over https when it reads "ssl"."""
    if not isinstance(value, str):
        return ""
    printable = "".join(c for c in value if c.isprintable() and c not in "<>")
    return re.sub("ssl", "TLS", printable, flags=re.IGNORECASE)[:300].strip()

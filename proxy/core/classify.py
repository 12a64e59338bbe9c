"""Did this answer reject our token? Decided from status, type and the first bytes; nothing here reads or waits.

ArcGIS says most failures with HTTP 200 and a body of about sixty bytes, as JSON, JSONP, HTML or SOAP, with types that
prove nothing, gzipped or not. Only the top-level first key counts: feature attributes called `code`, errors of single
edits and jobs that quote another server's 499 are data. However a body is cut into pieces, the finding is the same.
"""

import enum
import json
import re
from dataclasses import dataclass
from typing import Final

from proxy import names
from proxy.core.inflate import Inflater, coding_of
from proxy.core.paths import has_no_pages, is_own_sign_in, leads_to_sign_in
from proxy.core.sentence import sentence
from proxy.traffic import Headers, Reply

MOST_HELD: Final = 64 * 1024  # bytes looked at, as they came and inflated; what is undecided then passes
SMALL: Final = 4096  # a binary answer or a fault in XML up to here may be a rejected token
_PAGE_LOOK: Final = 16 * 1024  # sign-in pages have 1 to 20 KB; the signs stand in the upper part
_LONGEST_START: Final = 1024
_BOM: Final = b"\xef\xbb\xbf"
_BLANKS: Final = b" \t\r\n"
_DECODER: Final = json.JSONDecoder(strict=False)  # servers do write raw tabs and line breaks into strings

# A body that begins otherwise, blanks left out, is no error of ours. The later ones are the administrator's API.
_STARTS: Final = (b'{"error":{', b'{"status":"error"', b'{"status":"failed"', b'{"status":"failure"')
_NAME: Final = rb"[A-Za-z_$][\w$.\[\]]{0,250}"
# cb({…}), /**/cb({…}), /**/typeof cb==='function'&&cb({…}) (Express, and with it Koop); blanks left out
_CALL: Final = re.compile(rb"(?:/\*\*/)?(?:" + _NAME + rb"(?:===?['\"]function['\"])?&&)?" + _NAME + rb"\(")
_CALL_SO_FAR: Final = re.compile(rb"/?\*{0,2}/?(?:[A-Za-z_$][\w$.\[\]=&'\"]*)?")

_ANY_CASE: Final = re.IGNORECASE
# Atomic: a run of comments could else be divided in exponentially many ways.
_ROOT: Final = re.compile(
    rb"(?>\s+|<\?[^<>]*>|<!--.*?-->|<!DOCTYPE[^<>]*>)*+<(?:[\w.-]+:)?([\w.-]+)[\s/>]", re.IGNORECASE | re.DOTALL
)
_FAULT: Final = re.compile(rb"<(?:[\w.-]+:)?Fault[\s/>]", re.IGNORECASE)
_FAULT_ROOTS: Final = frozenset((b"envelope", b"serviceexceptionreport", b"exceptionreport"))
# The whole text of an element: parsers of SQL and filters say "invalid token" too, in longer sentences.
_FAULT_TEXT: Final = re.compile(
    rb">\s*(?:error:?\s*)?(?:(invalid token|token (?:has )?expired)|token required)[\s.!]*(?:\(?49[89]\)?\s*)?<",
    _ANY_CASE,
)
_PASSWORD: Final = re.compile(rb"<input\b[^<>]{0,400}?\b(?:type|name)\s*=\s*[\"']?password\b", _ANY_CASE)
_ANY_INVALID: Final = re.compile(rb"\binvalid token\b", _ANY_CASE)
_ANY_REQUIRED: Final = re.compile(rb"\btoken required\b", _ANY_CASE)
_ERROR_INVALID: Final = re.compile(rb">\s*error:?\s*(?:<[^<>]{0,40}>\s*)?invalid token\b", _ANY_CASE)
_ERROR_REQUIRED: Final = re.compile(rb">\s*error:?\s*(?:<[^<>]{0,40}>\s*)?token required\b", _ANY_CASE)
# nginx: "No required SSL certificate was sent", "The SSL certificate error"; IIS 403.7, .13, .16 and .17
_CERTIFICATE: Final = re.compile(rb"\b(?:SSL|client) certificate\b", _ANY_CASE)
_LOGIN_LINK: Final = re.compile(rb"rest/login\?redirect=", _ANY_CASE)

_AS_ERRORS: Final = (b'{"e', b'{"s', b'{"\\')
_PICTURES: Final = (b"\x89PNG\r\n", b"\xff\xd8\xff")
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
_BODILESS: Final = frozenset((204, 205, 206, 304))  # 206: a piece out of the middle says nothing
_TEXTUAL: Final = ("json", "text/", "javascript", "xml", "html")


class Verdict(enum.Enum):
    """What an answer says about the token that went with the request."""

    PASS = "pass"
    TOKEN_REQUIRED = "token_required"  # 499: none arrived
    TOKEN_INVALID = "token_invalid"  # 498
    DENIED = "denied"  # the token is good, the right is missing
    CERTIFICATE = "certificate"  # the web server in front wants another client certificate
    LOGIN = "login"  # a sign-in page, redirect or challenge: ambiguous, heals reads only


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict, and the upstream's own sentence where it gave one: printable, at most 300 characters."""

    verdict: Verdict
    message: str = ""


_PageSigns = tuple[tuple[re.Pattern[bytes], Finding], ...]

PASSED: Final = Finding(Verdict.PASS)
_INVALID: Final = Finding(Verdict.TOKEN_INVALID, "Invalid Token")
_REQUIRED: Final = Finding(Verdict.TOKEN_REQUIRED, "Token Required")
_CHALLENGED: Final = Finding(Verdict.LOGIN, "The server asks for a sign-in.")
_REDIRECTED: Final = Finding(Verdict.LOGIN, "The server redirects to its sign-in.")
_PAGE: Final = Finding(Verdict.LOGIN, "The server answered with its sign-in page.")
_UNCERTIFIED: Final = Finding(Verdict.CERTIFICATE)
_VERDICTS: Final[dict[int | float, Verdict]] = {
    names.CODE_UNAUTHORIZED: Verdict.DENIED,
    names.CODE_FORBIDDEN: Verdict.DENIED,
    names.CODE_TOKEN_INVALID: Verdict.TOKEN_INVALID,
    names.CODE_TOKEN_REQUIRED: Verdict.TOKEN_REQUIRED,
}

# Ordinary pages of the Services Directory link to the sign-in and may quote anything: there only a form tells.
_ASKED_PAGE: Final = ((_PASSWORD, _PAGE), (_ERROR_INVALID, _INVALID), (_ERROR_REQUIRED, _REQUIRED))
_FAILED_PAGE: Final = (
    (_CERTIFICATE, _UNCERTIFIED),
    (_PASSWORD, _PAGE),
    (_ANY_INVALID, _INVALID),
    (_ANY_REQUIRED, _REQUIRED),
)
_UNASKED_PAGE: Final = (*_FAILED_PAGE[1:], (_LOGIN_LINK, _PAGE))


def inspect(
    status: int, headers: Headers, *, wanted: str, path: str, secrets: tuple[str, ...] = ()
) -> "Finding | Inspector | None":
    """A finding from status and headers alone, an `Inspector` to be fed the body, or None: stream it untouched.

    `wanted` is the request's `f`, lower-case, "" where it has none; `path` the target's;
    `secrets` what is left out of the upstream's own words.
    """
    if status == names.CODE_TOKEN_INVALID:
        return _INVALID
    if status == names.CODE_TOKEN_REQUIRED:
        return _REQUIRED
    if status in _REDIRECTS:
        return _REDIRECTED if leads_to_sign_in(headers.get(names.LOCATION, "")) else None
    # A 401 never passes; but its body may say 498 or 499, which is more exact.
    otherwise = _CHALLENGED if status == names.CODE_UNAUTHORIZED else PASSED
    length = headers.get(names.CONTENT_LENGTH, "")
    size = int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else None
    kind = headers.get(names.CONTENT_TYPE, "").lower()
    is_text = not kind or any(part in kind for part in _TEXTUAL)
    coding = coding_of(headers)
    is_opaque = coding != "" and not Inflater.knows(coding)
    is_picture = not is_text and size is not None and size > SMALL
    if size == 0 or status in _BODILESS or is_opaque or is_picture:
        return None if otherwise is PASSED else otherwise
    return Inspector(coding, is_text, "html" in kind, _page_signs(status, wanted, path), otherwise, secrets)


def is_plainly_good(reply: Reply, text: bytes | None) -> bool:
    """Whether the first bytes of a whole answer tell that an `Inspector` would let it pass: JSON whose first key is
    none that an error begins with, or a picture. `text` is its body in the clear (`inflate.in_the_clear`)."""
    if reply.status != 200 or text is None:
        return False
    kind = reply.headers.get(names.CONTENT_TYPE, "")
    if text.startswith(b'{"'):
        return not text.startswith(_AS_ERRORS) and "json" in kind
    return text.startswith(_PICTURES) and "html" not in kind


def is_error(headers: Headers, body: bytes) -> bool:
    """Whether a whole answer with status 200 says that something failed, whatever it was."""
    coding = coding_of(headers)
    text = body[:MOST_HELD]
    if coding:
        if not Inflater.knows(coding):
            return False
        text = b"".join(Inflater(coding, MOST_HELD).feed(text))
    text = text.removeprefix(_BOM)
    start = text[:_LONGEST_START].translate(None, _BLANKS)
    call = _CALL.match(start)
    if start.startswith(_STARTS) or (call is not None and start.startswith(_STARTS, call.end())):
        return True
    root = _ROOT.match(text[:SMALL])
    name = root[1].lower() if root else b""
    return name in _FAULT_ROOTS and (name != b"envelope" or _FAULT.search(text[:SMALL]) is not None)


def _page_signs(status: int, wanted: str, path: str) -> _PageSigns:
    """What in an HTML page tells that it stands for a rejected token."""
    if is_own_sign_in(path):
        return ()
    if status >= 400:
        return _FAILED_PAGE
    return _UNASKED_PAGE if wanted not in ("", "html") or has_no_pages(path) else _ASKED_PAGE


class Inspector:
    """Fed the raw bytes of a body until it knows; says PASS as early as it can. Made by `inspect`."""

    def __init__(
        self,
        coding: str,
        is_text: bool,
        is_html: bool,
        signs: _PageSigns,
        otherwise: Finding,
        secrets: tuple[str, ...],
    ) -> None:
        self._inflater = Inflater(coding, MOST_HELD) if coding else None
        self._is_text = is_text
        self._is_html = is_html
        self._signs = signs
        self._otherwise = otherwise
        self._secrets = secrets
        self._fed = 0
        self._seen = b""
        self._start = b""  # of what was seen, less the blanks
        self._may_be_whole = False  # the last piece could have closed the object
        self._found: Finding | None = None

    def feed(self, chunk: bytes) -> Finding | None:
        """A finding, or None while more is needed."""
        if self._found is None:
            # Counted as it came, too: a compressed body can go on for ever and become nothing.
            chunk = chunk[: MOST_HELD - self._fed]
            self._fed += len(chunk)
            for text in (chunk,) if self._inflater is None else self._inflater.feed(chunk):
                self._take(text)
                if (found := self._look(is_end=len(self._seen) >= MOST_HELD)) is not None:
                    return found
            if self._fed >= MOST_HELD or (self._inflater is not None and self._inflater.is_broken):
                return self._look(is_end=True)
        return self._found

    def finish(self) -> Finding:
        """The finding at the end of the body."""
        return self._found or self._look(is_end=True) or self._otherwise

    def _take(self, text: bytes) -> None:
        self._seen += text
        for at in range(0, len(text), _LONGEST_START):
            if len(self._start) >= _LONGEST_START:
                break
            self._start = (self._start + text[at : at + _LONGEST_START].translate(None, _BLANKS))[:_LONGEST_START]
        self._may_be_whole = b"}" in text

    def _look(self, *, is_end: bool) -> Finding | None:
        found = self._read(is_end=is_end)
        if found is None and is_end:
            found = PASSED
        self._found = self._otherwise if found is PASSED else found
        return self._found

    def _read(self, *, is_end: bool) -> Finding | None:
        if _BOM.startswith(self._start):
            return None
        start = self._start.removeprefix(_BOM)
        if start.startswith(b"<"):
            return self._markup(is_end=is_end) if self._is_text else PASSED
        if not start.startswith(b"{"):
            if not self._is_text:
                return PASSED
            call = _CALL.match(start)
            if call is None:
                is_call_so_far = len(start) < _LONGEST_START and _CALL_SO_FAR.fullmatch(start) is not None
                return None if is_call_so_far else PASSED
            start = start[call.end() :]
        if start.startswith(_STARTS):
            return self._error() if self._may_be_whole or is_end else None
        return None if any(whole.startswith(start) for whole in _STARTS) else PASSED

    def _error(self) -> Finding | None:
        """What begins as an error does is read to its end: only the whole can be understood."""
        text = self._seen[self._seen.index(b"{") :].decode("utf-8", "replace")
        try:
            document, _ = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return None
        key, value = next(iter(document.items()))
        if key == "error" and isinstance(value, dict):
            return self._of_code(value.get("code"), value.get("message"), value.get("details"))
        if key == "status":
            return self._of_code(document.get("code"), document.get("messages"), document.get("message"))
        return PASSED

    def _of_code(self, code: object, *words: object) -> Finding:
        """The finding of an error body; `words` are its messages and details, the better ones first."""
        if isinstance(code, str) and code.isascii() and code.isdecimal() and len(code) < 6:
            code = int(code)
        verdict = _VERDICTS.get(code) if isinstance(code, int | float) else None  # to JavaScript 498.0 is 498
        return PASSED if verdict is None else Finding(verdict, sentence(words, self._secrets))

    def _markup(self, *, is_end: bool) -> Finding | None:
        """HTML pages, and the faults of SOAP and OGC; other XML passes with its root element."""
        text = self._seen.removeprefix(_BOM).lstrip(_BLANKS)
        root = _ROOT.match(text[:SMALL])
        name = root[1].lower() if root else b""
        if self._is_html or name == b"html":
            return _of_page(text[:_PAGE_LOOK], self._signs) if is_end or len(text) >= _PAGE_LOOK else None
        if len(text) > SMALL or (name and name not in _FAULT_ROOTS):
            return PASSED
        fault = _FAULT_TEXT.search(text) if is_end and name else None
        if fault is None:
            return None
        return _INVALID if fault[1] else _REQUIRED


def _of_page(look: bytes, signs: _PageSigns) -> Finding:
    return next((finding for sign, finding in signs if sign.search(look)), PASSED)

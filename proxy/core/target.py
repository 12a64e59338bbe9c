"""Raw text to a canonical `Target`, or a refusal; nothing is repaired, and nobody parses the text a second time.

What is judged is what is sent: the parser works on the raw bytes and the `Target` it makes is the only form that
later steps see (every older proxy matched one string and sent another; Envoy CVE-2019-9901, Traefik
CVE-2025-32431, Oathkeeper GHSA-p224-6x5r-fjpm are the same mistake).
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

from proxy.errors import BadRequest
from proxy.urls import DEFAULT_PORTS, Origin, Target

_PRINTABLE: Final = re.compile(r"[\x21-\x7e]*")
_PLAIN_QUERY: Final = re.compile(r"[!$-;=?-\[\]_a-z~]+")  # printable, and none of `#` and what Tomcat dislikes
_SCHEME: Final = re.compile(r"(https?)://", re.IGNORECASE)
# Clients that encode the target as a whole (Cesium, Silverlight, Flex) encode its first colon.
_WHOLE_ENCODED: Final = re.compile(r"https?%3a", re.IGNORECASE)
_HOST: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")
_PERCENT: Final = re.compile(r"%(..?)?", re.DOTALL)
_PLAIN_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~!$&'()*+,=:@-]*)+")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{2}")

_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Encoded, these mean one thing to us and another to some server behind us.
_NEVER_ENCODED: Final = frozenset(b"/\\;%?#")
# Tomcat, under ArcGIS Server, answers 400 to these; browsers leave some of them bare.
_TOMCAT: Final = str.maketrans({c: f"%{ord(c):02X}" for c in '"<>\\^`{|}'})
_TOMCAT_DISLIKES: Final = re.compile(r"[\"<>\\^`{|}]")
_LONGEST_KEPT: Final = 512  # characters


def has_plain_base(raw: str) -> bool:
    """Whether `parse_request_target` takes what stands before the first `?` as it is: then it may be remembered."""
    return ("?" in raw or "&" not in raw) and _WHOLE_ENCODED.match(raw) is None


def parse_request_target(raw: str) -> Target:
    """The target of query mode: everything after the first `?` of the request line, as it came in.

    Also takes the target percent-encoded once as a whole, and `&` or `=&` where a missing second `?` belongs
    (OpenLayers, QGIS, Python clients). Raises BadRequest.
    """
    if _WHOLE_ENCODED.match(raw):
        raw = _decode_whole(raw)
    if "?" not in raw and "&" in raw:
        head, _, rest = raw.partition("&")
        raw = f"{head.removesuffix('=')}?{rest}"
    return parse_url(raw)


def parse_url(text: str) -> Target:
    """An absolute http or https URL in canonical form. Raises BadRequest with the reason."""
    base, _, query = text.partition("?")
    if not _PRINTABLE.fullmatch(base):
        raise _unprintable()
    if "#" in base:
        raise _fragment()
    origin, path = _place(base) if len(base) <= _LONGEST_KEPT else _parsed(base)
    return Target(origin, path, clean_query(query))


def is_plain_query(query: str) -> bool:
    """Whether `clean_query` gives it back as it is; an empty one is none."""
    return _PLAIN_QUERY.fullmatch(query) is not None


def clean_query(query: str) -> str | None:
    """What follows the first `?`, as it is sent. Raises BadRequest."""
    if is_plain_query(query):
        return query
    if not _PRINTABLE.fullmatch(query):
        raise _unprintable()
    if "#" in query:
        raise _fragment()
    # A lone `?` says nothing, and not every HTTP library can send one.
    return (query.translate(_TOMCAT) if _TOMCAT_DISLIKES.search(query) else query) or None


def _unprintable() -> BadRequest:
    return BadRequest(
        "The target URL has a character that must be percent-encoded.",
        "Encode blanks and letters outside ASCII (encodeURI does).",
    )


def _fragment() -> BadRequest:
    return BadRequest("The target URL has a fragment (#); leave it out.")


def _parsed(base: str) -> tuple[Origin, str]:
    scheme = _SCHEME.match(base)
    if scheme is None:
        raise BadRequest(
            "The target is not an absolute http or https URL.",
            "Write the whole URL after the question mark: /proxy?https://host/arcgis/rest/services/…",
        )
    authority, slash, path = base[scheme.end() :].partition("/")
    return _origin(scheme[1].lower(), authority), normal_path(slash + path or "/")


# A map asks for few places, with ever new queries
_place: Final = lru_cache(maxsize=8192)(_parsed)


def normal_path(path: str) -> str:
    """The normal form of a path: encoded unreserved characters decoded, hex digits upper-case, empty segments kept.

    Raises BadRequest for dot segments in any encoding, encoded or bare `\\` and `;`, encoded `/ % ? #` and
    controls, and bytes that are not UTF-8.
    """
    if _PLAIN_PATH.fullmatch(path):
        return path
    if "\\" in path or ";" in path:
        # Tomcat cuts path parameters off at `;`, Windows servers read `\` as `/`.
        raise BadRequest("The path of the target has a backslash or a semicolon, which are not allowed there.")
    normal = _PERCENT.sub(_normal_escape, path).translate(_TOMCAT)
    for segment in normal.split("/"):
        _check_segment(segment)
    return normal


def _normal_escape(match: re.Match[str]) -> str:
    digits = match[1]
    if digits is None or not _HEX.fullmatch(digits):
        raise BadRequest("The path of the target has a percent sign that is not followed by two hex digits.")
    byte = int(digits, 16)
    if byte in _UNRESERVED:
        return chr(byte)
    if byte in _NEVER_ENCODED or byte < 0x20 or byte == 0x7F:
        raise BadRequest("The path of the target has an encoded slash, percent sign, control or the like.")
    return f"%{digits.upper()}"


def _check_segment(segment: str) -> None:
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        # Overlong forms such as %C0%AE end here too.
        raise BadRequest("The path of the target is not UTF-8 after decoding.") from None
    if any("\x80" <= c <= "\x9f" for c in text):
        raise BadRequest("The path of the target has an encoded control character.")
    # Some servers fold fullwidth and one-character leaders to dots and slashes (NFKC), Windows drops blanks.
    folded = unicodedata.normalize("NFKC", text).replace("\\", "/")
    if any(part.strip() in (".", "..") for part in folded.split("/")):
        raise BadRequest("The path of the target has a dot segment ('.' or '..').")


@lru_cache(maxsize=1024)
def _origin(scheme: str, authority: str) -> Origin:
    if "@" in authority:
        raise BadRequest("The target URL has a user name; credentials belong into the proxy's configuration.")
    host, colon, port = authority.partition(":")
    host = host.lower()
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise BadRequest("The host of the target is not a plain host name.")
    if not colon:
        return Origin(scheme, host, DEFAULT_PORTS[scheme])
    if not _PORT.fullmatch(port) or int(port) > 65535:
        raise BadRequest("The port of the target is not a number from 1 to 65535.")
    return Origin(scheme, host, int(port))


def _decode_whole(raw: str) -> str:
    """Decodes exactly once, by the percent rules alone: `+` stays `+`."""
    if not all(match[1] and _HEX.fullmatch(match[1]) for match in _PERCENT.finditer(raw)):
        raise BadRequest("The percent-encoded target has a percent sign that is not followed by two hex digits.")
    # Latin-1 keeps each byte one character; whatever is not printable ASCII is refused by `parse_url`.
    return unquote_to_bytes(raw).decode("latin-1")

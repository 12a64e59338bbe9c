"""What a request's Content-Type says about its body, read strictly: what two readers could take for two things is
refused, since the server behind us would read it its own way. Looks at no body.
"""

import re
from typing import Final

from proxy import names
from proxy.core.inflate import coding_of
from proxy.errors import BadRequest
from proxy.traffic import Headers

_KIND: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_BOUNDARY: Final = re.compile(
    r"multipart/form-data[ \t]*;[ \t]*boundary=(?:([0-9a-z_.+-]{1,70})|\"([0-9a-z_.+/=:?,()-]{1,70})\")", re.IGNORECASE
)
_CHARSET: Final = re.compile(r"charset\*?\s*=\s*[\"']?\s*([^\"';,\s]*)", re.IGNORECASE)
# In these the bytes of ASCII are ASCII: what was judged is what is read
_PLAIN_CHARSETS: Final = frozenset(("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"))


def kind_of(content_type: str) -> str:
    """The media type without its parameters, lower-case."""
    return content_type.partition(";")[0].strip().lower()


def is_form(content_type: str) -> bool:
    return kind_of(content_type) == names.FORM_TYPE


def is_multipart(content_type: str) -> bool:
    return kind_of(content_type) == names.MULTIPART_TYPE


def is_json(content_type: str) -> bool:
    """JSON of any kind: some servers take the keys of its object for parameters (Koop)."""
    return "json" in kind_of(content_type)


def check(headers: Headers) -> None:
    """Raises BadRequest for a Content-Type or a Content-Encoding that would hide from us what the server reads."""
    content_type = headers.get(names.CONTENT_TYPE, "")
    kind = kind_of(content_type)
    if kind and not _KIND.fullmatch(kind):
        raise _refused("The Content-Type of the request is no media type.")
    if kind.startswith(names.FORM_TYPE) and kind != names.FORM_TYPE:
        raise _refused(f"The Content-Type {names.FORM_TYPE} is misspelled.")  # ASP.NET and PHP look at its beginning
    if kind.startswith("multipart/"):
        boundary_of(content_type)  # Java's servers look at no more than "multipart/"
    if has_foreign_charset(content_type):
        raise _refused("A request body is taken in UTF-8 alone.")
    if coding_of(headers) and (kind in (names.FORM_TYPE, names.MULTIPART_TYPE) or _is_data(kind)):
        raise _refused("The request body is compressed, and cannot be judged.", "Send it without Content-Encoding.")


def boundary_of(content_type: str) -> bytes:
    """The boundary of a multipart form: its one parameter, plain or plainly quoted. Raises BadRequest."""
    match = _BOUNDARY.fullmatch(content_type.strip())
    if match is None:
        raise _refused("Of multipart bodies, only “multipart/form-data; boundary=…” is taken.")
    return (match[1] or match[2]).encode("ascii")


def has_foreign_charset(content_type: str) -> bool:
    """Whether it names a charset in which the bytes of ASCII may stand for something else (UTF-16, ISO-2022-JP)."""
    return any(charset.lower() not in _PLAIN_CHARSETS for charset in _CHARSET.findall(content_type))


def _is_data(kind: str) -> bool:
    return "json" in kind or "xml" in kind


def _refused(message: str, *details: str) -> BadRequest:
    return BadRequest(message, *details, slug="bad_body")

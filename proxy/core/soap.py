"""Which element an XML request body begins with. A scanner for the head alone, without entities, namespaces or
repair: what it does not understand has no name, and no name is an edit.
"""

import re
from typing import Final

from proxy.core import operation_table as table

_LOOK: Final = 8192
_BLANKS: Final = b" \t\r\n"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00<")
# Comments and instructions (1: what is in the instruction), or a tag: 2 its slash, 3 its local name, 4 the rest.
_MARK: Final = re.compile(
    rb"<(?:!--.*?-->|\?(.*?)\?>|(/?)(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)(?=[\s/>])"
    rb"((?:[^<>\"']++|\"[^<\"]*+\"|'[^<']*+')*+)>)",
    re.DOTALL,
)
# One repeat: with blanks taken off on either side of it, every way to part them would be tried
_ENCODING: Final = re.compile(rb"encoding\s*=\s*[\"']([^\"']*)[\"']")
_REFERENCE: Final = re.compile(r"&#([xX])?0*((?(1)[0-9a-fA-F]{1,6}|[0-9]{1,6}));")
# In these the bytes of a tag are those of ASCII; others may hide one from us.
_PLAIN_ENCODINGS: Final = frozenset((b"utf-8", b"utf8", b"us-ascii", b"ascii", b"iso-8859-1", b"windows-1252"))


def soap_element(prefix: bytes) -> str | None:
    """The first element of a SOAP Body, or the root of an OGC request, without its prefix, from the first 8 KiB.

    None where the body is no XML; "" where it is XML and its meaning is not certain (a document type, another
    encoding, text where none belongs, a head that does not end).
    """
    if prefix.startswith(_UTF16):
        return ""
    look = prefix[:_LOOK].removeprefix(b"\xef\xbb\xbf").lstrip(_BLANKS)
    if not look.startswith(b"<"):
        return None
    depth, at = 0, 0
    is_in_body = False
    while True:
        mark = _MARK.match(look, at)
        if mark is None:
            return ""
        at = look.find(b"<", mark.end())
        name = mark[3]
        if name is None:
            encoding = _ENCODING.search(mark[1] or b"")
            if encoding is not None and encoding[1].strip().lower() not in _PLAIN_ENCODINGS:
                return ""
        elif mark[2]:
            depth -= 1
        elif depth == 0 and name != b"Envelope":
            return _ogc_root(name)
        elif depth == 2 and is_in_body:
            return name.decode("ascii")
        else:
            is_in_body = name == b"Body" if depth == 1 else is_in_body
            if depth == 1 and name not in (b"Header", b"Body"):
                return ""
            depth += 0 if mark[4].endswith(b"/") else 1
        is_between = depth < 2 or is_in_body
        if at < 0 or depth < 0 or (is_between and look[mark.end() : at].strip(_BLANKS)):
            return ""


def plain_text(body: bytes) -> str:
    """A body as its reader has it, with character references written out: for looking for words in it."""
    text = body.decode("utf-8", "replace")
    return _REFERENCE.sub(_referred, text) if "&#" in text else text


def _referred(match: re.Match[str]) -> str:
    number = int(match[2], 16) if match[1] else int(match[2])
    return chr(number) if number < 128 else match[0]


def _ogc_root(name: bytes) -> str:
    text = name.decode("ascii")
    return text if text.lower() in table.OGC_READ | table.OGC_EXECUTE else ""

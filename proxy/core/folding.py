"""How a name reads to a server that compares without letter case and normalises: one folding, for paths and for
parameters.
"""

import unicodedata
from urllib.parse import unquote


def folded(text: str) -> str:
    """`text` in lower case; what is not ASCII is folded further: "ſ" and "ı" are "s" and "i" to a server that compares
    without case, and full-width letters are letters to one that normalises."""
    text = text.lower()
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u0131", "i")
    return text.replace("i\u0307", "i")


def segments_of(path: str) -> list[str]:
    """A path's segments as servers may compare them: empty ones fall out, and Windows drops dots and blanks behind a
    name."""
    text = folded(unquote(path) if "%" in path else path)
    return [segment.strip(" .") or segment for segment in text.split("/") if segment]

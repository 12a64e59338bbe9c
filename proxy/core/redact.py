"""Takes a secret that an upstream echoes out of a text as it streams by. Pure; knows no headers but their values.

What is taken out is replaced by as many `x`: a text keeps its length, and so its framing, its ranges and its grammar.
Seen in the wild: capabilities documents, `href`s and error pages that repeat the request's URL with its token.
"""

from typing import Final

from proxy.core.forms import forms_of
from proxy.core.remembering import remembered

_PIECE: Final = 64 * 1024  # bytes that are looked through at a time
# "multipart/": several ranges of one; "mpegurl": a video's playlist, whose lines repeat the query it was asked with
_TEXTUAL: Final = (
    *("json", "text/", "script", "xml", "html", "form-urlencoded", "multipart/", "gml", "kml", "yaml", "csv"),
    *("mpegurl", "rtf", "sdp", "wkt"),
)


@remembered(256)
def is_text(content_type: str) -> bool:
    """Whether a body of this type is looked through: text, or what does not say what it is."""
    lower = content_type.lower()
    return not lower or any(kind in lower for kind in _TEXTUAL)


class Redactor:
    """Fed the pieces of one body in the clear. `count` is how many stretches were taken out: what of secrets overlaps
    or touches is one. However a body is cut, the same comes of it."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._forms = forms_of(secrets)
        self._held = b""  # as it came
        self._taken = -1  # of what is held, so much is in a stretch that is counted; -1: what was before it is none
        self.count = 0

    def feed(self, piece: bytes) -> bytes:
        """What can be sent on: all but an end that may be the beginning of a secret."""
        if len(piece) <= _PIECE:
            return self._look(piece, is_end=False)
        return b"".join(self._look(piece[at : at + _PIECE], is_end=False) for at in range(0, len(piece), _PIECE))

    def finish(self) -> bytes:
        """The rest."""
        return self._look(b"", is_end=True)

    @property
    def is_holding(self) -> bool:
        """Whether the end of what was fed may be the beginning of a secret."""
        return bool(self._held)

    def _look(self, piece: bytes, *, is_end: bool) -> bytes:
        text = self._held + piece if self._held else piece
        stretches, cut = self._forms.look(text, is_end=is_end)
        self._held = text[cut:]
        if not stretches and self._taken < 0:
            return text[:cut]
        return self._filled(text, stretches, cut)

    def _filled(self, text: bytes, stretches: list[tuple[int, int]], cut: int) -> bytes:
        """The text up to the cut, less the stretches that begin before it."""
        clean = bytearray(text)
        taken = self._taken
        clean[: max(taken, 0)] = b"x" * max(taken, 0)
        for start, end in stretches:
            if start >= cut:
                break
            self.count += start > taken
            clean[start:end] = b"x" * (end - start)
            taken = max(taken, end)
        self._taken = max(taken - cut, -1)
        return bytes(clean[:cut])


def whole_without(text: bytes, secrets: tuple[str, ...]) -> tuple[bytes, int]:
    """A whole body less the secrets, and how many stretches were taken out."""
    if not forms_of(secrets).may_be_in(text):
        return text, 0
    redactor = Redactor(secrets)
    return redactor.feed(text) + redactor.finish(), redactor.count


def without_secrets(value: str, secrets: tuple[str, ...]) -> str:
    """A header's value, or another short text, less the secrets."""
    clean, count = whole_without(value.encode("latin-1", "replace"), secrets)
    return clean.decode("latin-1") if count else value


def words_without(text: str, secrets: tuple[str, ...], *, longest: int) -> str:
    """The first `longest` characters of a sentence, less the secrets; and less an end that may be the beginning of one
    where the sentence was cut."""
    redactor = Redactor(secrets)
    found = redactor.feed(text[:longest].encode("utf-8", "surrogatepass"))
    if len(text) <= longest:
        found += redactor.finish()
    return found.decode("utf-8", "surrogatepass")

"""Takes a secret that an upstream echoes out of a text as it streams by. Pure; knows no headers but their values.

What is taken out is replaced by as many `x`: a text keeps its length, and so its framing, its ranges and its grammar.
Seen in the wild: capabilities documents, `href`s and error pages that repeat the request's URL with its token.
"""

import re
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.core.remembering import remembered

_SHORTEST: Final = 6  # characters; shorter secrets are words of the language
_LONGEST_CHARACTER: Final = 48  # bytes of one character in its longest spelling: four times `%25252581`
_FIRST: Final = 4  # characters by which a beginning is known
_RUN: Final = re.compile(r"[0-9A-Za-z]+")  # these are the same in every form
_NOTHING: Final = re.compile(rb"(?!)")
_LONG: Final = 16  # bytes of letters and digits that most texts have nowhere together
_LONGEST_RUN: Final = 64
_LETTER: Final = b"x"
# Letters, digits and what else base64 has, all as one; anything else as a blank
_AS_RUNS: Final = bytes(_LETTER[0] if re.match(rb"[0-9A-Za-z+/_-]", bytes((c,))) else 0x20 for c in range(256))
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
    """Fed the pieces of one body in the clear. `count` is how often something was taken out."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._forms = _forms(secrets)
        self._held = b""
        self.count = 0

    def feed(self, piece: bytes) -> bytes:
        """What can be sent on: all but an end that may be the beginning of a secret."""
        text = self._emptied(self._held + piece if self._held else piece)
        cut = self._forms.safe(text)
        self._held = text[cut:]
        return text[:cut]

    def finish(self) -> bytes:
        """The rest."""
        held, self._held = self._held, b""
        return held

    @property
    def is_holding(self) -> bool:
        """Whether the end of what was fed may be the beginning of a secret."""
        return bool(self._held)

    def _emptied(self, text: bytes) -> bytes:
        if not self._forms.may_be_in(text):
            return text
        text, count = self._forms.whole.subn(_filled, text)
        self.count += count
        return text


def whole_without(text: bytes, secrets: tuple[str, ...]) -> tuple[bytes, int]:
    """A whole body less the secrets, and how many they were."""
    forms = _forms(secrets)
    return forms.whole.subn(_filled, text) if forms.may_be_in(text) else (text, 0)


def without_secrets(value: str, secrets: tuple[str, ...]) -> str:
    """A header's value, or another short text, less the secrets."""
    raw = value.encode("latin-1", "replace")
    forms = _forms(secrets)
    return forms.whole.sub(_filled, raw).decode("latin-1") if forms.may_be_in(raw) else value


def words_without(text: str, secrets: tuple[str, ...], *, longest: int) -> str:
    """The first `longest` characters of a sentence, less the secrets; and less an end that may be the beginning of one
    where the sentence was cut."""
    redactor = Redactor(secrets)
    found = redactor.feed(text[:longest].encode("utf-8", "surrogatepass"))
    if len(text) <= longest:
        found += redactor.finish()
    return found.decode("utf-8", "surrogatepass")


def _filled(match: re.Match[bytes]) -> bytes:
    return b"x" * len(match[0])


@dataclass(frozen=True, slots=True)
class _Forms:
    """Everything that some secrets may look like. `needles`: no form is without one of these; none = not known. `run`:
    as many letters together as each of them has but for a zero; empty where that is few."""

    whole: re.Pattern[bytes]
    starts: re.Pattern[bytes]
    longest: int
    needles: tuple[bytes, ...]
    run: bytes = b""

    def may_be_in(self, text: bytes) -> bool:
        """A quick look: most texts have no part of a secret. Its first half takes a fifth of the second."""
        if self.run and self.run not in text.translate(_AS_RUNS):
            return b"\0" in text
        for needle in self.needles:  # a loop: `any` would cost as much as the looking
            if needle in text:
                return True
        return not self.needles

    def safe(self, text: bytes) -> int:
        """Where, near the end, something begins that may be a secret; the length where nothing does."""
        match = self.starts.search(text, max(0, len(text) - self.longest))
        return match.start() if match else len(text)


@lru_cache(maxsize=1024)
def _forms(secrets: tuple[str, ...]) -> _Forms:
    usable = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)
    spelled = [[_spellings(character) for character in secret] for secret in usable]
    encoded = [form for secret in usable for form in (*_base64(secret), *_hex(secret))]
    wide = [form for secret in usable for form in _utf16(secret)]
    wholes = spelled + [[(re.escape(form[at : at + 1]),) for at in range(len(form))] for form in (*encoded, *wide)]
    if not wholes:
        return _Forms(_NOTHING, _NOTHING, 0, (b"\0",))
    runs = [max(_RUN.findall(secret), key=len, default="").encode() for secret in usable]
    is_known = all(len(run) >= _FIRST for run in runs)
    shortest = min(map(len, (*runs, *encoded)))
    return _Forms(
        whole=re.compile(b"|".join(b"".join(_one_of(each) for each in characters) for characters in wholes)),
        starts=re.compile(b"|".join(_beginning(characters[:_FIRST]) for characters in wholes)),
        longest=max(sum(1 if len(each) == 1 else _LONGEST_CHARACTER for each in characters) for characters in wholes),
        # Two of UTF-16 would each cost as much as all zeros, which hardly any text has
        needles=(b"\0", *runs, *encoded) if is_known else (),
        run=_LETTER * min(shortest, _LONGEST_RUN) if shortest >= _LONG else b"",
    )


def _spellings(character: str) -> tuple[bytes, ...]:
    """A character of a secret in percent, JSON, XML and HTML forms, some of them encoded more than once."""
    plain = character.encode()
    if _RUN.fullmatch(character):
        return (plain,)
    percent = b"".join(rb"(?:%%|&#37;)(?:25){0,3}%02X" % byte for byte in plain)
    # JSON within JSON has more than one backslash; scripts have \x2F
    forms = [re.escape(plain), b"(?i:" + percent + b")"]
    forms.append(b"(?i:" + b"".join(rb"\\{1,7}u%04x" % unit for unit in _units(character)) + b")")
    forms += [rb"(?i:\\{1,7}x%02x)" % byte for byte in plain] if len(plain) == 1 else []
    forms += [rb"&#0*%d;" % ord(character), rb"(?i:&#x0*%x;)" % ord(character)]
    named = {"&": b"&amp;", "<": b"&lt;", ">": b"&gt;", '"': b"&quot;", "'": b"&apos;", "/": rb"\\{1,7}/", " ": rb"\+"}
    if character in named:
        forms.append(named[character])
    if character in '\\"':
        forms.append(rb"\\{1,7}" + re.escape(plain))
    return tuple(forms)


def _units(character: str) -> tuple[int, ...]:
    raw = character.encode("utf-16-be")
    return tuple(int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))


def _base64(secret: str) -> list[bytes]:
    """What a secret is inside base64 of something longer, at each of the three alignments, less the characters that
    its neighbours have a part in."""
    raw = secret.encode()
    found: list[bytes] = []
    for shift in range(3):
        whole = b64encode(b"\0" * shift + raw)
        first = (0, 2, 3)[shift]
        last = len(whole) - (0, 3, 2)[(len(raw) + shift) % 3]
        found += [whole[first:last], whole[first:last].replace(b"+", b"-").replace(b"/", b"_")]
    return list(dict.fromkeys(found))


def _hex(secret: str) -> list[bytes]:
    """As dumps have it."""
    written = secret.encode().hex()
    return [written.encode(), written.upper().encode()]


def _utf16(secret: str) -> list[bytes]:
    """As texts of Windows have it."""
    return [secret.encode("utf-16-le"), secret.encode("utf-16-be")]


def _one_of(forms: tuple[bytes, ...]) -> bytes:
    return forms[0] if len(forms) == 1 else b"(?:" + b"|".join(forms) + b")"


def _beginning(characters: list[tuple[bytes, ...]]) -> bytes:
    """These characters; or fewer, and then the text ends."""
    pattern = b""
    for forms in reversed(characters):
        cut = rb"\Z"
        if len(forms) > 1:
            # In the middle of an encoded character, or of the bytes of one beyond ASCII
            bytes_of_it = [forms[0][:end] for end in range(1, len(forms[0])) if forms[0][0] >= 0x80]
            cut = b"(?:" + b"|".join([rb"[%&\\][#%&\\;0-9A-Za-z]{0,47}", *bytes_of_it]) + rb")?\Z"
        pattern = b"(?:" + _one_of(forms) + pattern + b"|" + cut + b")"
    # not the empty end itself
    return rb"(?!\Z)" + pattern

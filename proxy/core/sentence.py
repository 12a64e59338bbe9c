"""The upstream's own words, as far as an answer of ours may repeat them: one short sentence without secrets."""

import re
from collections.abc import Iterable
from typing import Final

from proxy.core.redact import words_without

_LONGEST_TEXT: Final = 4096
_LONGEST_SENTENCE: Final = 300
_LONG_RUN: Final = re.compile(r"[\w+=~-]{32,}")


def sentence(words: Iterable[object], secrets: tuple[str, ...]) -> str:
    """The upstream's own words, less the secrets that they repeat. Long runs without a blank are left out, they may be
    a token; so is "ssl", in any letter case: where the JavaScript SDK reads it in a refusal, it asks again over https.
    """
    flat = (word for part in words for word in (part if isinstance(part, list) else [part]))
    text = next((word for word in flat if isinstance(word, str) and word.strip()), "")
    text = words_without(text, secrets, longest=_LONGEST_TEXT)  # as it came: later it may be in pieces
    text = "".join(letter if letter.isprintable() and letter not in "<>" else " " for letter in text)
    text = _LONG_RUN.sub("…", " ".join(text.split()))
    while "ssl" in text.lower():
        text = re.sub("ssl", "TLS", text, flags=re.IGNORECASE)
    return text[:_LONGEST_SENTENCE].strip()

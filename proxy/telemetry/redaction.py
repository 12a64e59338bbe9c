"""Takes out of a text whatever looks like a credential. The second net under the log, and no reason to write one:
nothing of ours logs a secret, a library's message might. Pure; knows no log."""

import re
from functools import lru_cache
from typing import Final

# Wide on purpose: a line that lost a harmless word is better than one that kept a token. The names also end longer
# ones (access_token, x-esri-authorization); plurals are left alone.
_KEY: Final = r"token|passw(?:or)?d|passphrase|pwd|secret|api[_-]?key"
_HEADER: Final = r"authorization|cookie"
# `=`, `:`, an encoded one, or the comma of a pair as Python prints it; quotes may be escaped, as JSON in JSON is.
_SEPARATOR: Final = r"""(\\*["']?\s*(?:=|:|%(?:25)*3[ad]|,(?=\s*b?\\*["']))\s*)"""
_QUOTED: Final = r"""b?\\*"[^"]*|b?\\*'[^']*"""
# After "password: " a complaint goes on in words.
_BARE: Final = r"""(?!(?:the|this|there|must|is|an?|not?|write|missing|unknown)\s)[^\s&"'<>]+"""
_SECRETS: Final = re.compile(
    rf"({_HEADER}){_SEPARATOR}(?:{_QUOTED}|[^\r\n]*)"  # a header's value goes on to the end of its line
    rf"|({_KEY}){_SEPARATOR}(?:{_QUOTED}|{_BARE})"
    r"""|(bearer)(\s+)[^\s"']+"""
    r"|(://)()[^\s/@]*(?=@)",  # user and password in a URL
    re.IGNORECASE,
)
_NAMES: Final = re.compile(rf"{_KEY}|{_HEADER}", re.IGNORECASE)
# One of these is in every match: most texts need no more than a look for them.
_HINTS: Final = ("token", "passw", "passphrase", "pwd", "secret", "api", "authorization", "cookie", "bearer", "@")


def redact(text: str) -> tuple[str, int]:
    """`text` without the values of what looks like credentials, and how many they were."""
    lower = text.lower()
    if not any(hint in lower for hint in _HINTS):
        return text, 0
    return _SECRETS.subn(_emptied, text)


@lru_cache(256)
def names_a_secret(name: str) -> bool:
    """Whether a field of this name is never shown, whatever it holds."""
    return _NAMES.search(name) is not None


def _emptied(match: re.Match[str]) -> str:
    return "".join(group for group in match.groups() if group) + "…"

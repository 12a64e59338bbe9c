"""Whose proxy.config a file is: told, seen by what stands in or beside it, or guessed and said so."""

import re
from pathlib import Path
from types import ModuleType
from typing import Final

from proxy.errors import ConfigurationError
from proxy.settings.legacy import dotnet, java, php
from proxy.settings.legacy.nouns import Old, Report

DIALECTS: Final[dict[str, ModuleType]] = {"dotnet": dotnet, "java": java, "php": php}
# Beside the file, seen from it
_PROGRAMS: Final = {"dotnet": "proxy.ashx", "php": "proxy.php", "java": "../../proxy.jsp"}
_Signs = tuple[tuple[str, re.Pattern[str]], ...]
_LEVEL: Final = r"\blogLevel\s*=\s*[\"']"
_CERTAIN: Final[_Signs] = (
    ("dotnet", re.compile(r"\bxmlns\s*=\s*[\"']proxy\.xsd")),
    ("dotnet", re.compile(_LEVEL + r"(?:Error|Warning|Info|Verbose|Off)[\"']")),
    ("java", re.compile(_LEVEL + r"(?:SEVERE|WARNING|INFO|CONFIG|FINE|FINER|FINEST|ALL|OFF)[\"']")),
    ("php", re.compile(_LEVEL + r"[0-3][\"']", re.IGNORECASE)),
    ("php", re.compile(r"<(?!ProxyConfig\b)(?i:proxyconfig)\b")),  # the others look at letter case
)
# What only one of them looked at; but people wrote it for the others, too
_LIKELY: Final[_Signs] = (
    ("dotnet", re.compile(r"\b(?:accessToken|tokenParamName|useAppPoolIdentity|domain)\s*=")),
    ("java", re.compile(r"\btokenServiceUri\s*=")),
)


def read(text: str, path: Path, told: str | None, report: Report) -> Old:
    """The old configuration, read as its program did. Raises ConfigurationError."""
    begin = text.lstrip()[:1]
    if begin not in ("<", "{", "["):
        what = f"{path}:1: this is neither XML nor JSON; name the old proxy's proxy.config"
        raise ConfigurationError([what])
    name = told or _seen(text, path)
    if name is None:
        name = "dotnet"
        report.changed(
            "Whose file this is cannot be told: it was read as the .NET proxy's. Say --from java or --from php if it "
            "is theirs: the same words mean other things there."
        )
    try:
        found: Old = DIALECTS[name].read(text, str(path), report)
    except ConfigurationError as error:
        if name == "dotnet" and told is None:
            hint = "; if it was the Java proxy's, which read no XML, say --from java"
            raise ConfigurationError([f"{error.complaints[0]}{hint}"]) from None
        raise
    return found


def _seen(text: str, path: Path) -> str | None:
    """By the program beside it, else by what only one of them knows."""
    if php.is_json(text):
        return "php"
    beside = [name for name, program in _PROGRAMS.items() if (path.parent / program).is_file()]
    if len(beside) == 1:
        return beside[0]
    if path.resolve().parts[-3:-1] == ("WEB-INF", "classes"):
        return "java"
    plain = "".join(re.split(r"<!--|-->", text)[::2])
    for signs in (_CERTAIN, _LIKELY):
        seen = {name for name, sign in signs if sign.search(plain)}
        if seen:
            return seen.pop() if len(seen) == 1 else None
    return None

"""The new configuration as a commented YAML text, and its secrets beside it. The one place of migration where a secret
is written out; stores nothing."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from proxy.settings.legacy.nouns import Account, Finding, Level, New, NewRule

Keeping = Literal["env", "file", "inline"]

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*|https?://[A-Za-z0-9_.-]+(?::[0-9]+)?(?:/[A-Za-z0-9_./-]*)?")
_WORDS: Final = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))  # YAML reads them as others
_SHELL: Final = re.compile(r"[A-Za-z0-9_./:@%+,=-]+")
_WIDTH: Final = 118
_NAMES: Final = {"password": "PASSWORD", "clientSecret": "SECRET", "accessToken": "TOKEN"}
_KINDS: Final = {"oauth": "app", "token": "key", "negotiate": "machine"}


@dataclass(frozen=True, slots=True)
class Written:
    """The text, and the files that go with it: name (relative to the text's folder) and content."""

    text: str
    beside: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...]  # names of what has to be set, or of the files


class Writer:
    """One rendering. `folder` is where secret files will be, for `file`."""

    def __init__(self, new: New, numbered: list[tuple[int, Finding]], keeping: Keeping, folder: Path) -> None:
        self._new, self._numbered, self._keeping, self._folder = new, numbered, keeping, folder
        self._accounts = _named(new.rules)
        self._values: dict[str, str] = {}

    def render(self, title: str, stem: str) -> Written:
        """`stem` names the files beside it, such as proxy.env."""
        lines = [*self._head(title), *self._general(), *self._credentials(), *self._rules()]
        text = "\n".join(lines) + "\n"
        if self._keeping == "inline":
            return Written(text, (), ())
        if self._keeping == "file":
            beside = tuple((f"secrets/{name.lower()}", f"{value}\n") for name, value in self._values.items())
            return Written(text, beside, tuple(name for name, _ in beside))
        env = "".join(f"{name}={_shell(value)}\n" for name, value in self._values.items())
        return Written(text, ((f"{stem}.env", env),) if env else (), tuple(self._values))

    def _head(self, title: str) -> Iterator[str]:
        yield from _comment(title)
        yield from _comment("What differs for every file: config/guide/migrating.md")
        for number, finding in self._numbered:
            if finding.entry is None:
                yield from _comment(sentence(number, finding))
        yield ""

    def _general(self) -> Iterator[str]:
        yield "# server:"
        yield "#   paths: [/proxy, /proxy.ashx] # all of them, if your apps ask elsewhere, as at /DotNet/proxy.ashx"
        yield f"mustMatch: {str(self._new.must_match).lower()}"
        yield "allowedReferers:"
        yield from (f"  - {_scalar(page)}" for page in self._new.referers)
        if self._new.log_level is not None:
            yield f"log: {{level: {self._new.log_level}}}"

    def _credentials(self) -> Iterator[str]:
        if self._accounts:
            yield "credentials:"
        for account, name in self._accounts.items():
            yield f"  {_scalar(name)}:"
            if account.kind != "arcgis":
                yield f"    type: {account.kind}"
            for key, value in account.keys:
                yield f"    {key}: {_scalar(_literal(value))}"
            for key, secret in account.secrets:
                yield f"    {key}: {self._secret(_variable(name, key), secret.reveal())}"

    def _secret(self, variable: str, value: str) -> str:
        if self._keeping == "inline":
            return _scalar(_literal(value), always=True)
        self._values[variable] = value
        if self._keeping == "env":
            return f'"${{{variable}}}"'
        return _scalar(f"${{file:{self._folder / 'secrets' / variable.lower()}}}", always=True)

    def _rules(self) -> Iterator[str]:
        yield "# access: the old proxy let every request through; `read` is enough for most maps"
        yield "serverUrls:"
        for rule in self._new.rules:
            yield from self._about(rule.entry.number, "  ")
            yield from self._rule(rule)
        for entry in self._new.left_out:
            yield f"  # left out{f', line {entry.line}' if entry.line else ''}:"
            yield from self._about(entry.number, "  ")

    def _rule(self, rule: NewRule) -> Iterator[str]:
        yield f"  - url: {_scalar(rule.url)}"
        if not rule.match_all:
            yield "    matchAll: false"
        if rule.account is not None:
            yield f"    credential: {_scalar(self._accounts[rule.account])}"
        for key, value in rule.keys.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            yield f"    {key}: {_scalar(_literal(text)) if isinstance(value, str) else text}"

    def _about(self, entry: int, indent: str) -> Iterator[str]:
        for number, finding in self._numbered:
            if finding.entry == entry:
                yield from _comment(sentence(number, finding), indent)


def numbered(findings: list[Finding]) -> list[tuple[int, Finding]]:
    """From 1: those of the whole file first, then entry by entry."""
    ordered = sorted(findings, key=lambda finding: -1 if finding.entry is None else finding.entry)
    return list(enumerate(ordered, 1))


def sentence(number: int, finding: Finding) -> str:
    """A finding as people read it."""
    line = f", line {finding.line}" if finding.line else ""
    return f"[{number}] {finding.level.value}{line}: {finding.what}"


def has_changes(findings: list[Finding]) -> bool:
    """Whether the new proxy will do something else."""
    return any(finding.level is Level.CHANGED for finding in findings)


def _named(rules: list[NewRule]) -> dict[Account, str]:
    """A name for each credential, and one credential for all that are equal."""
    found: dict[Account, str] = {}
    for rule in rules:
        if rule.account is None or rule.account in found:
            continue
        user = dict(rule.account.keys).get("username", "").rpartition("\\")[2]
        base = re.sub(r"[^a-z0-9]+", "-", user.lower()).strip("-") or _KINDS.get(rule.account.kind, "user")
        count, name = 1, base
        while name in found.values():
            count += 1
            name = f"{base}-{count}"
        found[rule.account] = name
    return found


def _variable(name: str, key: str) -> str:
    word = re.sub(r"[^A-Z0-9]", "_", name.upper())
    return f"{'' if word[0].isalpha() else 'USER_'}{word}_{_NAMES[key]}"


def _comment(text: str, indent: str = "") -> list[str]:
    # Words alone: a line break in a value of the old file must not end the comment
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    lines = textwrap.wrap(words, _WIDTH - len(indent) - 4, break_on_hyphens=False)
    return [f"{indent}# {'  ' if number else ''}{line}" for number, line in enumerate(lines)]


def _literal(text: str) -> str:
    """Text in which nothing is a reference."""
    return text.replace("${", "$${")


def _scalar(text: str, *, always: bool = False) -> str:
    """Text as YAML, in quotes unless it is plainly a word."""
    if not always and _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08X}"


def _shell(text: str) -> str:
    """A value for `docker compose` and for a shell that reads the file."""
    if _SHELL.fullmatch(text):
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + re.sub(r'([\\"$`])', r"\\\1", text) + '"'

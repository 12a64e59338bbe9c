"""What migration speaks of: the old file as its program read it, the new one, and what is told about the way. Frozen
values and one list of findings; nothing here decides."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.secret import Secret


class Level(enum.Enum):
    """How much a finding weighs."""

    CHANGED = "changed"  # the new proxy will do something else
    NOTE = "note"  # nothing changes for a request; or it is for the operator to do


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence of the report. `line` is the old file's (0: none); `entry` the number of its serverUrl, from 0."""

    line: int
    level: Level
    what: str
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """One of the old programs: where its reading differs from the others'."""

    name: str  # as in --from
    program: str  # in sentences
    attributes: frozenset[str]  # those of a serverUrl that it looked at
    levels: Mapping[str, str]  # its log levels, lower-case, as ours
    truth: Callable[[str], bool | None]  # None: the program did not start with it
    match_all: bool  # what a missing matchAll meant
    last_wins: bool = False  # of several entries that match; else the first one did
    as_text: bool = False  # URLs were compared letter by letter, not on whole segments


@dataclass(slots=True)
class OldEntry:
    """A serverUrl, under the names that Esri's documentation has."""

    attributes: dict[str, str]
    line: int
    number: int


@dataclass(slots=True)
class Report:
    """Findings, in the order in which they were made."""

    findings: list[Finding] = field(default_factory=list)

    def changed(self, what: str, line: int = 0, entry: OldEntry | None = None) -> None:
        """The new proxy will do something else."""
        self._add(Level.CHANGED, what, line, entry)

    def note(self, what: str, line: int = 0, entry: OldEntry | None = None) -> None:
        """Good to know, or to do."""
        self._add(Level.NOTE, what, line, entry)

    def _add(self, level: Level, what: str, line: int, entry: OldEntry | None) -> None:
        at = entry.line if entry is not None else line
        self.findings.append(Finding(at, level, what, entry.number if entry is not None else None))


@dataclass(slots=True)
class Old:
    """A whole proxy.config."""

    traits: Traits
    attributes: dict[str, str]
    line: int
    entries: list[OldEntry]


@dataclass(frozen=True, slots=True)
class Account:
    """A credential of the new file; equal ones are one. Keys and values as they will stand there."""

    kind: str
    keys: tuple[tuple[str, str], ...]
    secrets: tuple[tuple[str, Secret], ...] = ()  # these are moved elsewhere


@dataclass(slots=True)
class NewRule:
    """A serverUrls entry of the new file. `keys` are written as they are."""

    entry: OldEntry
    url: str
    match_all: bool
    account: Account | None
    keys: dict[str, str | int | bool] = field(default_factory=dict)

    @property
    def effect(self) -> tuple[object, ...]:
        """What makes it matter which of two rules applies."""
        return (self.account, *self.keys.items())


@dataclass(slots=True)
class New:
    """What becomes of the old file."""

    must_match: bool
    referers: list[str]
    log_level: str | None
    rules: list[NewRule]
    left_out: list[OldEntry]
    report: Report

"""What arrived: the tests' witness at the origin, and the demo's counters."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One request as it stood on the wire. `credential` says how a token came: query, form, header, bearer, raw, none;
    `login` the scheme of its Authorization header, e.g. basic; `is_good` whether the site knew who asked."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    credential: str
    is_good: bool
    login: str = "none"

    @property
    def raw_target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path


@dataclass(slots=True)
class Journal:
    """The last thousand requests, and how many there were."""

    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=1000))
    count: int = 0

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.count += 1

    def to(self, part: str) -> list[Entry]:
        """The requests whose path contains `part`."""
        return [entry for entry in self.entries if part in entry.path]

    def clear(self) -> None:
        self.entries.clear()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

"""Where stored answers stand: in memory, bounded by bytes, what was used longest ago goes first. Judges no answer."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from proxy.core.caching import Life, service_of, vary_value
from proxy.traffic import Headers

Key = tuple[str, str, str, str | None]  # as in `traffic.Asked`
_OVERHEAD: Final = 1024  # bytes that an answer takes beside its headers and body
MOST_WRITTEN: Final = 2  # heads that are kept as text
_MOST_VARIANTS: Final = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer as clients get it. `born_at`: when, on a monotonic clock, its age was nought; `told` is what the
    server said of keeping it."""

    status: int
    headers: dict[str, str]
    body: bytes
    told: Headers
    life: Life
    born_at: float
    varies: tuple[tuple[str, str | None], ...]  # what the request had to be like
    operation: str = ""
    key_size: int = 0  # characters of the key it stands under: a query may be longer than its answer
    # Its head as text, for those who are told the same beside it (`web.hits`): what they are told, and the head
    written: list[tuple[Mapping[str, str], str]] = field(default_factory=list, init=False, compare=False)

    def suits(self, upward: Callable[[], Headers]) -> bool:
        """Whether it is the answer to a request with these headers (RFC 9111 §4.1)."""
        if not self.varies:
            return True
        headers = upward()
        return all(vary_value(headers, name) == value for name, value in self.varies)

    @property
    def size(self) -> int:
        headers = sum(len(name) + len(value) for name, value in self.headers.items())
        return len(self.body) + (2 + MOST_WRITTEN) * headers + 2 * self.key_size + _OVERHEAD


class Shelf:
    """Answers by key, and by service for the day of an edit."""

    def __init__(self, memory: int) -> None:
        self._kept = _Kept(memory)

    def get(self, key: Key) -> tuple[Stored, ...]:
        """The variants stored under a key, the newest first."""
        by_key = self._kept.by_key
        variants = by_key.get(key)
        if variants is None:
            return ()
        by_key.move_to_end(key)
        return variants

    def put(self, key: Key, stored: Stored) -> bool:
        """False where it is too large. The variant that it takes the place of goes."""
        others = [each for each in self.get(key) if each.varies != stored.varies]
        variants = (stored, *others[: _MOST_VARIANTS - 1])
        if _size(variants) > self._kept.most:
            variants = (stored,)
        if _size(variants) > self._kept.most:
            self.drop(key)
            return False
        self._kept.put(key, variants)
        return True

    def drop(self, key: Key) -> None:
        self._kept.drop(key)

    def drop_service(self, place: str) -> None:
        """What an edit at `place` may have changed, whichever rule it was stored for."""
        for key in list(self._kept.by_service.get(service_of(place), ())):
            self.drop(key)

    def retain(self, scopes: frozenset[str], memory: int) -> None:
        """After a reload: what is of other scopes goes."""
        for key in [key for key in self._kept.by_key if key[0] not in scopes]:
            self.drop(key)
        if memory != self._kept.most:
            old, self._kept = self._kept, _Kept(memory)
            for key, variants in old.by_key.items():
                if _size(variants) <= memory:
                    self._kept.put(key, variants)

    @property
    def bytes_used(self) -> int:
        return self._kept.taken

    def __len__(self) -> int:
        return len(self._kept.by_key)


class _Kept:
    """Answers by key, bounded; knows beside it what belongs to a service. cachetools' LRUCache does the same, in three
    microseconds for each look, of which a hit has few."""

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0  # bytes
        self.by_key: OrderedDict[Key, tuple[Stored, ...]] = OrderedDict()  # what was used last stands last
        self.by_service: dict[str, set[Key]] = {}

    def put(self, key: Key, variants: tuple[Stored, ...]) -> None:
        self.drop(key)
        self.by_key[key] = variants
        self.taken += _size(variants)
        self.by_service.setdefault(service_of(key[2]), set()).add(key)
        while self.taken > self.most:
            self.drop(next(iter(self.by_key)))

    def drop(self, key: Key) -> None:
        variants = self.by_key.pop(key, None)
        if variants is None:
            return
        self.taken -= _size(variants)
        service = service_of(key[2])
        keys = self.by_service[service]
        keys.discard(key)
        if not keys:
            del self.by_service[service]


def _size(variants: tuple[Stored, ...]) -> int:
    return sum(each.size for each in variants)

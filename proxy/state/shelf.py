"""Where stored answers stand: in memory, bounded by bytes, what was used longest ago goes first. Judges no answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from proxy.core.caching import Life, service_of, vary_value
from proxy.traffic import Headers

Key = tuple[str, str, str, str | None]  # as in `traffic.Asked`
_OVERHEAD: Final = 1024  # bytes that an answer takes beside its headers and body
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

    def suits(self, upward: Callable[[], Headers]) -> bool:
        """Whether it is the answer to a request with these headers (RFC 9111 §4.1)."""
        if not self.varies:
            return True
        headers = upward()
        return all(vary_value(headers, name) == value for name, value in self.varies)

    @property
    def size(self) -> int:
        headers = sum(len(name) + len(value) for name, value in self.headers.items())
        return len(self.body) + 2 * (headers + self.key_size) + _OVERHEAD


class Shelf:
    """Answers by key, and by service for the day of an edit."""

    def __init__(self, memory: int) -> None:
        self._kept = _Kept(memory)

    def get(self, key: Key) -> tuple[Stored, ...]:
        """The variants stored under a key, the newest first."""
        try:
            return self._kept[key]
        except KeyError:
            return ()

    def put(self, key: Key, stored: Stored) -> bool:
        """False where it is too large. The variant that it takes the place of goes."""
        others = [each for each in self.get(key) if each.varies != stored.varies]
        variants = (stored, *others[: _MOST_VARIANTS - 1])
        if _size(variants) > self._kept.maxsize:
            variants = (stored,)
        if _size(variants) > self._kept.maxsize:
            self.drop(key)
            return False
        self._kept[key] = variants
        return True

    def drop(self, key: Key) -> None:
        self._kept.pop(key, None)

    def drop_service(self, place: str) -> None:
        """What an edit at `place` may have changed, whichever rule it was stored for."""
        for key in list(self._kept.by_service.get(service_of(place), ())):
            self.drop(key)

    def retain(self, scopes: frozenset[str], memory: int) -> None:
        """After a reload: what is of other scopes goes."""
        for key in [key for key in self._kept if key[0] not in scopes]:
            self.drop(key)
        if memory != self._kept.maxsize:
            old, self._kept = self._kept, _Kept(memory)
            for key in list(old):
                if _size(old[key]) <= memory:
                    self._kept[key] = old[key]

    @property
    def bytes_used(self) -> int:
        return int(self._kept.currsize)

    def __len__(self) -> int:
        return len(self._kept)


class _Kept(LRUCache[Key, tuple[Stored, ...]]):
    """Knows beside it what belongs to a service."""

    def __init__(self, memory: int) -> None:
        super().__init__(memory, getsizeof=_size)
        self.by_service: dict[str, set[Key]] = {}

    def __setitem__(self, key: Key, value: tuple[Stored, ...]) -> None:
        super().__setitem__(key, value)
        self.by_service.setdefault(service_of(key[2]), set()).add(key)

    def __delitem__(self, key: Key) -> None:
        """Evictions come by here, too."""
        super().__delitem__(key)
        service = service_of(key[2])
        keys = self.by_service[service]
        keys.discard(key)
        if not keys:
            del self.by_service[service]


def _size(variants: tuple[Stored, ...]) -> int:
    return sum(each.size for each in variants)

"""Where a server hears our token: what requests have shown so far. Pure: what is learned is told, nothing is asked."""

from dataclasses import dataclass, field
from typing import Final

from cachetools import LRUCache

from proxy.identity import Place

_MOST_PATHS: Final = 1024


@dataclass(slots=True)
class Hearing:
    """Of one audience."""

    place: Place | None = None  # None: not learned yet
    is_deaf_to_forms: bool = False
    hears_headers: bool = False  # somewhere at least
    in_query: LRUCache[str, None] = field(default_factory=lambda: LRUCache(_MOST_PATHS))  # elsewhere, though

    @property
    def is_learned(self) -> bool:
        """Whether requests or a probe have shown a place."""
        return self.place is not None

    def place_at(self, path: str, configured: Place | None, *, is_form: bool) -> Place:
        """Where the token travels on its way to `path`: as configured or, for None (auto), as learned."""
        place = configured or self.place or Place.HEADER
        if self.in_query and configured is None and path in self.in_query:
            place = Place.QUERY
        return Place.URL if place is Place.QUERY and is_form and self.is_deaf_to_forms else place

    def learn(self, place: Place, path: str) -> None:
        """It hears tokens there: at `path` alone, where it has heard them elsewhere otherwise."""
        if place is Place.URL:
            self.is_deaf_to_forms = True
        elif self.hears_headers:
            self.in_query[path] = None
        else:
            self.place = place

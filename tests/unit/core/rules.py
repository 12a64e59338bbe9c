"""Rules for tests, as short as the file has them."""

from typing import Any

from proxy.core.match import parse_place
from proxy.identity import Route
from proxy.model import Rule

ROADS = "https://gis.example.com/roads"


def rule(url: str = ROADS, *, matchAll: bool = True, caseSensitive: bool = False, **more: Any) -> Rule:  # noqa: N803 - the file's spelling
    place = parse_place(url)
    return Rule(
        name=more.pop("name", url),
        scheme=place.scheme,
        host=place.host,
        wildcard=place.wildcard,
        port=place.port,
        path=place.path,
        match_all=matchAll,
        case_sensitive=caseSensitive,
        route=more.pop("route", Route()),
        **more,
    )

"""proxy.state.shelf: bounded by bytes, by variants, and emptied by rule, service or key."""

from dataclasses import replace

from proxy.core.caching import Life
from proxy.state.shelf import Key, Shelf, Stored

MEMORY = 100_000


def key(path: str, scope: str = "s") -> Key:
    return (scope, "", f"https://gis.example.com/arcgis/rest/services{path}", None)


def stored(size: int = 10, varies: tuple[tuple[str, str | None], ...] = ()) -> Stored:
    return Stored(200, {"content-type": "image/png"}, bytes(size), {}, Life(60), 0.0, varies)


def test_what_was_used_longest_ago_goes_first() -> None:
    shelf = Shelf(MEMORY)
    for number in range(5):
        shelf.put(key(f"/{number}"), stored(20_000))
        shelf.get(key("/0"))
    assert shelf.bytes_used <= MEMORY
    assert shelf.get(key("/0"))
    assert not shelf.get(key("/1"))
    assert not shelf.put(key("/huge"), stored(MEMORY))
    assert not shelf.get(key("/huge"))


def test_a_long_query_takes_its_room_too() -> None:
    shelf = Shelf(MEMORY)
    for number in range(100):
        shelf.put(("s", "", "https://gis.example.com/a", f"{number}{'x' * 30_000}"), replace(stored(), key_size=30_000))
    assert len(shelf) == 1


def test_variants_stand_side_by_side_and_are_bounded() -> None:
    shelf = Shelf(MEMORY)
    for number in range(20):
        shelf.put(key("/a"), stored(varies=(("accept", str(number)),)))
    assert len(shelf.get(key("/a"))) == 8
    newest = shelf.get(key("/a"))[0]
    assert newest.suits(lambda: {"accept": "19"})
    assert not newest.suits(dict)
    shelf.put(key("/a"), newest)
    assert len(shelf.get(key("/a"))) == 8


def test_an_edit_empties_the_service_for_every_rule() -> None:
    shelf = Shelf(MEMORY)
    kept = [key("/City2/MapServer"), key("/Town/FeatureServer/0")]
    gone = [key("/City/MapServer/export"), key("/city/FeatureServer/0/query", "other")]
    for each in (*kept, *gone):
        shelf.put(each, stored())
    shelf.drop_service("https://gis.example.com/arcgis/rest/services/City/FeatureServer/0/applyEdits")
    assert [bool(shelf.get(each)) for each in (*kept, *gone)] == [True, True, False, False]
    for each in kept:
        shelf.drop(each)
    assert (len(shelf), shelf.bytes_used) == (0, 0)


def test_a_reload_keeps_the_scopes_that_are_left_and_fits_the_memory() -> None:
    shelf = Shelf(MEMORY)
    shelf.put(key("/a", "old"), stored())
    for number in range(3):
        shelf.put(key(f"/{number}"), stored(20_000))
    shelf.retain(frozenset(("s",)), MEMORY)
    assert not shelf.get(key("/a", "old"))
    assert len(shelf) == 3
    shelf.retain(frozenset(("s",)), 50_000)
    assert len(shelf) == 2
    assert shelf.bytes_used <= 50_000

"""core.caching, core.cache_control and core.conditional: what HTTP lets a shared cache keep, give and forget."""

from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.core import caching, conditional
from proxy.core.cache_control import directives, http_date, seconds
from proxy.core.caching import Use
from proxy.model import CachePolicy

WALL = 1_900_000_000.0
FILE = Path(__file__).parents[2] / "cases/caching.yaml"
CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
WORDS = {Use.AT_ONCE: "fresh", Use.MEANWHILE: "meanwhile", Use.CHECKED: "checked"}


def every() -> list[Any]:
    return [
        pytest.param(case, id=f"{kind}-{number}")
        for kind, cases in CASES.items()
        for number, case in enumerate(cases, start=1)
    ]


@pytest.mark.parametrize("case", every())
def test_a_case(case: dict[str, Any]) -> None:
    if "update" in case:
        _test_an_update(case)
        return
    told = {"date": formatdate(WALL, usegmt=True), "content-length": "5", **case["told"]}
    told = {name: value for name, value in told.items() if value is not None}
    policy = CachePolicy(**case.get("policy", {}))
    if not caching.is_storable(case.get("status", 200), told, case.get("first", {}), policy):
        assert case["then"] == "unkept"
        return
    life, wish = caching.life(told, policy), caching.wish(case.get("asked", {}))
    age = caching.initial_age(told, delay=0, wall=WALL) + case.get("age", 0)
    assert WORDS[caching.use(life, age, wish)] == case["then"]
    if "stands_in" in case:
        assert caching.may_stand_in(life, age, wish) is case["stands_in"]


def _test_an_update(case: dict[str, Any]) -> None:
    if case["then"] == "another":
        assert not caching.confirms(case["told"], case["update"])
        return
    assert caching.confirms(case["told"], case["update"])
    assert caching.freshened(case["told"], case["update"]) == {**case["told"], **case["then"]}


def test_the_time_that_an_answer_took_is_part_of_its_age() -> None:
    assert caching.initial_age({"age": "5"}, delay=2.5, wall=WALL) == 7.5
    assert caching.initial_age({"date": formatdate(WALL - 20, usegmt=True)}, delay=2.5, wall=WALL) == 20
    assert caching.initial_age({"date": formatdate(WALL + 20, usegmt=True)}, delay=0, wall=WALL) == 0


def test_what_an_answer_varies_by() -> None:
    assert caching.vary_names({"vary": "Accept-Language,  accept"}) == ("accept", "accept-language")
    assert caching.vary_names({"vary": "accept, *"}) is None
    assert caching.vary_names({}) == ()
    assert caching.vary_names({"content-encoding": "gzip"}) == ("accept-encoding",)
    assert caching.vary_value({"accept": "a ,b,  c"}, "accept") == caching.vary_value({"accept": "a,b,c"}, "accept")
    assert caching.vary_value({}, "accept") is None


def test_a_304_updates_all_but_what_is_of_the_body() -> None:
    stored = {"etag": '"a"', "content-type": "text/plain", "content-length": "5", "x-a": "1", "x-b": "1"}
    update = {"content-type": "text/html", "content-length": "0", "content-encoding": "gzip", "x-a": "2"}
    assert caching.freshened(stored, update) == {**stored, "x-a": "2"}
    assert caching.freshened(stored, {"content-type": "text/plain;charset=utf-8"})["content-type"].endswith("utf-8")


@pytest.mark.parametrize(
    ("update", "confirmed"),
    [
        ({}, True),
        ({"etag": '"a"'}, True),
        ({"etag": 'W/"a"'}, True),
        ({"etag": '"b"'}, False),
        ({"last-modified": "Sun, 06 Nov 1994 08:49:37 GMT"}, False),
        ({"etag": '"a"', "content-length": "6"}, False),
    ],
)
def test_a_304_speaks_of_the_stored_answer(update: dict[str, str], confirmed: bool) -> None:
    assert caching.confirms({"etag": '"a"', "content-length": "5"}, update) is confirmed


def test_browsers_are_told_a_life_that_is_ours() -> None:
    policy = CachePolicy(300)
    assert caching.shown_control("private", caching.life({}, policy), policy) == "private, max-age=300"
    told = {"cache-control": "max-age=10"}
    assert caching.shown_control("max-age=10", caching.life(told, policy), policy) == "max-age=10"
    forced = CachePolicy(300, overrule=True)
    shown = caching.shown_control("private, no-cache, max-age=0", caching.life(told, forced), forced)
    assert shown == "private, max-age=300"
    assert caching.shown_control(shown, caching.life(told, forced), forced) == shown


def test_fields_that_must_not_be_kept() -> None:
    told = {"cache-control": 'private="X-A, x-b", no-cache="x-c", max-age=5'}
    assert caching.withheld(told) == {"x-a", "x-b", "x-c"}


def test_what_an_edit_may_change_is_its_service() -> None:
    site = "https://gis.example.com/server/rest/services/City"
    assert caching.service_of(f"{site}/FeatureServer/0/applyEdits") == caching.service_of(f"{site}/mapserver/export")
    assert caching.service_of(f"{site}/FeatureServer") != caching.service_of(f"{site}2/FeatureServer")
    assert caching.service_of("https://x.example/A") == "https://x.example/a"


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ({}, False),
        ({"if-none-match": '"a"'}, True),
        ({"if-none-match": '"x", W/"a"'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"b"'}, False),
        ({"if-none-match": '"b"', "if-modified-since": "Sun, 06 Nov 2044 08:49:37 GMT"}, False),
        ({"if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT"}, True),
        ({"if-modified-since": "Sun, 06 Nov 1994 08:49:36 GMT"}, False),
        ({"if-modified-since": "yesterday"}, False),
    ],
)
def test_what_the_client_has_it_is_not_sent(asked: dict[str, str], known: bool) -> None:
    headers = {"etag": '"a"', "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT", "content-length": "5"}
    got = conditional.given(asked, headers, 200, b"abcde")
    assert (got.status == 304) is known
    if known:
        assert got.body == b""
        assert "content-length" not in got.headers


@pytest.mark.parametrize(
    ("asked", "status", "body", "content_range"),
    [
        ("bytes=0-1", 206, b"01", "bytes 0-1/10"),
        ("bytes=8-", 206, b"89", "bytes 8-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=5-500", 206, b"56789", "bytes 5-9/10"),
        ("bytes=-500", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-1", 200, b"0123456789", None),
        ("bytes=0-1,3-4", 200, b"0123456789", None),
        ("lines=0-1", 200, b"0123456789", None),
        ("bytes=-", 200, b"0123456789", None),
    ],
)
def test_a_part_of_what_is_stored(asked: str, status: int, body: bytes, content_range: str | None) -> None:
    got = conditional.given({"range": asked}, {"content-length": "10"}, 200, b"0123456789")
    assert (got.status, got.body, got.headers.get("content-range")) == (status, body, content_range)
    assert got.headers["content-length"] == str(len(body))


@pytest.mark.parametrize(("condition", "status"), [('"a"', 206), ('"b"', 200), ('W/"a"', 200), ("yesterday", 200)])
def test_a_part_of_this_very_answer_alone(condition: str, status: int) -> None:
    asked = {"range": "bytes=0-1", "if-range": condition}
    assert conditional.given(asked, {"etag": '"a"'}, 200, b"0123").status == status


def test_directives_and_dates() -> None:
    assert directives('a, B=1,c="x\\"y, z" ,d= 2') == {"a": "", "b": "1", "c": 'x\\"y, z', "d": "", "2": ""}
    assert [seconds(text) for text in ("7", "", "x", "-1", "9" * 50)] == [7, 0, 0, 0, 2**31]
    same = ("Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994")
    assert {http_date(text) for text in same} == {784111777.0}
    assert http_date("Sun, 06 Nov 1994 25:49:37 GMT") is None

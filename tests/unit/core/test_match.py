"""proxy.core.match: which rule a target falls under."""

import time
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.core.match import RuleTable, parse_place
from proxy.core.target import parse_url
from proxy.errors import NotAllowed
from tests.unit.core.rules import rule

CASES = yaml.safe_load(Path(__file__).parents[2].joinpath("cases/matching.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_winner_does_not_depend_on_the_order_in_the_file(case: dict[str, Any]) -> None:
    rules = [rule(**written, name=str(number)) for number, written in enumerate(case["rules"])]
    for ordered in permutations(rules):
        table = RuleTable(ordered)
        for url, winner in case["targets"].items():
            found = table.lookup(parse_url(url))
            assert (None if found is None else int(found.name)) == winner, url


def test_no_rule_is_a_refusal_that_names_no_host() -> None:
    with pytest.raises(NotAllowed) as refused:
        RuleTable([rule("https://h/a")]).find(parse_url("https://i/a"))
    assert refused.value.slug == "no_rule"
    assert "https" not in refused.value.message


@pytest.mark.parametrize(
    "url",
    [
        "gis.example/arcgis",
        "ftp://h/a",
        "https://h/a?f=json",
        "https://u@h/a",
        "https://h/../a",
        "https://*.com/",
        "https://h.*.com/a",
        "https://h/a#b",
        "",
    ],
)
def test_a_bad_rule_url_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse_place(url)


def test_rules_on_a_host_are_all_listed() -> None:
    table = RuleTable([rule("https://h/a"), rule("https://h/b"), rule("https://i/a")])
    assert {found.name for found in table.rules_on(parse_url("https://h/"))} == {"https://h/a", "https://h/b"}


STRICT = RuleTable(
    [rule("https://h/a/Public"), rule("https://h/a/Public/Strict"), rule("https://h/a/Public/One", matchAll=False)]
)


@pytest.mark.parametrize(
    "path",
    [
        *("//Strict", "///Strict/x", "/%C5%BFtrict", "/Str%C4%B1ct/x", "/%EF%BC%B3trict", "/Strict./x", "/Strict%20"),
        *("/Strict%C2%A0/x", "/%20Strict", "//One", "/One//", "/One./", "/One%20"),
    ],
)
def test_a_deeper_rule_is_not_passed_by(path: str) -> None:
    target = parse_url(f"https://h/a/Public{path}")
    found = STRICT.lookup(target)
    assert found is not None
    assert STRICT.is_passed_by(target, found)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/x",
        "//x",
        "/x//Strict",
        "/STRICT/x",
        "/Strict//x",
        "/Strict/%20",
        "/One",
        "/One/",
        "/One/x",
        "/One//x",
    ],
)
def test_what_no_server_reads_as_a_deeper_place_is_not_refused(path: str) -> None:
    target = parse_url(f"https://h/a/Public{path}")
    assert not STRICT.is_passed_by(target, STRICT.lookup(target))


def test_a_very_long_path_costs_little() -> None:
    target = parse_url(f"https://h/a/Public{'/x' * 16_000}//")
    began = time.process_time()
    assert STRICT.lookup(target) is not None
    assert not STRICT.is_passed_by(target, STRICT.lookup(target))
    assert time.process_time() - began < 0.05

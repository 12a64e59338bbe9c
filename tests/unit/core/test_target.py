"""proxy.core.target: the canonical form, and everything that is refused."""

from pathlib import Path

import pytest
import yaml

from proxy.core.target import normal_path, parse_request_target, parse_url
from proxy.errors import BadRequest
from proxy.urls import Origin

CASES = yaml.safe_load(Path(__file__).parents[2].joinpath("cases/targets.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES["good"], ids=lambda case: case["raw"])
def test_a_good_target_gets_its_canonical_form(case: dict[str, str]) -> None:
    target = parse_request_target(case["raw"])
    assert target.url == case["url"]
    assert parse_request_target(target.url) == target  # a fixed point


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: case["raw"])
def test_a_bad_target_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_request_target(case["raw"])
    assert refused.value.message.endswith((".", ")"))


def test_a_refusal_does_not_repeat_the_target() -> None:
    with pytest.raises(BadRequest) as refused:
        parse_request_target("https://h/<script>%00")
    assert "script" not in refused.value.message


def test_the_first_question_mark_ends_the_path() -> None:
    target = parse_request_target("https://h/a?x=http://other/?y&z=?")
    assert (target.path, target.query) == ("/a", "x=http://other/?y&z=?")


def test_the_origin_carries_its_port() -> None:
    assert parse_url("https://h/a").origin == Origin("https", "h", 443)
    assert str(Origin("http", "h", 443)) == "http://h:443"


def test_a_normal_path_is_left_as_it_is() -> None:
    assert normal_path("/arcgis/rest/services/A/MapServer") == "/arcgis/rest/services/A/MapServer"

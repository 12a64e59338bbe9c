"""The hundred behaviours of tests/cases/behaviour.yaml."""

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.behaviour import CASE_WORDS, SENT_WORDS, STEP_WORDS, Plain, Player, as_list
from tests.live.conftest import Build

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = yaml.safe_load((ROOT / "tests/cases/behaviour.yaml").read_text(encoding="utf-8"))
PLAYED = [case for case in CASES if "steps" in case or "refused" in case]


@pytest.fixture
async def plain() -> AsyncIterator[Plain]:
    async with Plain() as server:
        yield server


@pytest.mark.parametrize("case", PLAYED, ids=lambda case: f"{case['number']:03} {case['says'][:60]}")
async def test_each_case_behaves_as_it_says(
    build: Build, arcgis: Simulator, plain: Plain, case: dict[str, Any]
) -> None:
    await Player(case, build, arcgis, plain).play()


def test_all_are_there_and_each_is_played_or_held() -> None:
    assert [case["number"] for case in CASES] == list(range(1, 101))
    assert not [case["number"] for case in CASES if not case.keys() & {"steps", "held", "refused"}]


def test_no_word_of_a_case_is_misspelt() -> None:
    for case in CASES:
        assert case.keys() <= CASE_WORDS, case
        for step in case.get("steps", ()):
            assert step.keys() <= STEP_WORDS, step
            assert all(sent.keys() <= SENT_WORDS for sent in as_list(step.get("sent", []))), step


@pytest.mark.parametrize("name", sorted({name for case in CASES for name in case.get("held", ())}))
def test_what_holds_a_case_is_there(name: str) -> None:
    path, _, function = name.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert function in tests if function else any(test.startswith("test_") for test in tests)

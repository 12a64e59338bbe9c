"""Every threat has a guard, and every guard tests that fail without it: that they are there is held here, that they
fail is found out by `python -m tests.guards`."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.identity import Route
from proxy.model import Configuration, Rule
from proxy.plan import Plan
from proxy.runtime import Destination, Runtime
from proxy.traffic import Audience, Token
from proxy.urls import Origin, Target
from tests.guards import ROOT, Guard, guards, threats

RAW: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (ROOT / "tests" / "cases" / "raw_requests.yaml").read_text(encoding="utf-8")
)


@lru_cache
def functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def missing(test: str) -> Iterator[str]:
    """What of a test's name leads nowhere."""
    path, _, name = test.partition("::")
    name, _, case = name.removesuffix("]").partition("[")
    file = ROOT / path
    cases = {f"asyncio-{group}: {each['name']}" for group, all_of_it in RAW.items() for each in all_of_it}
    if not file.exists() or name not in functions(file) or (case and case not in cases):
        yield test


def test_every_threat_and_every_trap_is_there() -> None:
    assert list(threats()) == [f"T{n}" for n in range(1, 51)] + [f"A{n}" for n in range(1, 28)]
    for name, said in threats().items():
        assert said["threat"], name
        assert said["guards"], name


@pytest.mark.parametrize("guard", [*guards()], ids=lambda guard: guard.label)
def test_a_guard_and_its_tests_are_where_they_are_said_to_be(guard: Guard) -> None:
    assert (ROOT / guard.file).read_text(encoding="utf-8").count(guard.cut) == 1
    assert guard.cut != guard.put
    assert guard.tests
    assert not [each for test in guard.tests for each in missing(test)]


@pytest.mark.parametrize(
    "kind", [Target, Origin, Route, Rule, Plan, Destination, Runtime, Configuration, Audience, Token]
)
def test_what_was_decided_cannot_be_changed(kind: type[Any]) -> None:
    names: list[str] = list(getattr(kind, "_fields", ())) or [each.name for each in fields(kind)]
    made = kind(*names) if issubclass(kind, tuple) else object.__new__(kind)
    for name in names:
        with pytest.raises(AttributeError):
            setattr(made, name, None)


def test_the_floors_of_what_we_stand_on() -> None:
    """Below these versions there are holes that our own checks do not cover: see the advisories of each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = (re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", each) for each in project["dependencies"])
    floors = {each[1]: tuple(map(int, each[2].split("."))) for each in found if each is not None}
    for name, least in {"aiohttp": (3, 14, 5), "PyJWT": (2, 13), "PyYAML": (6, 0, 2), "cryptography": (44,)}.items():
        assert floors[name] >= least, name

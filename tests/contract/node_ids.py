"""Whether tests that are named in tables are there, without importing them."""

import ast
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from tests.guards import ROOT

RAW: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (ROOT / "tests" / "cases" / "raw_requests.yaml").read_text(encoding="utf-8")
)


@lru_cache
def functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def missing(tests: Iterable[str]) -> list[str]:
    """Those of these names that lead nowhere."""
    return [test for test in tests if not _is_there(test)]


def _is_there(test: str) -> bool:
    path, _, name = test.partition("::")
    name, _, case = name.removesuffix("]").partition("[")
    file = ROOT / path
    cases = {f"asyncio-{group}: {each['name']}" for group, all_of_it in RAW.items() for each in all_of_it}
    return file.exists() and name in functions(file) and (not case or case in cases)

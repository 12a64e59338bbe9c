"""Every threat has a guard, and every guard tests that fail without it: that they are there is held here, that they
fail is found out by `python -m tests.guards`."""

import re
import tomllib
from dataclasses import fields
from typing import Any

import pytest

from proxy.identity import Route
from proxy.model import Configuration, Rule
from proxy.plan import Plan
from proxy.runtime import Authorized, Destination, Runtime
from proxy.traffic import Audience, Token
from proxy.urls import Origin, Target
from tests.contract.node_ids import missing
from tests.guards import ROOT, Guard, guards, threats

# What an operator wrote, and an upstream's `Location`, which is judged anew before it is used
ALLOWED = {
    "upstream/outbound.py",
    "settings/values.py",
    "core/paths.py",
    "core/spellings.py",
    "telemetry/tracing.py",
}


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
    assert not missing(guard.tests)


@pytest.mark.parametrize(
    "kind", [Target, Origin, Route, Rule, Plan, Destination, Authorized, Runtime, Configuration, Audience, Token]
)
def test_what_was_decided_cannot_be_changed(kind: type[Any]) -> None:
    names: list[str] = list(getattr(kind, "_fields", ())) or [each.name for each in fields(kind)]
    made = kind(*names) if issubclass(kind, tuple) else object.__new__(kind)
    for name in names:
        with pytest.raises(AttributeError):
            setattr(made, name, None)


def test_no_library_reads_urls_that_strangers_wrote() -> None:
    """Libraries repair what our own parser refuses."""
    parsers = re.compile(r"\byarl\b|\burlsplit\b|\burlparse\b")
    found = {file for file in (ROOT / "proxy").rglob("*.py") if parsers.search(file.read_text(encoding="utf-8"))}
    assert {str(file.relative_to(ROOT / "proxy")) for file in found if "simulator" not in file.parts} <= ALLOWED


def test_the_floors_of_what_we_stand_on() -> None:
    """Below these versions there are holes that our own checks do not cover: see the advisories of each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = (re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", each) for each in project["dependencies"])
    floors = {each[1]: tuple(map(int, each[2].split("."))) for each in found if each is not None}
    for name, least in {"aiohttp": (3, 14, 5), "PyJWT": (2, 13), "PyYAML": (6, 0, 2), "cryptography": (44,)}.items():
        assert floors[name] >= least, name

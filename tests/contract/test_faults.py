"""Every fault of the table has tests that hold what has to come of it, and they are there."""

from typing import Any

import pytest
import yaml

from tests.contract.node_ids import missing
from tests.guards import ROOT

FAULTS: dict[int, dict[str, Any]] = yaml.safe_load(
    (ROOT / "tests" / "cases" / "faults.yaml").read_text(encoding="utf-8")
)


def test_every_fault_is_there() -> None:
    assert list(FAULTS) == list(range(41, 85))


@pytest.mark.parametrize("number", FAULTS)
def test_what_has_to_come_of_a_fault_is_held(number: int) -> None:
    said = FAULTS[number]
    assert said.keys() - {"differs"} == {"fault", "outcome", "tests"}
    assert all(said.values())
    assert len(set(said["tests"])) == len(said["tests"])
    assert not missing(said["tests"])

"""What tests of parts share: time that they move themselves."""

import pytest

from tests.unit.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()

"""A configuration that is watched, and what became of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.settings.watched import Site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path / "proxy.yaml")
    made.write("one")
    await made.reloader.start()
    made.loads = 0
    yield made
    await made.reloader.stop()

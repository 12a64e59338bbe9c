"""The log, set up for one test and taken down behind it."""

import io
from collections.abc import Callable, Iterator

import pytest

from proxy.telemetry.log import LogHandle, configure


@pytest.fixture
def begin() -> Iterator[Callable[..., tuple[LogHandle, io.StringIO]]]:
    """Begins a log in memory."""
    handles: list[LogHandle] = []

    def started(
        level: str = "info", form: str = "json", stream: io.StringIO | None = None
    ) -> tuple[LogHandle, io.StringIO]:
        stream = stream or io.StringIO()
        handles.append(configure(level, form, stream))
        return handles[-1], stream

    yield started
    for handle in handles:
        handle.close()

"""Whoever reads the log may stall or leave: it costs lines and never time."""

import asyncio
import gc
import io
import json
import logging
import os
import resource
import threading
import time
from pathlib import Path

import pytest

from proxy.telemetry.lines import tally
from proxy.telemetry.log import configure, state_change
from tests.unit.telemetry.configurations import exchange
from tests.unit.telemetry.logs import Begin, access, lines


@pytest.fixture(autouse=True)
def heap() -> None:
    """What other tests have left in memory is not looked through while these are timed."""
    gc.collect()
    gc.freeze()


def leave() -> None:
    """Waits for threads that were stalled when their log was closed."""
    for thread in threading.enumerate():
        if thread.name == "log writer":
            thread.join(10.0)
            assert not thread.is_alive()


def test_a_flood_of_other_peoples_lines_is_cut(begin: Begin) -> None:
    handle, stream = begin()
    before = tally().dropped
    logger = logging.getLogger("asyncio")
    for number in range(1000):
        record = logger.makeRecord(logger.name, logging.ERROR, "", 0, "out of system resource", (), None)
        record.created = 1_700_000_000.0 + number / 400
        logger.handle(record)
    state_change("draining")
    written = lines(handle, stream)
    assert len(written) == 3 * 50 + 1  # fifty in each second
    assert written[-1]["event"] == "draining"
    assert tally().dropped - before == 1001 - len(written)


def waits() -> int:
    """How often this thread has waited: for a lock, a pipe or a time. Not for a machine that is busy elsewhere."""
    return resource.getrusage(getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)).ru_nvcsw


def test_a_reader_that_stalls_costs_lines_and_not_time() -> None:
    reading, writing = os.pipe()
    before = tally().dropped
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb") as reader:
        handle = configure("info", "json", stream)
        waited, longest = waits(), 0.0
        for _ in range(25_000):
            began = time.thread_time()
            access(exchange(), 101.0)
            longest = max(longest, time.thread_time() - began)
        assert waits() - waited < 500  # for the interpreter, while the writer forms lines; and for no line
        assert longest < 0.1
        assert tally().dropped - before > 5_000
        too_late = threading.Timer(2.0, lambda: None)
        too_late.start()
        handle.close(within=0.2)
        assert too_late.is_alive()
        too_late.cancel()
        assert reader.read(9) == b'{"time":"'
    leave()


async def test_the_loop_goes_on_while_a_reader_stalls() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream, os.fdopen(reading, "rb"):
        handle = configure("info", "json", stream)
        waited, late = waits(), 0.0
        for _ in range(50):
            for _ in range(200):
                access(exchange(), 101.0)
            began = time.thread_time()
            await asyncio.sleep(0)
            late = max(late, time.thread_time() - began)
        assert waits() - waited < 500
        handle.close(within=0.1)
        assert late < 0.1
    leave()


def test_a_reader_that_left_is_nobodys_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    before = tally().dropped
    with os.fdopen(writing, "w") as stream:
        handle = configure("info", "json", stream)
        for _ in range(3):
            access(exchange(), 101.0)
        handle.close()
    assert tally().dropped - before == 3


def test_a_line_that_comes_late_goes_into_no_other_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        handle = configure("info", "json", stream)
    with (tmp_path / "other").open("w"):  # takes the file number that the log had
        state_change("stopped")
        handle.close()
    assert (tmp_path / "other").read_text() == ""
    assert json.loads((tmp_path / "log").read_text())["event"] == "stopped"


def test_a_line_is_cheap() -> None:
    stream = io.StringIO()
    handle = configure("info", "json", stream)
    record = exchange(target="https://gis.example.com/roads/MapServer/export", query_keys=("f", "bbox", "size"))
    began = time.process_time()
    for _ in range(5_000):
        access(record, 101.0)
    handle.close(within=10.0)
    assert (time.process_time() - began) / 5_000 < 0.0005
    assert stream.getvalue().count("\n") == 5_000

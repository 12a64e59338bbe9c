"""proxy.notify: a real socket, as systemd listens on it."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.model import Configuration
from proxy.notify import ServiceManager
from tests.unit.telemetry.configurations import configuration

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux' own")


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{name[1:]}" if name.startswith("@") else name)
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        found: list[str] = []
        try:
            while True:
                found.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def name(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "file" else f"@resource-proxy-test-{os.getpid()}"


@pytest.fixture
def manager(name: str) -> Iterator[Manager]:
    listening = Manager(name)
    yield listening
    listening.close()


async def applied(configuration: Configuration) -> None:
    """A reload that goes well."""


async def refused(configuration: Configuration) -> None:
    raise OSError("no")


async def test_each_state_is_told(manager: Manager, name: str) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": name})
    told.ready()
    await told.told_of(applied)(configuration())
    with pytest.raises(OSError, match="no"):
        await told.told_of(refused)(configuration())
    told.stopping()
    await told.close()
    heard = [line.split("\n") for line in manager.heard()]
    assert [lines[0] for lines in heard] == [
        "READY=1",
        "RELOADING=1",
        "READY=1",
        "RELOADING=1",
        "READY=1",
        "STOPPING=1",
    ]
    assert heard[1][1].startswith("MONOTONIC_USEC=")


@pytest.mark.parametrize(("process", "is_fed"), [("", True), (str(os.getpid()), True), ("1", False)])
async def test_the_watchdog_is_fed_before_its_limit(manager: Manager, name: str, process: str, is_fed: bool) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "600000", "WATCHDOG_PID": process})
    told.ready()
    await asyncio.sleep(1.1)
    await told.close()
    beats = [line for line in manager.heard() if line == "WATCHDOG=1"]
    assert len(beats) in range(3, 8) if is_fed else not beats


@pytest.mark.parametrize("named", ["", "/nobody/listens", "vsock:2:1234", "relative"])
async def test_where_nobody_listens_nothing_happens(named: str) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": named, "WATCHDOG_USEC": "1000000"})
    told.ready()
    told.stopping()
    await told.close()


async def test_a_manager_that_reads_nothing_holds_nobody_up(manager: Manager, name: str) -> None:
    told = ServiceManager({"NOTIFY_SOCKET": name})
    began = time.monotonic()
    for _ in range(2000):
        told.stopping()
    assert time.monotonic() - began < 5

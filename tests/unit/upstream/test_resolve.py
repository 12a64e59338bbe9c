"""proxy.upstream.resolve: names that take for ever do not keep others waiting."""

import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from proxy.upstream.resolve import LISTED, OTHERS, Lookups, Name

ADDRESS = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))


class NameServer:
    """Answers `fast`, and everything else once it is let go."""

    def __init__(self) -> None:
        self.is_let_go = threading.Event()
        self.asked: list[str] = []

    def __call__(self, host: str, *rest: object) -> list[object]:
        self.asked.append(host)
        if host == "missing":
            raise OSError("no such name")
        if host != "fast":
            self.is_let_go.wait(20)
        return [ADDRESS]


@pytest.fixture
def server() -> Iterator[NameServer]:
    fake = NameServer()
    yield fake
    fake.is_let_go.set()


async def test_a_name_is_looked_up_once_for_all_who_ask_and_a_missing_one_too(server: NameServer) -> None:
    lookups = Lookups(2, 10, server)
    for host, found in (("fast", [ADDRESS]), ("missing", [])):
        name = Name(host, 80, lookups)
        assert list(await asyncio.gather(name.addresses(), name.addresses())) == [found, found]
        assert await name.addresses() == found
    assert server.asked == ["fast", "missing"]


async def test_no_more_are_asked_for_at_a_time_than_there_is_room(server: NameServer) -> None:
    lookups = Lookups(1, 3, server)
    waiting = [asyncio.create_task(Name(f"slow{number}", 80, lookups).addresses()) for number in range(3)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        assert await Name("fast", 80, lookups).addresses() == []  # at once: there is no room
        assert await Name("fast", 80, Lookups(1, 1, server)).addresses() == [ADDRESS]  # elsewhere there is
    for task in waiting:
        task.cancel()  # who asked leaves, and the thread is busy all the same
    await asyncio.sleep(0)
    assert await Name("fast", 80, lookups).addresses() == []
    server.is_let_go.set()
    await asyncio.sleep(0.1)
    assert await Name("fast", 80, lookups).addresses() == [ADDRESS]


async def test_names_that_get_no_answer_hold_up_no_other(server: NameServer) -> None:
    lookups = Lookups(9, 1024, server)
    waiting = [asyncio.create_task(Name(f"slow{number}", 80, lookups).addresses()) for number in range(8)]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(1):
        for _ in range(20):
            assert await Name("fast", 80, lookups).addresses() == [ADDRESS]
            assert await Name("missing", 80, lookups).addresses() == []
    assert LISTED is not OTHERS  # what callers make us ask for has threads of its own
    server.is_let_go.set()
    assert await asyncio.gather(*waiting) == [[ADDRESS]] * 8


async def test_who_leaves_before_their_turn_asks_nothing(server: NameServer) -> None:
    lookups = Lookups(1, 10, server)
    first = asyncio.create_task(Name("slow", 80, lookups).addresses())
    await asyncio.sleep(0.05)
    second = Name("second", 80, lookups)
    waiting = asyncio.create_task(second.addresses())
    await asyncio.sleep(0)
    second.close()
    await asyncio.wait((waiting,))
    server.is_let_go.set()
    assert await first == [ADDRESS]
    assert await Name("fast", 80, lookups).addresses() == [ADDRESS]
    assert server.asked == ["slow", "fast"]


ENDS = """
import asyncio, threading
from proxy.upstream.resolve import Lookups, Name

async def main():
    name = Name("slow.example", 80, Lookups(1, 1, lambda *rest: threading.Event().wait()))
    asyncio.ensure_future(name.addresses())
    await asyncio.sleep(0.05)
    name.close()

asyncio.run(main())
"""


def test_a_lookup_without_end_does_not_hold_up_the_end_of_the_process() -> None:
    subprocess.run([sys.executable, "-c", ENDS], check=True, timeout=10)

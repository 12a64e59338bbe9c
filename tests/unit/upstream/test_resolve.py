"""proxy.upstream.resolve: names that take for ever do not keep others waiting."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from proxy.upstream.resolve import Lookups, Name

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

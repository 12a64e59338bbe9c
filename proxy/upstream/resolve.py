"""Names to addresses, with a short memory for both what was found and what was not. Judges no address: `guard` does."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from ipaddress import ip_address
from threading import BoundedSemaphore, Lock, Thread
from typing import Final, cast

from aiohappyeyeballs import AddrInfoType

_FOUND_FOR: Final = 10.0  # seconds that a name is not looked up again; a moved server is found after that
_MISSED_FOR: Final = 2.0


_Asked = Future[Sequence[object]]


class Lookups:
    """Threads that ask the system for addresses, and at most so many questions at a time: a name server may take half
    a minute for an answer, and the threads of event loops are few.

    A thread lives while there are questions, and none holds up the end of the process, as those of an executor would.
    """

    def __init__(self, threads: int, most: int, ask: Callable[..., Sequence[object]] = socket.getaddrinfo) -> None:
        self._most_threads, self._ask = threads, ask
        self._room = BoundedSemaphore(most)
        self._lock = Lock()
        self._waiting: deque[tuple[_Asked, str, int]] = deque()
        self._threads = 0

    async def addresses(self, host: str, port: int) -> list[AddrInfoType]:
        """Raises OSError or ValueError where there are none, or where too many ask already."""
        if not self._room.acquire(blocking=False):
            raise OSError("too many lookups")
        asked = _Asked()
        asked.add_done_callback(lambda _: self._room.release())  # not before: who asked may have left long ago
        with self._lock:
            self._waiting.append((asked, host, port))
            is_new = self._threads < self._most_threads
            self._threads += is_new
        if is_new:
            Thread(target=self._work, name="lookup", daemon=True).start()
        return [cast("AddrInfoType", each) for each in await asyncio.wrap_future(asked)]

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    return
                asked, host, port = self._waiting.popleft()
            if not asked.set_running_or_notify_cancel():
                continue
            try:
                found = self._ask(host, port, 0, socket.SOCK_STREAM)
            except (OSError, ValueError) as error:
                asked.set_exception(error)
            else:
                asked.set_result(found)


# Which hosts are asked for under a wildcard is the callers' choice, and so may be the name servers: those that a
# configuration names never wait for them. Nor do they for one another: there are threads for as many dead names.
LISTED: Final = Lookups(64, 1024)
OTHERS: Final = Lookups(16, 64)


class Name:
    """The addresses of one host; one lookup at a time, for all who ask."""

    def __init__(self, host: str, port: int, lookups: Lookups = LISTED) -> None:
        self.host, self._port, self._lookups = host, port, lookups
        self._loop = asyncio.get_running_loop()
        self._found: list[AddrInfoType] = []
        self._good_until = 0.0
        self._lookup: asyncio.Task[list[AddrInfoType]] | None = None

    async def addresses(self) -> list[AddrInfoType]:
        """Empty where there are none."""
        if self._is_literal():
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (self.host, self._port))]
        if self._lookup is None:
            if self._loop.time() < self._good_until:
                return self._found
            self._lookup = self._loop.create_task(self._resolve(), name=f"look up {self.host}")
        # Shielded: one asker who has no more time must not take the answer away from the others.
        return await asyncio.shield(self._lookup)

    def close(self) -> None:
        if self._lookup is not None:
            self._lookup.cancel()

    async def _resolve(self) -> list[AddrInfoType]:
        try:
            self._found = await self._lookups.addresses(self.host, self._port)
        except (OSError, ValueError):
            self._found = []
        finally:
            self._lookup = None
        self._good_until = self._loop.time() + (_FOUND_FOR if self._found else _MISSED_FOR)
        return self._found

    def _is_literal(self) -> bool:
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True

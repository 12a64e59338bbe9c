"""Accepts connections that begin with TLS: each counts from its first packet on, and not from the end of its handshake,
or clients that begin none would take all descriptors. Knows nothing of what is said over it."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from proxy.web.queues import BACKLOG
from proxy.web.watch import Watch

_REST: Final = 0.1  # seconds, where the system has no descriptor to accept with


class Gate:
    """Gives each connection to what `make` makes of it once hands are shaken; what `make` is given has to be called
    then, before it counts itself. `patience` and `goodbye` are the seconds that a client has to begin TLS and to end
    its side of it; `refused` is told where there is no room."""

    def __init__(
        self,
        make: Callable[[Callable[[], None]], asyncio.Protocol],
        watch: Watch,
        refused: Callable[[str], None],
        context: ssl.SSLContext,
        *,
        patience: float,
        goodbye: float,
    ) -> None:
        self._make, self._watch, self._refused, self._context = make, watch, refused, context
        self._patience, self._goodbye = patience, goodbye
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()  # kept, or they may be collected

    def open(self, listening: socket.socket) -> "Accepting":
        """Begins to accept what comes in there."""
        listening.setblocking(False)
        listening.listen(BACKLOG)
        return Accepting(listening, self._loop.create_task(self._accept(listening), name="accept"))

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                accepted, address = await self._loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(_REST)
                continue
            guest = _Guest(accepted, self._loop.time())
            if not self._watch.enter(guest, str(address[0])):
                self._refused("too_many_connections")
                accepted.close()
                continue
            task = self._loop.create_task(self._greet(guest), name="TLS handshake")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _greet(self, guest: "_Guest") -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: self._make(lambda: self._watch.leave(guest)),
                guest.socket,
                ssl=self._context,
                ssl_handshake_timeout=self._patience,
                ssl_shutdown_timeout=self._goodbye,
            )
        except OSError:  # ssl.SSLError and TimeoutError are such
            guest.socket.close()
        finally:
            self._watch.leave(guest)


class Accepting:
    """Ends with `close`: handshakes go on."""

    def __init__(self, listening: socket.socket, task: asyncio.Task[None]) -> None:
        self._listening, self._task = listening, task

    def close(self) -> None:
        """New connections are refused."""
        self._task.cancel()
        self._listening.close()


class _Guest:
    """A connection that has not shown yet that it knows TLS: `watch.Watched`."""

    def __init__(self, accepted: socket.socket, since: float) -> None:
        self.socket, self._since = accepted, since

    def idle_since(self) -> float:
        return self._since

    def look(self, now: float) -> None:
        """The handshake has a time-out of its own."""

    def drain(self) -> None:
        self.cut()

    def cut(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

"""What a service manager is told: ready, reloading, stopping, and that the event loop still turns. systemd's protocol,
sd_notify(3): datagrams to $NOTIFY_SOCKET. Without that variable there is nobody to tell."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from proxy.model import Configuration

_PER_LIMIT: Final = 3  # beats within WatchdogSec: one may come late

Apply = Callable[[Configuration], Awaitable[None]]


class ServiceManager:
    """As `environ` names it. The watchdog's limit may be meant for another process than this one."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        limit, process = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        is_ours = process in ("", str(os.getpid()))
        self._rest = int(limit) / 1_000_000 / _PER_LIMIT if limit.isdecimal() and is_ours else 0.0
        self._beating: asyncio.Task[None] | None = None

    def ready(self) -> None:
        """All that was to be started is."""
        self._say("READY=1", "STATUS=serving")
        if self._address and self._rest:
            self._beating = asyncio.create_task(self._beat(), name="watchdog")

    def told_of(self, apply: Apply) -> Apply:
        """`apply`, and the manager knows when it is under way."""

        async def applied(configuration: Configuration) -> None:
            self._say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                await apply(configuration)
            finally:
                self._say("READY=1")

        return applied

    def stopping(self) -> None:
        """What is in flight may take its time; the watchdog is fed to the end."""
        self._say("STOPPING=1", "STATUS=draining")

    async def close(self) -> None:
        """Before the loop ends."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            self._say("WATCHDOG=1")
            await asyncio.sleep(self._rest)

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
            teller.setblocking(False)  # a manager that does not listen holds up nobody
            teller.sendto("\n".join(lines).encode(), self._address)


def _address(named: str) -> str:
    """A file's, or with `@` one of Linux' abstract names; whatever else is none."""
    if named.startswith("@"):
        return f"\0{named[1:]}"
    return named if named.startswith("/") else ""

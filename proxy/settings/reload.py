"""Watches the configuration: a good one is applied, a bad one kept out with its complaints; the old one serves on.

Looks at the content, not at file events: those do not come for secrets that a container platform mounts.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

from proxy.errors import ConfigurationError
from proxy.model import Configuration
from proxy.telemetry.log import state_change

_INTERVAL: Final = 2.0  # seconds


class Reloader:
    """Loads again when the file or a secret file beside it changes, or when told to (SIGHUP)."""

    def __init__(
        self,
        path: Path,
        load: Callable[[], Configuration],
        apply: Callable[[Configuration], Awaitable[None]],
        interval: float = _INTERVAL,
    ) -> None:
        self._path, self._load, self._apply, self._interval = path, load, apply, interval
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running: Configuration | None = None
        self._seen = b""
        self.rejected: list[str] = []  # the complaints of the last configuration, "" once a good one was applied
        self.on_rejected: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Begins watching; what is there now counts as applied."""
        self._seen = self._digest()
        with contextlib.suppress(ConfigurationError):
            self._running = self._load()
        self._task = asyncio.create_task(self._watch(), name="configuration watch")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def trigger(self) -> None:
        """Look now, changed or not."""
        self._told.set()

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval):
                    await self._told.wait()
            except TimeoutError:
                pass
            was_told = self._told.is_set()
            self._told.clear()
            await self.look(was_told=was_told)

    async def look(self, *, was_told: bool) -> None:
        """One look. A file that is still being written differs from itself a moment later, and waits."""
        digest = self._digest()
        try:
            if not was_told and digest == self._seen and not self._secrets_changed():
                return
            configuration = self._load()
            self._seen = digest
            if configuration == self._running:
                self.rejected = []
                return
            await self._apply(configuration)
            self._running, self.rejected = configuration, []
        except ConfigurationError as error:
            if digest != self._seen or was_told:
                self._keep_old(error.complaints)
            self._seen = digest
        except Exception as error:  # noqa: BLE001 - whatever a bad file does, the old configuration serves on
            self._keep_old([f"the configuration could not be applied: {type(error).__name__}"])
            self._seen = digest

    def _secrets_changed(self) -> bool:
        """Whether the same file means something else now: `${file:…}` and variables are read anew."""
        try:
            return self._load() != self._running
        except ConfigurationError:
            return False

    def _keep_old(self, complaints: list[str]) -> None:
        self.rejected = complaints
        self.on_rejected()
        state_change("configuration_rejected", complaints="; ".join(complaints))

    def _digest(self) -> bytes:
        try:
            return sha256(self._path.read_bytes()).digest()
        except OSError:
            return b""

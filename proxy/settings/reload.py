"""Watches the configuration: a good one is applied, a bad one kept out with its complaints; the old one serves on.

Looks at the content of the file and of the files it names, not at file events: those do not come for secrets that a
container platform mounts. Judges nothing itself.
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import Awaitable, Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar, cast

from proxy import files
from proxy.errors import ConfigurationError
from proxy.model import Configuration
from proxy.runtime import routes
from proxy.settings.permissions import READABLE, WRITABLE, is_open
from proxy.telemetry.log import state_change

_INTERVAL: Final = 2.0  # seconds between two looks
_SETTLE: Final = 0.2  # seconds that a changed file has to stay as it is
_MOST_SETTLES: Final = 25  # a file that never rests is read as it is then, and again at the next look
_PATIENCE: Final = 30.0  # seconds for reading: a file may be on a network drive that hangs
_MOST_BYTES: Final = 4 * 1024 * 1024
_NAMED: Final = re.compile(rb"\$\{file:([^}]*)\}")

_Result = TypeVar("_Result")


class Reloader:
    """Loads again when the file, or one that it names, changes, or when told to (SIGHUP).

    `load` raises ConfigurationError; it is called in a thread. `apply` swaps the runtime. One look at a time: what
    comes meanwhile is one more look afterwards, so the last of many wins.
    """

    def __init__(
        self,
        path: Path,
        load: Callable[[], Configuration],
        apply: Callable[[Configuration], Awaitable[None]],
        interval: float = _INTERVAL,
        settle: float = _SETTLE,
    ) -> None:
        self._path, self._load, self._apply = path, load, apply
        self._interval, self._settle = interval, settle
        self._told = asyncio.Event()
        self._looking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._has_read = threading.Event()
        self._has_read.set()
        self._running: Configuration | None = None
        self._running_paths = b""  # digest of the files that it names by path, as they were when it was applied
        self._seen = (b"", b"")  # what was looked at last, good or bad: the file's digest, and that of those paths
        self.rejected: list[str] = []  # the complaints of what the file holds now; empty while it is what runs
        self.on_rejected: Callable[[], None] = lambda: None

    async def start(self, running: Configuration | None = None) -> None:
        """Begins watching. `running` is what was applied; without it, what is there now counts as applied."""
        content = b""
        if running is None:
            content = await self._digest()
            with contextlib.suppress(ConfigurationError):
                running = await self._read(self._load)
        self._running, self._running_paths = running, await self._paths_digest(running)
        self._seen = (content, self._running_paths)
        self._task = asyncio.create_task(self._watch(), name="configuration watch")

    async def stop(self) -> None:
        """Ends watching. A look that hangs is left to its thread."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def trigger(self) -> None:
        """Look now, changed or not."""
        self._told.set()

    async def _watch(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._told.wait()
            was_told = self._told.is_set()
            self._told.clear()
            await self.look(was_told=was_told)

    async def look(self, *, was_told: bool) -> None:
        """One look. Content that was looked at before is let alone, good or bad, unless `was_told`."""
        async with self._looking:
            try:
                content, paths = await self._digest(), await self._paths_digest(self._running)
                is_new = (content, paths) != self._seen
                if not is_new and not was_told:
                    return
                content, loaded = await self._loaded(content, is_new=is_new)
                self._seen = (content, paths)
                if isinstance(loaded, BaseException):
                    raise loaded
                await self._take(loaded)
                self._seen = (content, self._running_paths)
            except ConfigurationError as error:
                self._keep_old(error.complaints)
            except Exception as error:  # noqa: BLE001 - whatever a bad file does, the old configuration serves on
                # The name alone: a message may hold what was in hand.
                self._keep_old([f"{self._path}: the configuration could not be applied: {type(error).__name__}"])

    async def _take(self, configuration: Configuration) -> None:
        paths = await self._paths_digest(configuration)
        if configuration != self._running or paths != self._running_paths:
            await self._apply(configuration)
            self._running, self._running_paths = configuration, paths
        elif self.rejected:
            state_change("configuration_restored")
        self.rejected = []

    async def _loaded(self, content: bytes, *, is_new: bool) -> tuple[bytes, Configuration | BaseException]:
        """The content once it rests, and what it says, or what is wrong with it: a file that is still being written
        differs from itself a moment later, and half of it may be what was read if it differs after that."""
        for settles in range(1, _MOST_SETTLES + 1):
            if is_new:
                await asyncio.sleep(self._settle)
                before, content = content, await self._digest()
                if content != before and settles < _MOST_SETTLES:
                    continue
            (loaded,) = await asyncio.gather(self._read(self._load), return_exceptions=True)
            before, content = content, await self._digest()
            if content == before:
                break
            is_new = True
        return before, loaded

    def _keep_old(self, complaints: list[str]) -> None:
        self.rejected = complaints
        self.on_rejected()
        state_change("configuration_rejected", complaints=complaints)

    async def _digest(self) -> bytes:
        return await self._read(lambda: _content_digest(self._path))

    async def _paths_digest(self, configuration: Configuration | None) -> bytes:
        """Of certificates and keys, which the configuration holds as paths: a renewed one is to be used, too."""
        paths = _paths(configuration) if configuration is not None else ()
        return await self._read(lambda: _digest_of(paths))

    async def _read(self, reading: Callable[[], _Result]) -> _Result:
        """In a thread of its own, since the common ones may all be waiting for a dead DNS server; and one that nobody
        waits for at the end, as the interpreter does for an executor's."""
        done: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        try:
            if not self._has_read.is_set():  # it hangs since the last look
                raise TimeoutError
            has_read = self._has_read = threading.Event()
            threading.Thread(target=_read, args=(reading, done, has_read), name="configuration", daemon=True).start()
            async with asyncio.timeout(_PATIENCE):
                return await done
        except TimeoutError:
            raise ConfigurationError([f"{self._path}: could not be read in {_PATIENCE:.0f} seconds"]) from None


def _read(reading: Callable[[], _Result], done: "asyncio.Future[_Result]", has_read: threading.Event) -> None:
    """Reads, and tells the loop, unless that has ended meanwhile."""
    result: _Result | None = None
    error: Exception | None = None
    try:
        result = reading()
    except Exception as raised:  # noqa: BLE001 - it is raised again where somebody waits
        error = raised
    has_read.set()

    def tell() -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("_Result", result))

    with contextlib.suppress(RuntimeError):
        done.get_loop().call_soon_threadsafe(tell)


def _content_digest(path: Path) -> bytes:
    """Of the file and of the secret files that it names. A pipe has given what it had: that is nothing to look at."""
    with contextlib.suppress(OSError, ValueError):
        if path.is_fifo():
            return b""
    named = [Path(name.decode("utf-8", "replace")) for name in _NAMED.findall(_bytes(path))]
    return _digest_of((path, *named))


def _paths(configuration: Configuration) -> list[Path]:
    named: set[str | None] = set(configuration.tls or ())
    for route in routes(configuration):
        named.add(route.ca_bundle)
        if route.certificate is not None:
            named |= {route.certificate.certificate, route.certificate.key}
    return [Path(name) for name in sorted(filter(None, named))]


def _digest_of(paths: Iterable[Path]) -> bytes:
    digest = sha256()
    for path in paths:
        digest.update(sha256(_bytes(path)).digest())
        digest.update(bytes(is_open(path, each) for each in (READABLE, WRITABLE)))  # mended without a new content
    return digest.digest()


def _bytes(path: Path) -> bytes:
    """What is there. What is no plain file has no content to watch, and a pipe would wait for its writer."""
    try:
        return files.read(path, _MOST_BYTES)
    except (OSError, ValueError):
        return b""

"""A real Redis for one test: started on a port of its own, killed, stopped in its tracks and started again."""

import os
import signal
from pathlib import Path
from types import TracebackType
from typing import Any

from redis.asyncio import Redis

from tests.real import programs
from tests.real.programs import Program, free_port, needed


class Store:
    """A `redis-server` that keeps nothing on disk."""

    def __init__(self, folder: Path, *options: str, is_tls: bool = False) -> None:
        self._folder, self._options = folder, options
        self._path = needed("redis-server", "redis-server")
        self.port = free_port()
        self._ports = ("--port", "0", "--tls-port", str(self.port)) if is_tls else ("--port", str(self.port))
        self._program: Program | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Empty."""
        command = [self._path, "--bind", "127.0.0.1 127.0.0.2", *self._ports, "--save", "", "--appendonly", "no"]
        self._program = programs.start([*command, *self._options], self.port, self._folder)

    def kill(self) -> None:
        """As a power cut does."""
        if self._program is not None:
            self._program.process.kill()
            self._program.process.wait()
            self._program = None

    def freeze(self) -> None:
        """It accepts connections and answers nobody."""
        assert self._program is not None
        os.kill(self._program.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._program is not None
        os.kill(self._program.process.pid, signal.SIGCONT)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    async def everything(self) -> dict[bytes, bytes]:
        """All that stands in it, by its name."""
        client: Any  # the library's answers are of every type at once
        async with Redis(port=self.port) as client:
            found: dict[bytes, bytes] = {}
            for key in await client.keys():
                is_list = await client.type(key) == b"list"
                value = b" ".join(await client.lrange(key, 0, -1)) if is_list else await client.get(key)
                found[key] = value or b""
            return found

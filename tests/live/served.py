"""`resource-proxy serve` as a process, for tests."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

import aiohttp

PAGE = "https://maps.example.com/viewer"
Serve = Callable[..., Awaitable["Served"]]


class Served:
    """A running `resource-proxy serve` and its ports."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, admin: int) -> None:
        self.process, self.port, self.admin = process, port, admin

    async def get(self, path: str, port: int = 0) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port or self.port}{path}", headers={"Referer": PAGE}) as response,
        ):
            return response.status, await response.text()

    async def until(self, path: str, wanted: Callable[[str], bool]) -> str:
        async with asyncio.timeout(15):
            while True:
                try:
                    _, text = await self.get(path, self.admin)
                except aiohttp.ClientError:
                    text = ""
                if wanted(text):
                    return text
                await asyncio.sleep(0.05)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

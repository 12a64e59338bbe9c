"""Who stands still is noticed: a worker by its supervisor, a process on its own by the service manager."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.conftest import config
from tests.live.served import PAGE, Serve, Served, free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="SIGSTOP and NOTIFY_SOCKET as Linux has them")
WORKERS = 3
LIMIT = 10.0  # seconds that a worker may say nothing
COVERED = 1.5  # seconds until the others take its new connections; three quarters of one, on a machine with time


@pytest.fixture
def path(arcgis: Simulator, tmp_path: Path) -> Path:
    document = config(arcgis.url)
    document["server"]["workers"] = WORKERS
    document["log"] = {"level": "warning"}
    file = tmp_path / "proxy.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


async def workers(served: Served) -> dict[int, int]:
    """Their processes by number, of those that answer."""
    _, text = await served.get("/status.json", served.admin)
    return {row["worker"]: row["process"] for row in json.loads(text)["workers"]}


def all_but(gone: int) -> Callable[[str], bool]:
    """Whether there are as many as there should be, and not the one that is gone."""

    def holds(text: str) -> bool:
        there = [row["process"] for row in json.loads(text or '{"workers": []}')["workers"]]
        return len(there) == WORKERS and gone not in there

    return holds


class Load:
    """Requests without end, a connection each; and how each ended."""

    def __init__(self, served: Served, arcgis: Simulator) -> None:
        self._url = f"http://127.0.0.1:{served.port}/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json"
        self.ended: list[tuple[float, float, str]] = []  # when, after how many seconds, and how

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                async with (
                    aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
                    session.get(self._url, headers={"Referer": PAGE}) as response,
                ):
                    how = str(response.status)
            except aiohttp.ClientError:
                how = "broken"
            now = time.monotonic()
            self.ended.append((now, now - began, how))
            await asyncio.sleep(0.02)


@asynccontextmanager
async def load(served: Served, arcgis: Simulator) -> AsyncIterator[Load]:
    running = Load(served, arcgis)
    tasks = [asyncio.create_task(running.run()) for _ in range(20)]
    yield running
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_worker_that_stands_still_is_replaced_and_the_others_serve(
    serve: Serve, path: Path, arcgis: Simulator
) -> None:
    served = await serve(path)
    stalled = (await workers(served))[2]
    async with load(served, arcgis) as running:
        await asyncio.sleep(1)
        began = time.monotonic()
        os.kill(stalled, signal.SIGSTOP)
        assert set(await workers(served)) == {1, 3}  # the pages are not held up by it
        assert json.loads((await served.get("/status.json", served.admin))[1])["silentWorkers"] == [2]
        async with asyncio.timeout(LIMIT + 10):  # a page may be five seconds old
            while (await workers(served)).get(2, stalled) == stalled:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.2)
        replaced = time.monotonic()
        await asyncio.sleep(2)
    assert replaced - began >= LIMIT - 2
    meanwhile = [how for at, _, how in running.ended if began < at < replaced]
    assert meanwhile.count("200") > 20
    assert {how for at, seconds, how in running.ended if at - seconds > replaced} == {"200"}
    assert max(seconds for _, seconds, _ in running.ended) < LIMIT + 5  # who was with it was let go
    # Whoever came while it stood was answered by the others: at once, or once they had noticed
    came = [(at - seconds - began, seconds, how) for at, seconds, how in running.ended if at - seconds > began + 0.1]
    assert {how for _, _, how in came} == {"200"}
    assert max(seconds for after, seconds, _ in came if after < COVERED) < COVERED
    assert max(seconds for after, seconds, _ in came if after > COVERED) < 1.0
    assert sum(COVERED < after < LIMIT for after, _, _ in came) > 500
    served.process.send_signal(signal.SIGTERM)
    output, _ = await served.process.communicate()
    lines = [json.loads(line) for line in output.decode().splitlines() if line.startswith("{")]
    (said,) = (line for line in lines if line["event"] == "worker_stalled")
    assert (said["level"], said["worker"], said["process"], said["silent_seconds"]) == ("warning", 2, stalled, LIMIT)
    (failed,) = (line for line in lines if line["event"] == "worker_failed")
    assert failed["status"] == -signal.SIGKILL


async def test_who_waits_for_a_worker_that_dies_is_taken_by_the_others(
    serve: Serve, path: Path, arcgis: Simulator
) -> None:
    served = await serve(path)
    page = f"/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json"
    for _ in range(3):
        dying = (await workers(served))[2]
        os.kill(dying, signal.SIGSTOP)
        asking = [asyncio.create_task(served.get(page)) for _ in range(60)]
        await asyncio.sleep(0.3)
        assert any(not each.done() for each in asking)  # they wait in its queue
        os.kill(dying, signal.SIGKILL)
        assert {status for status, _ in await asyncio.wait_for(asyncio.gather(*asking), 2)} == {200}
        await served.until("/status.json", all_but(dying))


async def test_where_none_of_them_answers_another_machine_is_to_be_asked(serve: Serve, path: Path) -> None:
    served = await serve(path)
    everybody = (await workers(served)).values()
    for process in everybody:
        os.kill(process, signal.SIGSTOP)
    await served.until("/readyz", lambda text: "no worker answers" in text)
    for process in everybody:
        os.kill(process, signal.SIGCONT)
    await served.until("/readyz", lambda text: '"ready"' in text)
    assert set((await workers(served)).values()) == set(everybody)


async def test_a_pause_of_all_of_them_costs_no_worker(serve: Serve, path: Path, arcgis: Simulator) -> None:
    """As when a laptop is closed, or a virtual machine moves house."""
    served = await serve(path)
    before = await workers(served)
    everybody = [served.process.pid, *before.values()]
    for process in everybody:
        os.kill(process, signal.SIGSTOP)
    await asyncio.sleep(LIMIT + 5)
    for process in everybody:
        os.kill(process, signal.SIGCONT)
    await asyncio.sleep(3)
    assert await workers(served) == before


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The other end of NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


async def told(manager: socket.socket, word: str) -> list[str]:
    """What is told, until `word` is."""
    lines: list[str] = []
    async with asyncio.timeout(15):
        while word not in lines:
            heard = await asyncio.get_running_loop().sock_recv(manager, 4096)
            lines += heard.decode().split("\n")
    return lines


@pytest.mark.parametrize("count", [1, 2])
async def test_a_service_manager_is_told_everything(
    path: Path, manager: socket.socket, tmp_path: Path, count: int
) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["server"] |= {"workers": count, "listen": f"127.0.0.1:{free_port()}"}
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1500000"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "serve", "--config", str(path)),
        env=environ,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert "READY=1" in await told(manager, "READY=1")
        assert "WATCHDOG=1" in await told(manager, "WATCHDOG=1")
        document["mustMatch"] = True
        document["serverUrls"][0]["access"] = "edit"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        await told(manager, "RELOADING=1")
        await told(manager, "READY=1")
        os.kill(process.pid, signal.SIGSTOP)
        await asyncio.sleep(1)
        with suppress(BlockingIOError):  # what was under way when it stopped
            while True:
                manager.recv(4096)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.get_running_loop().sock_recv(manager, 4096)
        process.send_signal(signal.SIGCONT)
        await told(manager, "WATCHDOG=1")
        process.send_signal(signal.SIGTERM)
        await told(manager, "STOPPING=1")
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_the_watchdogs_signal_is_answered_with_where_it_stood(serve: Serve, path: Path) -> None:
    """SIGABRT is what systemd sends first: places in the code, and no values."""
    served = await serve(path)
    served.process.send_signal(signal.SIGABRT)
    output, _ = await served.process.communicate()
    assert served.process.returncode == -signal.SIGABRT
    assert b"Fatal Python error: Aborted" in output
    assert b"cli.py" in output

"""Two hundred requests a second go on while the configuration changes and processes come and go: none fails."""

import asyncio
import json
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.conftest import config
from tests.live.served import PAGE, Serve, Served, free_port

RATE = 200  # requests a second


@dataclass(slots=True)
class Load:
    """Asks at a constant rate, however long answers take. Where nobody listens any more, the next instance is asked,
    as a balancer does; whatever else goes wrong is a failure."""

    target: str
    ports: list[int]
    holds: str = '"mapName"'  # every good answer
    answered: int = 0
    failures: list[str] = field(default_factory=list)
    by_port: dict[int, int] = field(default_factory=dict)

    async def run(self, seconds: float, rate: int = RATE) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as group:
            for number in range(round(seconds * rate)):
                await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
                group.create_task(self._one(session, number))

    async def _one(self, session: aiohttp.ClientSession, number: int) -> None:
        for port in self.ports:
            url = f"http://127.0.0.1:{port}/proxy?{self.target}&n={number}"
            try:
                async with session.get(url, headers={"Referer": PAGE}) as response:
                    text = await response.text()
            except aiohttp.ClientConnectorError:
                continue  # nothing was sent: the next one may have it
            except (aiohttp.ClientError, TimeoutError) as error:
                self.failures.append(f"{number}: {type(error).__name__}")
                return
            self.answered += 1
            self.by_port[port] = self.by_port.get(port, 0) + 1
            if response.status != 200 or self.holds not in text:
                self.failures.append(f"{number}: {response.status} {text[:200]}")
            return
        self.failures.append(f"{number}: nobody listens")


@pytest.fixture(params=[1, 2], ids=["alone", "workers"])
def document(request: pytest.FixtureRequest, arcgis: Simulator) -> dict[str, Any]:
    made = config(arcgis.url)
    made["server"]["workers"] = request.param
    made["server"]["limits"]["drain"] = "10s"
    return made


def written(path: Path, document: dict[str, Any], **rule: Any) -> Path:
    document["serverUrls"][0] |= rule
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(document), encoding="utf-8")
    fresh.replace(path)
    return path


def target(arcgis: Simulator) -> str:
    return f"{arcgis.url}/rest/services/Secure/City/MapServer?f=json"


async def status(served: Served) -> dict[str, Any]:
    _, text = await served.get("/status.json", served.admin)
    found: dict[str, Any] = json.loads(text)
    return found


async def test_a_changed_configuration_loses_no_request(
    serve: Serve, document: dict[str, Any], arcgis: Simulator, tmp_path: Path
) -> None:
    path = written(tmp_path / "proxy.yaml", document)
    served = await serve(path)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))  # its ports are written in it now
    load = Load(target(arcgis), [served.port])
    loading = asyncio.create_task(load.run(4))
    for number in range(6):
        await asyncio.sleep(0.4)
        written(path, document, timeout=f"{20 + number}s")
        served.process.send_signal(signal.SIGHUP)
    for _ in range(100):  # a storm: many signals are one look, and the last content wins
        served.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.001)
    path.write_text("serverUrls: nonsense", encoding="utf-8")
    served.process.send_signal(signal.SIGHUP)
    await loading
    assert load.failures == []
    assert load.answered == 4 * RATE
    text = await served.until(
        "/status.json", lambda text: "serverUrls" in text and '"rejectedConfiguration": []' not in text
    )
    assert json.loads(text)["generation"] >= 3
    assert arcgis.accounts.logins <= 7  # of each generation: its route may reach another server


async def test_a_file_that_changes_is_taken_without_a_signal(
    serve: Serve, document: dict[str, Any], arcgis: Simulator, tmp_path: Path
) -> None:
    path = written(tmp_path / "proxy.yaml", document)
    served = await serve(path)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    load = Load(target(arcgis), [served.port])
    loading = asyncio.create_task(load.run(4))
    await asyncio.sleep(0.5)
    written(path, document, access="execute")
    await served.until("/status.json", lambda text: '"generation": 2' in text)
    await loading
    assert load.failures == []


async def test_an_instance_that_is_stopped_loses_no_request(
    serve: Serve, document: dict[str, Any], arcgis: Simulator, tmp_path: Path
) -> None:
    """A rolling restart: two instances, one is told to stop under load."""
    first = await serve(written(tmp_path / "proxy.yaml", document))
    other = dict(document)
    other["server"] = {**document["server"], "listen": f"127.0.0.1:{free_port()}"}
    other["admin"] = {"listen": f"127.0.0.1:{free_port()}"}
    (tmp_path / "second").mkdir()
    second = await serve(written(tmp_path / "second" / "proxy.yaml", other))
    load = Load(target(arcgis), [first.port, second.port])
    loading = asyncio.create_task(load.run(4))
    await asyncio.sleep(1.5)
    first.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(first.process.communicate(), 12)  # its log is read, too: a full pipe has no end
    assert first.process.returncode == 0
    await loading
    assert load.failures == []
    assert min(load.by_port[first.port], load.by_port[second.port]) > RATE / 2


async def test_what_only_a_restart_takes_up_is_told(
    serve: Serve, document: dict[str, Any], arcgis: Simulator, tmp_path: Path
) -> None:
    path = written(tmp_path / "proxy.yaml", document)
    served = await serve(path)
    changed = yaml.safe_load(path.read_text(encoding="utf-8"))
    changed["server"] |= {"workers": 4, "listen": f"127.0.0.1:{free_port()}"}
    written(path, changed)
    served.process.send_signal(signal.SIGHUP)
    await served.until("/status.json", lambda text: '"generation": 2' in text)
    assert (await status(served))["needsRestart"] == ["server.listen", "server.workers"]
    assert (await served.get(f"/proxy?{target(arcgis)}"))[0] == 200  # the old address serves on
    served.process.send_signal(signal.SIGTERM)
    output, _ = await served.process.communicate()
    lines = [json.loads(line) for line in output.decode().splitlines() if line.startswith("{")]
    (told,) = [line for line in lines if line["event"] == "needs_restart"]
    assert told["settings"] == ["server.listen", "server.workers"]

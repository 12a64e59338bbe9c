"""Several processes on one port: one login, one limit, one configuration, one page of figures; a lost one is mended."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD, config
from tests.live.served import Serve, Served
from tests.until import until

WORKERS = 3


@pytest.fixture
def path(arcgis: Simulator, tmp_path: Path) -> Path:
    return written(tmp_path, config(arcgis.url))


def written(folder: Path, document: dict[str, Any]) -> Path:
    document["server"]["workers"] = WORKERS
    file = folder / "proxy.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def page(arcgis: Simulator, number: int = 0) -> str:
    return f"/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json&n={number}"


async def workers(served: Served) -> dict[int, int]:
    """Their processes by number."""
    _, text = await served.get("/status.json", served.admin)
    return {row["worker"]: row["process"] for row in json.loads(text)["workers"]}


async def total(served: Served, name: str) -> float:
    _, text = await served.get("/metrics", served.admin)
    return sum(float(value) for value in re.findall(rf"^{name}\{{.*\}} ([\d.e+]+)$", text, re.MULTILINE))


async def test_many_cold_callers_on_all_of_them_make_one_login(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    assert len(await workers(served)) == WORKERS
    arcgis.options.token_delay = 0.2
    got = await asyncio.gather(*(served.get(page(arcgis, number)) for number in range(60)))
    assert {status for status, _ in got} == {200}
    assert arcgis.accounts.logins == 1
    assert await total(served, "resource_proxy_requests_total") == 60


async def test_a_revoked_token_is_renewed_once_for_all(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    await asyncio.gather(*(served.get(page(arcgis, number)) for number in range(30)))
    arcgis.accounts.revoke_all()
    got = await asyncio.gather(*(served.get(page(arcgis, number)) for number in range(60)))
    assert {status for status, _ in got} == {200}
    assert arcgis.accounts.logins == 2


async def test_a_wrong_password_is_tried_once(serve: Serve, arcgis: Simulator, tmp_path: Path) -> None:
    document = config(arcgis.url)
    document["credentials"]["city"]["password"] = PASSWORD + "wrong"
    served = await serve(written(tmp_path, document))
    got = await asyncio.gather(*(served.get(page(arcgis, number)) for number in range(30)))
    assert {status for status, _ in got} == {502}
    assert all("refuses the proxy's user name or password" in text for _, text in got)
    assert arcgis.accounts.refusals == 1


async def test_a_limit_is_the_limit(serve: Serve, arcgis: Simulator, tmp_path: Path) -> None:
    served = await serve(written(tmp_path, config(arcgis.url, rateLimit=20, rateLimitPeriod=1)))
    got = await asyncio.gather(*(served.get(page(arcgis, number)) for number in range(50)))
    assert sorted(status for status, _ in got) == [200] * 20 + [429] * 30
    _, text = await served.get("/status.json", served.admin)
    [limit] = json.loads(text)["limits"]
    assert (limit["state"], limit["used"], limit["clientsRefused"]) == ("refusing", 20, 1)


async def test_a_worker_that_dies_is_started_again(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    before = await workers(served)
    path.write_text("serverUrls: nonsense", encoding="utf-8")  # the new one serves what the others serve
    os.kill(before[2], signal.SIGKILL)
    await served.until("/status.json", lambda text: text != "" and str(before[2]) not in text and '"worker": 2' in text)
    got = await asyncio.gather(*(served.get(page(arcgis, number)) for number in range(30)))
    assert {status for status, _ in got} == {200}
    assert arcgis.accounts.logins == 1
    _, text = await served.get("/metrics", served.admin)
    assert "resource_proxy_worker_restarts_total 1.0" in text


async def test_a_worker_that_keeps_dying_is_waited_for_longer_each_time(
    serve: Serve, path: Path, arcgis: Simulator
) -> None:
    served = await serve(path)
    for _ in range(3):
        dead = (await workers(served))[2]
        os.kill(dead, signal.SIGKILL)
        assert (await served.get(page(arcgis)))[0] == 200  # the others serve
        async with asyncio.timeout(15):
            while (await workers(served)).get(2, dead) == dead:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
    served.process.send_signal(signal.SIGTERM)
    output, _ = await served.process.communicate()
    lines = [json.loads(line) for line in output.decode().splitlines() if "worker_failed" in line]
    assert [line["again_in"] for line in lines] == [0.2, 0.4, 0.8]


async def test_no_worker_outlives_its_supervisor(serve: Serve, path: Path) -> None:
    served = await serve(path)
    processes = (await workers(served)).values()
    assert processes
    served.process.kill()
    await until(lambda: not any(Path(f"/proc/{process}").exists() for process in processes), 10.0)


async def test_lines_of_all_of_them_stay_whole(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    for _ in range(5):
        await asyncio.gather(*(served.get(page(arcgis, number)) for number in range(60)))
    served.process.send_signal(signal.SIGTERM)
    output, _ = await served.process.communicate()
    lines = [json.loads(line) for line in output.decode().splitlines() if line.startswith("{")]
    assert sum(line["event"] == "request" for line in lines) == 300


@pytest.fixture
def behind_basic(arcgis: Simulator, tmp_path: Path) -> Callable[[str], Path]:
    """A site whose web server asks for a login: `behind_basic(password)` writes the configuration."""
    arcgis.options.web_tier, arcgis.options.has_tokens = "basic", False
    arcgis.options.web_tier_user, arcgis.options.web_tier_password = "webmap", PASSWORD

    def write(password: str) -> Path:
        document = config(arcgis.url)
        document["credentials"]["city"] |= {"type": "basic", "password": password}
        return written(tmp_path, document)

    return write


def tried(arcgis: Simulator) -> int:
    """Requests that came with a login."""
    return sum(entry.login == "basic" for entry in arcgis.journal)


async def test_a_wrong_password_at_the_web_server_is_tried_once(
    serve: Serve, arcgis: Simulator, behind_basic: Callable[[str], Path]
) -> None:
    served = await serve(behind_basic(PASSWORD + "wrong"))
    got = await asyncio.gather(*(served.get(page(arcgis, number)) for number in range(40)))
    assert {status for status, _ in got} == {502}
    assert tried(arcgis) == 1


async def test_a_password_that_was_changed_at_the_web_server_is_given_up_by_all(
    serve: Serve, arcgis: Simulator, behind_basic: Callable[[str], Path]
) -> None:
    served = await serve(behind_basic(PASSWORD))
    got = await asyncio.gather(*(served.get(page(arcgis, number)) for number in range(40)))
    assert {status for status, _ in got} == {200}
    arcgis.options.web_tier_password = "another"
    before = tried(arcgis)
    for number in range(30):
        await served.get(page(arcgis, number))  # a new connection each: whichever worker takes it
    # One try that was refused and one more to be sure: the others are told before the client is answered
    assert tried(arcgis) - before == 2

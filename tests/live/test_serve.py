"""The command itself, as a process, alone and with workers: serves, reloads, drains, stops."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.served import Serve
from tests.until import until


@pytest.fixture(params=[1, 3], ids=["alone", "workers"], autouse=True)
def workers(request: pytest.FixtureRequest, path: Path) -> int:
    """All of it holds for one process and for several on one port."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["server"]["workers"] = request.param
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return int(request.param)


async def test_it_serves_and_stops_with_status_0(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    status, text = await served.get(f"/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json")
    assert (status, json.loads(text)["mapName"]) == (200, "City")
    status, text = await served.get("/metrics", served.admin)
    assert "resource_proxy_requests_total" in text
    served.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(served.process.wait(), 10) == 0


async def test_a_bad_file_is_kept_out_and_a_good_one_applied(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    target = f"/proxy?{arcgis.url}/rest/services/Secure/City/FeatureServer/0/applyEdits?f=json"
    assert (await served.get(target))[0] == 403
    good = path.read_text(encoding="utf-8")
    path.write_text("serverUrls: nonsense", encoding="utf-8")
    served.process.send_signal(signal.SIGHUP)
    text = await served.until("/status.json", lambda text: '"rejectedConfiguration": []' not in text and text != "")
    assert "serverUrls" in text
    assert json.loads(text)["generation"] == 1
    document = yaml.safe_load(good)
    document["serverUrls"][0]["access"] = "edit"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    served.process.send_signal(signal.SIGHUP)
    await served.until("/status.json", lambda text: '"generation": 2' in text)
    assert (await served.get(target))[0] == 200


async def test_a_request_in_flight_ends_before_the_process_does(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    arcgis.options.token_delay = 0.5
    asked = asyncio.ensure_future(served.get(f"/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json"))
    await until(lambda: bool(arcgis.journal.to("generateToken")))
    served.process.send_signal(signal.SIGTERM)
    status, _ = await asked
    assert status == 200
    assert await asyncio.wait_for(served.process.wait(), 10) == 0


async def test_a_second_signal_stops_at_once_with_another_status(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    arcgis.options.token_delay = 5
    asked = asyncio.ensure_future(served.get(f"/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json"))
    await until(lambda: bool(arcgis.journal.to("generateToken")))
    served.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.2)
    served.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(served.process.wait(), 2) != 0
    with pytest.raises(aiohttp.ClientError):
        await asked


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_a_crash_leaves_no_memory_behind(serve: Serve, path: Path) -> None:
    served = await serve(path)
    limits = Path(f"/proc/{served.process.pid}/limits").read_text(encoding="ascii")
    (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]


async def test_a_secret_that_everyone_can_read_is_not_served_with(serve: Serve, path: Path) -> None:
    path.chmod(0o644)
    refused = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "serve", "--config", str(path), stdout=-1, stderr=-1
    )
    _, errors = await refused.communicate()
    assert refused.returncode == 1
    assert f"run: chmod o-rwx {path}" in errors.decode()


async def test_what_was_mended_is_taken_though_nothing_in_it_changed(serve: Serve, path: Path) -> None:
    served = await serve(path)
    path.chmod(0o644)
    await served.until("/status.json", lambda text: "chmod o-rwx" in text)
    path.chmod(0o600)
    await served.until("/status.json", lambda text: '"rejectedConfiguration": []' in text)


async def test_a_port_in_use_is_one_clear_line(serve: Serve, path: Path) -> None:
    served = await serve(path)
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "proxy", "serve", "--config", str(path), stdout=-1, stderr=-1
    )
    _, errors = await second.communicate()
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{served.port}" in errors.decode()
    assert "Traceback" not in errors.decode()

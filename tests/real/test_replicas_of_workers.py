"""Two machines of several workers each, and a real Redis: workers ask their supervisor, supervisors ask the store."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD, config, serve
from tests.live.served import Serve, Served
from tests.real.store import Store

__all__ = ["serve"]

WORKERS = 2


def written(folder: Path, name: str, store: Store, document: dict[str, Any]) -> Path:
    document["server"]["workers"] = WORKERS
    document["state"] = {"url": store.url, "timeout": "2s"}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def page(arcgis: Simulator, number: int = 0) -> str:
    return f"/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json&n={number}"


async def asked(arcgis: Simulator, *machines: Served, times: int = 25) -> list[int]:
    got = await asyncio.gather(*(each.get(page(arcgis, number)) for number in range(times) for each in machines))
    return [status for status, _ in got]


async def test_one_login_one_limit_and_one_page_of_figures(serve: Serve, arcgis: Simulator, tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        document = config(arcgis.url, rateLimit=30, rateLimitPeriod=1)
        one, other = [await serve(written(tmp_path, name, store, document)) for name in ("one", "other")]
        arcgis.options.token_delay = 0.3
        got = await asked(arcgis, one, other)
        assert (got.count(200), got.count(429)) == (30, 20)
        assert arcgis.accounts.logins == 1
        _, status = await one.get("/status.json", one.admin)
        assert json.loads(status)["sharedState"] == {"store": store.url, "state": "good", "faults": 0}
        _, metrics = await one.get("/metrics", one.admin)
        assert "resource_proxy_shared_state_up 1.0" in metrics
        store.kill()
        arcgis.accounts.revoke_all()
        await one.until("/metrics", lambda text: "resource_proxy_shared_state_up 0.0" in text)


@pytest.mark.parametrize("kind", ["arcgis", "basic"])
async def test_a_wrong_password_is_tried_once_in_all(
    serve: Serve, arcgis: Simulator, tmp_path: Path, kind: str
) -> None:
    if kind == "basic":
        arcgis.options.web_tier, arcgis.options.has_tokens = "basic", False
        arcgis.options.web_tier_password = PASSWORD
    document = config(arcgis.url)
    document["credentials"]["city"] |= {"type": kind, "password": "canary-wrong-Pa55"}
    with Store(tmp_path) as store:
        one, other = [await serve(written(tmp_path, name, store, document)) for name in ("one", "other")]
        assert set(await asked(arcgis, one, other)) == {502}
        found = await store.everything()
    assert arcgis.accounts.refusals + sum(entry.login == "basic" for entry in arcgis.journal) == 1
    assert b"canary" not in b"".join([*found, *found.values()])


async def test_killed_and_restarted_under_load_no_client_sees_it(
    serve: Serve, arcgis: Simulator, tmp_path: Path
) -> None:
    with Store(tmp_path) as store:
        document = config(arcgis.url, rateLimit=100_000)
        machines = [await serve(written(tmp_path, name, store, document)) for name in ("one", "other")]
        seen: list[int] = []
        for turn in range(12):
            if turn == 3:
                store.kill()
            if turn == 6:
                arcgis.accounts.revoke_all()
            if turn == 9:
                store.start()
            seen += await asked(arcgis, *machines, times=10)
        assert set(seen) == {200}
        for machine in machines:
            await machine.until("/metrics", lambda text: "resource_proxy_shared_state_up 1.0" in text)

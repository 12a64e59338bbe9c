"""Koop, a real third-party server of the ArcGIS protocol, with its token security on: queried through the proxy.

Koop answers `rest/generateToken` (no `/tokens`), hears tokens in the query alone, and says 498 and 499 with HTTP 200.
"""

import asyncio
import json
import os
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from proxy.core import lifetime
from tests.e2e.pages import HERE
from tests.running import QUIET, proxying, signed

PASSWORD = "canary-koop-password"
POINT = {"type": "Feature", "properties": {"name": "pump"}, "geometry": {"type": "Point", "coordinates": [9.9, 47.4]}}


@pytest.fixture
async def koop(modules: Path, tmp_path: Path) -> AsyncIterator[str]:
    """Koop's root URL."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node.js is missing")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/pumps.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [POINT]}))
    (tmp_path / "users.json").write_text(json.dumps([{"username": "webmap", "password": PASSWORD}]))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        node,
        str(HERE / "koop.js"),
        str(port),
        "data",  # Koop looks for it below its working directory
        str(tmp_path / "users.json"),
        cwd=tmp_path,
        env={**os.environ, "GEOSERVICES_HTTP": "true", "SUPPRESS_NO_CONFIG_WARNING": "true"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while b"listening" not in (line := await process.stdout.readline()):
            assert line, "Koop did not start"
    yield f"http://127.0.0.1:{port}/file-geojson"
    process.terminate()
    await process.wait()


async def _query(session: aiohttp.ClientSession, proxy: str, target: str) -> dict[str, object]:
    async with session.get(URL(f"{proxy}?{target}", encoded=True)) as response:
        answer: dict[str, object] = json.loads(await response.read())
        return answer


async def test_koop_is_discovered_queried_and_renewed(koop: str, tmp_path: Path) -> None:
    rules = signed(f"{koop}/rest/services/pumps/FeatureServer", PASSWORD)
    target = f"{koop}/rest/services/pumps/FeatureServer/0/query?where=1%3D1&outFields=*&f=json"
    async with proxying(tmp_path, {**QUIET, **rules, "allowMissingReferer": True}) as service:
        proxy = f"http://127.0.0.1:{service.public.port}/proxy"
        async with aiohttp.ClientSession() as session:
            direct = await _query(session, proxy.replace("/proxy", "/healthz"), "")
            assert direct == {"status": "ok"}
            async with session.get(target) as response:
                assert (await response.json(content_type=None))["error"]["code"] == 499
            answer = await _query(session, proxy, target)
            assert [row["attributes"]["name"] for row in answer["features"]] == ["pump"]  # type: ignore[attr-defined]
            (row,) = service.store.snapshot()
            assert row["place"] == "query"  # learned: Koop hears no header
            # renewal: the token in hand is dropped as an upstream's rejection drops it, and the next request gets one
            (audience,) = service.store._held
            held = service.store._held[audience]
            assert held.slot.token is not None
            first = held.slot.token
            held.slot = lifetime.rejected(held.slot, first, first.obtained_at + 60)
            answer = await _query(session, proxy, target)
            assert "features" in answer
            assert held.slot.token is not None
            assert held.slot.token is not first
            totals = service.metrics.totals()
            assert totals["tokensObtained"] == 2

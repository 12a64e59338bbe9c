"""A day with little care, shortened: tokens that live for seconds are renewed hundreds of times under requests that
never stop, and nothing grows."""

import asyncio
from pathlib import Path

import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.conftest import config
from tests.live.served import Serve
from tests.live.test_under_load import Load

SETTLED, SECONDS = 5.0, 20.0
RENEWALS = 200
GROWTH = 4 * 1024  # KiB
DESCRIPTORS = 8

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="memory and descriptors are read from /proc")


def used(process: int) -> tuple[int, int]:
    """Memory in KiB, and open descriptors."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return memory, len(list(Path(f"/proc/{process}/fd").iterdir()))


async def test_memory_and_descriptors_stay_where_they_are(serve: Serve, arcgis: Simulator, tmp_path: Path) -> None:
    arcgis.options.short_minutes = arcgis.options.long_minutes = 0.75 / 60
    document = config(arcgis.url)
    document["log"] = {"level": "warning"}  # nobody reads the lines of these requests, and they would wait in memory
    (rule,) = document["serverUrls"]
    document["serverUrls"] = [
        {**rule, "url": f"{arcgis.url}/rest/services/{path}", "referer": f"https://maps.example.com/{number}"}
        for number, path in enumerate(
            f"{folder}/City/{kind}/{layer}"
            for folder in ("Secure", "Public")
            for kind in ("MapServer", "FeatureServer")
            for layer in (0, 1)
        )
    ]
    path = tmp_path / "proxy.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    served = await serve(path)
    loads = [Load(f"{rule['url']}?f=json", [served.port], holds='"fields"') for rule in document["serverUrls"]]
    await asyncio.gather(*(load.run(SETTLED, rate=30) for load in loads))
    memory, descriptors = used(served.process.pid)
    logins = arcgis.accounts.logins
    await asyncio.gather(*(load.run(SECONDS, rate=30) for load in loads))
    later, open_later = used(served.process.pid)
    assert [failure for load in loads for failure in load.failures] == []
    assert arcgis.accounts.logins - logins >= RENEWALS
    assert later - memory < GROWTH
    assert open_later - descriptors < DESCRIPTORS

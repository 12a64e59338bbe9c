"""The simulator and the proxy, run in the test's own process until its fixture ends. Asks them nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from proxy.assemble import Service, on_free_ports
from proxy.settings.load import load
from proxy.simulator.options import Options
from proxy.simulator.server import Simulator

# A proxy on a free port that has no admin pages and says nothing
QUIET: dict[str, Any] = {
    "server": {"listen": "127.0.0.1:0", "limits": {"drain": "1s"}},
    "admin": {"listen": None},
    "log": {"level": "error"},
}


@asynccontextmanager
async def simulated(password: str) -> AsyncIterator[Simulator]:
    """A site whose user `webmap` has this password."""
    simulator = Simulator(Options(users={"webmap": password}))
    await simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


@asynccontextmanager
async def proxying(folder: Path, document: dict[str, Any]) -> AsyncIterator[Service]:
    """The proxy with this `proxy.yaml`, which is written to `folder`."""
    path = folder / "proxy.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    service = Service(on_free_ports(load(path, {})))
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


def signed(url: str, password: str, **rule: Any) -> dict[str, Any]:
    """The keys for one rule, signed as `webmap`."""
    return {
        "credentials": {"city": {"username": "webmap", "password": password}},
        "serverUrls": [{"url": url, "credential": "city", **rule}],
    }

"""The simulator and the proxy, run in the test's own process until its fixture ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from proxy.assemble import Service
from proxy.model import Configuration
from proxy.settings.load import load
from proxy.simulator.options import Options
from proxy.simulator.server import Simulator

# A proxy on a free port that has no admin pages and says nothing
QUIET: dict[str, Any] = {
    "server": {"listen": "127.0.0.1:0", "limits": {"drain": "1s"}},
    "admin": {"listen": None},
    "log": {"level": "error"},
}


def configured(path: Path) -> Configuration:
    """What this `proxy.yaml` says, on ports of the system's choice."""
    found = load(path, {})
    admin = replace(found.admin_listen, port=0) if found.admin_listen else None
    return replace(found, listen=replace(found.listen, port=0), admin_listen=admin)


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
async def proxying(folder: Path, document: dict[str, Any], **parts: Any) -> AsyncIterator[Service]:
    """The proxy with this `proxy.yaml`, which is written to `folder`; `parts` as `Service` takes them."""
    path = folder / "proxy.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    service = Service(configured(path), **parts)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


async def ask_for(service: Service, *targets: str) -> None:
    """Each of them by query mode, one after the other, whatever comes."""
    async with aiohttp.ClientSession() as session:
        for target in targets:
            async with session.get(f"http://127.0.0.1:{service.public.port}/proxy?{target}") as response:
                await response.read()


def signed(url: str, password: str, **rule: Any) -> dict[str, Any]:
    """The keys for one rule, signed as `webmap`."""
    return {
        "credentials": {"city": {"username": "webmap", "password": password}},
        "serverUrls": [{"url": url, "credential": "city", **rule}],
    }

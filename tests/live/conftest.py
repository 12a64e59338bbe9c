"""A running simulator, a running proxy, a client: all on real sockets. Every test here fails if a secret shows up
anywhere that is not the upstream."""

import asyncio
import io
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest
import yaml
from yarl import URL

from proxy.assemble import Service
from proxy.simulator.options import Options, of_profile
from proxy.simulator.server import Simulator
from proxy.telemetry.log import configure
from proxy.telemetry.tracing import begin_tracing
from tests.got import Got as Got
from tests.got import got
from tests.live.collector import Collector
from tests.live.served import PAGE as PAGE
from tests.live.served import Serve, Served, free_port
from tests.running import configured
from tests.until import until

if TYPE_CHECKING:
    from tests.live.hostile import Hostile

PASSWORD = "canary-Pa55+w%rd&=#é"


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """What `serve` runs on is uvloop, but on Windows; how transports behave at their ends differs between the two."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    both = ("test_connecting.py", "test_connections.py", "test_drips.py", "test_raw_requests.py")
    if (item.path.name in both or item.path.parent.name == "upstream") and sys.platform != "win32":
        import uvloop

        loops["uvloop"] = uvloop.new_event_loop
    return loops


@dataclass(slots=True)
class Client:
    """A browser's part: a Referer, and everything that was received."""

    session: aiohttp.ClientSession
    proxy: str
    seen: list[bytes] = field(default_factory=list)

    async def get(self, target: str, method: str = "GET", data: Any = None, **headers: str) -> Got:
        """A request through the proxy; `target` goes into the request line as it is."""
        sent = {"Referer": PAGE, **{name.replace("_", "-"): value for name, value in headers.items()}}
        sent = {name: value for name, value in sent.items() if value}
        url = URL(f"{self.proxy}?{target}", encoded=True)
        async with self.session.request(method, url, headers=sent, data=data, allow_redirects=False) as response:
            answer = await got(response)
        self.seen += [answer.body, repr(response.raw_headers).encode()]
        return answer


@dataclass(slots=True)
class World:
    """Everything that runs in one test."""

    arcgis: Simulator
    service: Service
    client: Client
    log: io.StringIO
    path: Path
    secrets: set[str] = field(default_factory=set)  # of this test, beside those of every one

    def url(self, path: str = "Secure/City/MapServer?f=json") -> str:
        return f"{self.arcgis.url}/rest/services/{path}"

    @property
    def in_flight(self) -> int:
        """Requests that the proxy is answering, as its metrics say."""
        (said,) = re.findall(rb"^resource_proxy_in_flight (\S+)", self.service.metrics.render(), re.MULTILINE)
        return int(float(said))

    async def logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The log's lines of this event, once its thread has written so many."""

        def lines() -> list[dict[str, Any]]:
            return [line for line in map(json.loads, self.log.getvalue().splitlines()) if line["event"] == event]

        await until(lambda: len(lines()) >= count, 30.0)
        return lines()


def config(site: str, **rule: Any) -> dict[str, Any]:
    """A configuration for the simulator at `site`."""
    return {
        "server": {"listen": "127.0.0.1:0", "limits": {"drain": "1s"}},
        "admin": {"listen": "127.0.0.1:0"},
        "allowedReferers": ["https://maps.example.com"],
        "credentials": {"city": {"username": "webmap", "password": PASSWORD}},
        "serverUrls": [{"url": f"{site}/rest/services", "credential": "city", **rule}],
    }


@pytest.fixture
async def arcgis() -> AsyncIterator[Simulator]:
    simulator = Simulator(Options(users={"webmap": PASSWORD}))
    await simulator.start()
    yield simulator
    await simulator.stop()


@pytest.fixture
async def hostile() -> "AsyncIterator[Hostile]":
    """An upstream that answers with whatever bytes its script has."""
    from tests.live.hostile import Hostile  # which knows this file

    server = Hostile()
    await server.start()
    yield server
    await server.stop()


Build = Callable[..., Any]
Sites = Callable[..., Any]


@pytest.fixture
async def sites() -> AsyncIterator[Sites]:
    """Starts a site as a release behaves: `await sites("ags-9.3", token_delay=0.1)`."""
    started: list[Simulator] = []

    async def start(profile: str, **knobs: Any) -> Simulator:
        options = of_profile(profile)
        options.users = {"webmap": PASSWORD}
        for name, value in knobs.items():
            setattr(options, name, value)
        started.append(Simulator(options))
        await started[-1].start()
        return started[-1]

    yield start
    for simulator in started:
        await simulator.stop()


@pytest.fixture
async def build(arcgis: Simulator, tmp_path: Path) -> AsyncIterator[Build]:
    """Starts a proxy: `await build(inject="query")`, or `await build(document={...})`; `site` in place of `arcgis`;
    traced, where there is a `collector`."""
    log = io.StringIO()
    handle = configure("debug", "json", log)
    worlds: list[World] = []

    async def start(
        document: dict[str, Any] | None = None,
        *,
        site: Simulator | None = None,
        collector: Collector | None = None,
        **rule: Any,
    ) -> World:
        path = tmp_path / "proxy.yaml"
        path.write_text(yaml.safe_dump(document or config((site or arcgis).url, **rule)), encoding="utf-8")
        tracing = begin_tracing(collector.environ) if collector is not None else None
        service = Service(configured(path), tracing=tracing)
        await service.start()
        session = aiohttp.ClientSession(auto_decompress=True)
        client = Client(session, f"http://127.0.0.1:{service.public.port}/proxy")
        if collector is not None:
            collector.seen = client.seen  # what is told of requests is public, too
        worlds.append(World(site or arcgis, service, client, log, path))
        return worlds[-1]

    yield start
    for world in worlds:
        is_up = not world.service.draining
        admin = f"http://127.0.0.1:{world.service.admin.port}" if world.service.admin and is_up else ""
        for page in ("/metrics", "/status", "/status.json") if admin else ():
            async with world.client.session.get(admin + page) as response:
                world.client.seen.append(await response.read())
        await world.client.session.close()
        if is_up:
            await world.service.stop()
    handle.close()
    for world in worlds:
        _no_secret_shows(world, log.getvalue())


@pytest.fixture
async def world(build: Build) -> World:
    started: World = await build()
    return started


def _no_secret_shows(world: World, log: str) -> None:
    everything = b"\n".join([*world.client.seen, log.encode()])
    secrets = {PASSWORD, "canary-cookie", *world.secrets, *world.arcgis.accounts.all_tokens}
    for secret in secrets:
        for form in {secret, quote(secret), json.dumps(secret)[1:-1]}:
            assert form.encode() not in everything, "a secret shows up outside the upstream"


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    started: list[asyncio.subprocess.Process] = []

    async def start(path: Path, **environ: str) -> Served:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        port, admin = free_port(), free_port()
        document["server"]["listen"], document["admin"]["listen"] = f"127.0.0.1:{port}", f"127.0.0.1:{admin}"
        path.write_text(yaml.safe_dump(document), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "proxy",
            "serve",
            "--config",
            str(path),
            env=os.environ | environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        started.append(process)
        served = Served(process, port, admin)
        await served.until("/readyz", lambda text: "ready" in text)
        return served

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        output, _ = await process.communicate()
        assert PASSWORD.encode() not in output


@pytest.fixture
def path(arcgis: Simulator, tmp_path: Path) -> Path:
    file = tmp_path / "proxy.yaml"
    file.write_text(yaml.safe_dump(config(arcgis.url)), encoding="utf-8")
    return file

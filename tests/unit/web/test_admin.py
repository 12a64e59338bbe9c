"""The admin pages, asked over a connection in memory."""

import asyncio
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from aiohttp import web

from proxy import __version__
from proxy.secret import Secret
from proxy.telemetry.metrics import Metrics
from proxy.web.admin import admin_app
from tests.got import Got
from tests.unit.telemetry.configurations import ROADS, configuration, exchange

STATUS: dict[str, object] = {
    "generation": 3,
    "uptimeSeconds": 93_784,
    "rules": [{"rule": ROADS, "requests": 12, "errors": 0}],
    "credentials": [
        {"credential": "city", "server": "https://gis.example.com/arcgis", "state": "good", "problem": None},
        {"credential": "old", "server": "https://old.example.com", "state": "held off", "problem": "Wrong <password>"},
    ],
    "totals": {"requests": 12, "tokensObtained": 1},
    "rejectedConfiguration": ["proxy.yaml:4: <script>alert(1)</script>"],
    "warnings": [],
}


class Line(asyncio.Transport):
    """The client's end of a connection: keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = bytearray()
        self.answered = asyncio.Event()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data
        if b"\r\n\r\n" in self.sent:
            self.answered.set()

    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self.write(data)

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass


@dataclass(slots=True)
class Admin:
    """What the pages are made of, and how they are asked for."""

    metrics: Metrics
    ask: Callable[..., Awaitable[Got]]
    password: Callable[[str], None]
    reason: str | None = None
    asked: int = 0
    shown: Mapping[str, object] | None = None
    seconds: float = 0.0
    takes: float = 0.0

    def status(self) -> Mapping[str, object]:
        self.asked += 1
        self.seconds += self.takes
        return STATUS if self.shown is None else self.shown


async def ask(
    runner: web.AppRunner, path: str, method: str = "GET", authorization: str | None = None, *, leaves: bool = True
) -> Got:
    assert runner.server is not None
    line, protocol = Line(), runner.server()
    protocol.connection_made(line)
    more = f"Authorization: {authorization}\r\n" if authorization is not None else ""
    protocol.data_received(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
    async with asyncio.timeout(5.0):
        await line.answered.wait()
    await asyncio.sleep(0.01)  # the rest of it
    if leaves:
        protocol.connection_lost(None)
    head, _, body = bytes(line.sent).partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
    return Got(int(first.split()[1]), headers, body)


@pytest.fixture
async def admin() -> AsyncIterator[Admin]:
    metrics = Metrics()
    metrics.configured(configuration(ROADS), 1)
    runners: list[web.AppRunner] = []

    async def asking(path: str, method: str = "GET", **more: Any) -> Got:
        if not runners:
            runners.append(await started())
        return await ask(runners[-1], path, method, **more)

    made = Admin(metrics, asking, lambda password: passwords.append(Secret(password)))
    passwords: list[Secret] = []

    async def exposition() -> bytes:
        return metrics.render()

    async def status() -> Mapping[str, object]:
        return made.status()

    async def started() -> web.AppRunner:
        password = passwords[-1] if passwords else None
        app = admin_app(lambda: made.reason, exposition, status, password, clock=lambda: made.seconds)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        return runner

    yield made
    async with asyncio.timeout(2.0):  # pages that are open do not hold it up
        for runner in runners:
            await runner.cleanup()


async def test_alive_and_ready(admin: Admin) -> None:
    alive, ready = await admin.ask("/healthz"), await admin.ask("/readyz")
    assert (alive.status, alive.json) == (200, {"status": "ok"})
    assert (ready.status, ready.json) == (200, {"status": "ready"})


async def test_not_ready_says_why_but_is_alive(admin: Admin) -> None:
    admin.reason = "draining"
    ready = await admin.ask("/readyz")
    assert (ready.status, ready.json) == (503, {"status": "not ready", "reason": "draining"})
    assert (await admin.ask("/healthz")).status == 200


async def test_metrics_as_prometheus_reads_them(admin: Admin) -> None:
    admin.metrics.record(exchange(), 100.1)
    got = await admin.ask("/metrics")
    assert got.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert f'resource_proxy_requests_total{{outcome="ok",rule="{ROADS}",status="200"}} 1.0' in got.text


async def test_status_for_programs(admin: Admin) -> None:
    got = await admin.ask("/status.json")
    assert got.headers["content-type"] == "application/json"
    assert got.json == {"version": __version__, "ready": "ready", **STATUS}


async def test_the_page_is_whole_and_runs_nothing_else(admin: Admin) -> None:
    got = await admin.ask("/status")
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(""", got.text)
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    script = got.text.partition("<script>")[2].partition("</script>")[0]
    assert f"script-src 'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" in policy
    assert "innerHTML" not in script  # what it shows is text, whatever it says


async def test_the_page_is_kept_live(admin: Admin) -> None:
    first = await admin.ask("/status/live")
    assert first.headers["content-type"] == "text/event-stream"
    line = next(line for line in first.text.splitlines() if line.startswith("data: "))
    assert json.loads(line.removeprefix("data: ")) == {"version": __version__, "ready": "ready", **STATUS}


async def test_pages_that_nobody_closes_are_bounded(admin: Admin) -> None:
    statuses = [(await admin.ask("/status/live", leaves=False)).status for _ in range(21)]
    assert statuses == [200] * 20 + [503]


async def test_the_password_guards_what_is_shown_and_no_probe(admin: Admin) -> None:
    admin.password("opën:sesame")
    for path in ("/status", "/status.json", "/status/live", "/metrics", "/nowhere"):
        for given in (None, "Basic", "Basic !!", "Bearer opën:sesame", _basic("sesame"), _basic("")):
            got = await admin.ask(path, authorization=given)
            assert (got.status, got.headers["www-authenticate"][:5]) == (401, "Basic"), (path, given)
    assert (await admin.ask("/status.json", authorization=_basic("opën:sesame"))).json["generation"] == 3
    assert (await admin.ask("/healthz")).status == (await admin.ask("/readyz")).status == 200


def _basic(password: str) -> str:
    return "Basic " + b64encode(f"anyone:{password}".encode()).decode()


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/status", "/status.json", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_no_answer_is_kept_sniffed_framed_or_signed(admin: Admin, path: str, method: str) -> None:
    got = await admin.ask(path, method)
    assert got.status == (404 if path in ("/", "/nowhere") else 405 if method == "POST" else 200)
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in got.headers["content-security-policy"]
    assert "server" not in got.headers
    assert "access-control-allow-origin" not in got.headers


async def test_a_flood_gets_the_last_page_again(admin: Admin) -> None:
    admin.takes = 0.5  # seconds that the page takes to make
    for _ in range(20):
        await admin.ask("/status.json")
    assert admin.asked == 1
    admin.seconds += 5.1
    await admin.ask("/status.json")
    assert admin.asked == 2


async def test_a_page_that_waited_long_for_somebody_is_not_old_for_long(admin: Admin) -> None:
    admin.takes = 2.0
    await admin.ask("/status.json")
    admin.seconds += 5.1
    await admin.ask("/status.json")
    assert admin.asked == 2


async def test_a_page_that_costs_nothing_is_always_of_now(admin: Admin) -> None:
    for number in range(3):
        admin.shown = {"generation": number}
        assert (await admin.ask("/status.json")).json["generation"] == number

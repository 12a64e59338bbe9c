"""Collectors that fail, and processes that tell them who they are."""

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path

import pytest

from proxy.simulator.server import Simulator
from tests.live.collector import Collector
from tests.live.conftest import Build, World, config
from tests.live.served import Serve, free_port
from tests.live.test_workers import WORKERS, page, written
from tests.live.traces.conftest import one
from tests.until import until


@pytest.mark.parametrize("fault", ["gone", "hangs", "refuses", "is busy"])
async def test_a_collectors_fault_is_nobodys(fault: str, collector: Collector, build: Build) -> None:
    world = await build(collector=collector)
    match fault:
        case "gone":
            await collector.stop()
        case "hangs":
            collector.delay = 3600.0
        case "refuses":
            collector.status = 401
        case _:
            collector.status = 503
    for number in range(600):  # more than a batch
        got = await world.client.get(world.url(f"Secure/City/MapServer?f=json&n={number}"))
        assert got.status == 200
    if fault == "refuses":  # the others are tried again until the library's own ten seconds are over
        await world.logged("traces_unavailable")
    began = time.monotonic()
    await world.service.stop()
    assert time.monotonic() - began < 10.0
    lines = [json.loads(line) for line in world.log.getvalue().splitlines()]
    assert not [line for line in lines if line["event"] == "message"]
    told = [line["collector"] for line in lines if line["event"] == "traces_unavailable"]
    assert told.count(f"http://127.0.0.1:{collector.port}") <= 1  # that of another test may end only now
    assert collector.spans == []


async def test_a_collector_that_comes_back_is_told_again(
    collector: Collector, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")  # milliseconds until a batch goes that is not full
    collector.status = 400
    world = await build(collector=collector)

    async def batch() -> None:
        for number in range(300):  # two spans each, and four of the login
            await world.client.get(world.url(f"Secure/City/MapServer?f=json&n={number}"))

    def counted(result: str) -> float:
        text = world.service.metrics.render().decode()
        return sum(map(float, re.findall(rf'resource_proxy_trace_spans_total\{{result="{result}"\}} (\S+)', text)))

    await batch()
    (said,) = await world.logged("traces_unavailable")
    assert said["level"] == "warning"
    assert said["collector"] == f"http://127.0.0.1:{collector.port}"
    assert "400" in said["why"]
    await until(lambda: counted("lost") == 604, 30.0)
    collector.status = 200
    await batch()
    await world.logged("traces_reached")
    await world.service.stop()
    assert (counted("lost"), counted("sent"), len(collector.spans)) == (604, 600, 600)


async def test_every_worker_tells_who_it_is(
    serve: Serve, arcgis: Simulator, tmp_path: Path, collector: Collector
) -> None:
    document = config(arcgis.url) | {"log": {"level": "warning"}}
    named = {"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=map-1,deployment.environment.name=test"}
    named |= collector.environ | {"OTEL_SERVICE_NAME": "maps", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    served = await serve(written(tmp_path, document), **named)

    async def all_have_told() -> None:
        while len({span.process for span in collector.of("server")}) < WORKERS:
            assert (await served.get(page(arcgis)))[0] == 200
            await asyncio.sleep(0.02)

    await asyncio.wait_for(all_have_told(), 30)
    await collector.until(lambda _: bool(collector.of("internal")))
    told = collector.resources.values()
    assert {each["service.name"] for each in told} == {"maps"}
    assert {each["deployment.environment.name"] for each in told} == {"test"}
    login = one(collector.of("internal"))
    assert login.process == "map-1"  # the supervisor, who makes the logins
    [asked] = [span for span in collector.of("server") if span.id == login.parent]
    assert asked.trace == login.trace
    assert all(re.fullmatch(r"map-1-\d+", span.process) for span in collector.of("server"))
    _, metrics = await served.get("/metrics", served.admin)
    assert 'resource_proxy_trace_spans_total{result="lost"} 0.0' in metrics


async def started(path: Path, **environ: str) -> tuple[int, str]:
    """`serve` that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "serve", "--config", str(path)),
        env=os.environ | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_without_the_library_the_start_says_what_to_install(path: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "opentelemetry"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('not installed')\n", encoding="utf-8")
    where = ":".join([str(hidden.parent), *sys.path[:1], os.environ.get("PYTHONPATH", "")])
    status, said = await started(path, PYTHONPATH=where, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    assert status == 1
    assert "OTEL_EXPORTER_OTLP_ENDPOINT asks for traces" in said
    assert "pip install 'arcgis-resource-proxy[otel]'" in " ".join(said.split())
    assert "Traceback" not in said


async def test_a_variable_that_cannot_be_read_is_named(path: Path) -> None:
    there = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}
    status, said = await started(path, **there)
    assert (status, "http/protobuf" in said, "Traceback" in said) == (1, True, False)
    status, said = await started(path, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:4318", OTEL_BSP_MAX_QUEUE_SIZE="0")
    assert (status, "OTEL_" in said, "Traceback" in said) == (1, True, False)


async def test_where_nothing_is_traced_nothing_of_it_is_there(world: World, path: Path) -> None:
    assert world.service.web_tier._transport is world.service.transport
    assert world.service.pipeline.attempts.tokens is world.service.store
    code = "import sys, proxy.cli, proxy.workers.worker; print([name for name in sys.modules if 'telemetry.' in name])"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert b"proxy.telemetry.tracing" in output
    assert b"opentelemetry" not in output

"""More connections than the process has descriptors for."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.served import Served, free_port


async def test_the_end_of_the_descriptors_is_a_503_and_not_a_flood_of_errors(path: Path, arcgis: Simulator) -> None:
    resource = pytest.importorskip("resource")  # not on Windows
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["server"]["listen"] = f"127.0.0.1:{(port := free_port())}"
    path.write_text(yaml.safe_dump({**document, "admin": {"listen": None}}), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", "serve", "--config", str(path)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
    )
    served = Served(process, port, port)
    try:
        await _crowd(served, f"/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json")
        process.terminate()
        output, _ = await asyncio.wait_for(process.communicate(), 10)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    assert b"connections_unavailable" in output
    assert b"Too many open files" not in output
    assert len(output.splitlines()) < 15


async def _crowd(served: Served, path: str) -> None:
    await served.until("/healthz", lambda text: "ok" in text)
    async with AsyncExitStack() as stack:
        readers = []
        for number in range(300):  # within two seconds: whoever idles longer makes room
            address = f"127.0.0.{number % 8 + 2}"
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port, local_addr=(address, 0))
            stack.callback(writer.close)
            readers.append(asyncio.create_task(reader.readline()))
        answered, silent = await asyncio.wait(readers, timeout=1)
        for task in silent:
            task.cancel()
        assert 100 < len([task for task in answered if task.result().startswith(b"HTTP/1.1 503")]) < 250
    await asyncio.sleep(0.1)
    assert (await served.get(path))[0] == 200

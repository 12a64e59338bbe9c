"""What keeps a process from its work from inside: a blocked event loop, a busy executor. Rows 71 and 72 of the table of
faults."""

import asyncio
import re
import threading
import time

from tests.live.conftest import Build, World
from tests.live.hostile import Hostile
from tests.until import until


async def test_a_process_that_stood_still_says_so_and_is_not_ready_for_a_while(world: World) -> None:
    admin = world.service.admin
    assert admin is not None
    site = f"http://127.0.0.1:{admin.port}"
    async with world.client.session.get(f"{site}/readyz") as ready:
        assert ready.status == 200
    await asyncio.sleep(0.3)  # a first beat
    time.sleep(2)  # noqa: ASYNC251 - this is the fault
    await asyncio.sleep(0.05)
    async with world.client.session.get(f"{site}/readyz") as ready:
        assert (ready.status, (await ready.json())["reason"]) == (503, "the event loop stood still")
    assert (await world.client.get(world.url())).status == 200  # who comes all the same is served
    async with world.client.session.get(f"{site}/metrics") as metrics:
        (lag,) = re.findall(r"^resource_proxy_event_loop_lag_seconds (\S+)$", await metrics.text(), re.MULTILINE)
    assert 1.0 < float(lag) < 10.0
    await until(lambda: '"event":"event_loop_stalled"' in world.log.getvalue())
    await until(lambda: world.service.not_ready() is None, 8.0)


async def test_a_busy_executor_keeps_no_request_waiting(build: Build, hostile: Hostile) -> None:
    """Names have threads of their own."""
    is_let_go = threading.Event()
    loop = asyncio.get_running_loop()
    busy = [loop.run_in_executor(None, is_let_go.wait, 20) for _ in range(100)]
    try:
        async with asyncio.timeout(5):
            site = f"http://localhost:{hostile.port}"
            world: World = await build(
                {
                    "server": {"listen": "127.0.0.1:0"},
                    "admin": {"listen": None},
                    "allowedReferers": ["https://maps.example.com"],
                    "serverUrls": [{"url": site}],
                }
            )
            assert (await world.client.get(f"{site}/a")).body == b"good"
    finally:
        is_let_go.set()
        await asyncio.gather(*busy)

"""What the system does to the process: stopped with work of every kind in hand, killed, frozen; and its pages flooded.
Rows 56, 62, 65, 67, 68, 79 and 82 of the table of faults."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import sys
import time
from pathlib import Path

import aiohttp
import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.served import PAGE, Serve, Served, free_port
from tests.until import until


def page(arcgis: Simulator, number: int = 0) -> str:
    return f"/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json&n={number}"


def head(arcgis: Simulator, method: str = "GET", more: str = "") -> bytes:
    return f"{method} {page(arcgis)} HTTP/1.1\r\nHost: x\r\nReferer: {PAGE}\r\n{more}\r\n".encode()


async def reading(served: Served) -> asyncio.Task[tuple[bytes, bytes]]:
    """Its log is read all along: an unread pipe has no end."""
    return asyncio.create_task(served.process.communicate())


async def test_idle_connections_close_and_work_in_hand_is_finished(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(head(arcgis))
    await reader.readuntil(b"\r\n\r\n")  # a connection that has served and is idle
    arcgis.accounts.revoke_all()
    arcgis.options.token_delay = 0.6
    waiting, sending = await asyncio.open_connection("127.0.0.1", served.port)
    sending.write(head(arcgis))
    await until(lambda: len(arcgis.journal.to("generateToken")) == 2)
    served.process.send_signal(signal.SIGTERM)
    output = await reading(served)
    answer = await asyncio.wait_for(waiting.read(), 5)  # to the end: the connection closes after it
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()
    await asyncio.wait_for(reader.read(), 5)  # ended, too
    await asyncio.wait_for(output, 5)
    assert served.process.returncode == 0
    for each in (writer, sending):
        each.close()


async def test_an_upload_that_never_ends_holds_nobody_up(serve: Serve, path: Path, arcgis: Simulator) -> None:
    """The configuration lets requests in flight have a second."""
    served = await serve(path)
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n"
    writer.write(head(arcgis, "POST", form) + b"f=js")
    await served.until("/metrics", lambda text: "\nresource_proxy_in_flight 1.0\n" in text)
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(served.process.communicate(), 6)
    assert served.process.returncode == 0
    assert time.monotonic() - began < 5
    writer.close()


async def test_a_killed_process_leaves_nothing_in_the_way_of_the_next(
    serve: Serve, path: Path, arcgis: Simulator
) -> None:
    served = await serve(path)
    assert (await served.get(page(arcgis)))[0] == 200
    served.process.kill()
    await served.process.communicate()
    again = await serve(path)
    assert (await again.get(page(arcgis)))[0] == 200


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
async def test_a_file_that_cannot_be_read_to_its_end_does_not_keep_the_process(
    serve: Serve, path: Path, arcgis: Simulator
) -> None:
    """As on a network drive that hangs: here a pipe that nobody writes."""
    served = await serve(path)
    path.unlink()
    os.mkfifo(path, 0o600)
    served.process.send_signal(signal.SIGHUP)
    await asyncio.sleep(1.5)  # it looks, and hangs
    assert (await served.get(page(arcgis)))[0] == 200
    served.process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(served.process.communicate(), 5)
    assert served.process.returncode == 0


async def test_a_frozen_process_goes_on_where_it_was(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    assert (await served.get(page(arcgis)))[0] == 200
    served.process.send_signal(signal.SIGSTOP)
    asked = [asyncio.create_task(served.get(page(arcgis, number))) for number in range(20)]
    await asyncio.sleep(2)
    served.process.send_signal(signal.SIGCONT)
    assert {status for status, _ in await asyncio.gather(*asked)} == {200}
    assert arcgis.accounts.logins == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux' own")
async def test_a_full_disk_costs_lines_and_no_request(path: Path, arcgis: Simulator) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    port, admin = free_port(), free_port()
    document["server"]["listen"], document["admin"]["listen"] = f"127.0.0.1:{port}", f"127.0.0.1:{admin}"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230 - a device
        command = (sys.executable, "-m", "proxy", "serve", "--config", str(path))
        process = await asyncio.create_subprocess_exec(*command, stdout=full, stderr=full)
    served = Served(process, port, admin)
    try:
        await served.until("/readyz", lambda text: '"ready"' in text)
        got = [await served.get(page(arcgis, number)) for number in range(20)]
        assert {status for status, _ in got} == {200}
        await served.until("/metrics", lambda text: dropped(text) >= 20)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()


def dropped(metrics: str) -> float:
    found = re.search(r"^resource_proxy_log_lines_dropped_total (\S+)$", metrics, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_clients_that_break_off_leave_no_descriptor_behind(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    folder = Path(f"/proc/{served.process.pid}/fd")
    assert (await served.get(page(arcgis)))[0] == 200
    await asyncio.sleep(0.1)
    before = len([*folder.iterdir()])
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n"
    heads = (head(arcgis), head(arcgis)[:40], head(arcgis, "POST", form) + b"f=js", b"")
    for number in range(200):
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(heads[number % len(heads)])
        await asyncio.sleep(0.005)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST
        writer.transport.abort()
    await until(lambda: len([*folder.iterdir()]) <= before + 8, 5.0)  # some rest for the next request
    assert (await served.get(page(arcgis)))[0] == 200


async def test_a_rule_that_goes_takes_no_request_in_flight_along(serve: Serve, path: Path, arcgis: Simulator) -> None:
    served = await serve(path)
    arcgis.options.token_delay = 3
    asked = asyncio.create_task(served.get(page(arcgis)))
    await until(lambda: bool(arcgis.journal.to("generateToken")))
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["serverUrls"][0]["url"] = "https://gis.example.com/arcgis/rest/services"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    served.process.send_signal(signal.SIGHUP)
    await served.until("/status.json", lambda text: '"generation": 2' in text)
    assert (await served.get(page(arcgis)))[0] == 403
    status, text = await asked
    assert (status, json.loads(text)["mapName"]) == (200, "City")


@pytest.mark.parametrize("what", ["/metrics", "/status/live", "/status.json"])
async def test_who_floods_the_pages_and_reads_nothing_is_not_in_the_way_of_maps(
    serve: Serve, path: Path, arcgis: Simulator, what: str
) -> None:
    served = await serve(path)
    await served.get(page(arcgis))
    lines = [await asyncio.open_connection("127.0.0.1", served.admin) for _ in range(100)]
    for _, writer in lines:
        writer.write(f"GET {what} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 20)
    slowest = 0.0
    async with aiohttp.ClientSession(headers={"Referer": PAGE}) as session:
        for number in range(30):
            began = time.monotonic()
            async with session.get(f"http://127.0.0.1:{served.port}{page(arcgis, number)}") as response:
                assert response.status == 200
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 2
    for _, writer in lines:
        writer.close()

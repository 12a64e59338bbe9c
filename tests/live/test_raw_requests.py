"""The requests of tests/cases/raw_requests.yaml, byte for byte, and what arrives of them at the origin."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.got import Got
from tests.live.conftest import Build, World, config
from tests.live.raw import Line, connect, fill

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (Path(__file__).parents[1] / "cases" / "raw_requests.yaml").read_text(encoding="utf-8")
)


@pytest.fixture
async def short(build: Build, arcgis: Simulator) -> World:
    """A proxy of little patience."""
    document = config(arcgis.url)
    document["server"]["limits"] |= {"headerTimeout": "300ms", "idleTimeout": "300ms", "body": "64KiB"}
    world: World = await build(document)
    return world


async def answers(line: Line, *, is_head: bool) -> list[Got]:
    """All of them, until the connection ends."""
    found: list[Got] = []
    while True:
        try:
            found.append(await line.answer(is_head=is_head))
        except asyncio.IncompleteReadError as error:
            left = error.partial
            break
    assert not left, "an answer is cut"
    return found


@pytest.mark.parametrize(
    ("group", "case"),
    [pytest.param(group, case, id=f"{group}: {case['name']}") for group, cases in CASES.items() for case in cases],
)
async def test_a_raw_request(short: World, group: str, case: dict[str, Any]) -> None:
    raw = fill(short, case["raw"])
    async with connect(short) as line:
        line.send(raw)
        got = await answers(line, is_head=raw.startswith(b"HEAD"))
    if case["status"] == "none":
        assert got == []
    else:
        wanted = case["status"] if isinstance(case["status"], list) else [case["status"]]
        assert got
        assert got[0].status in wanted, got[0]
        assert len(got) == case.get("answers", 1)
    for answer in got:
        if answer.status >= 400 and not raw.startswith(b"HEAD"):
            assert b"canary" not in answer.body.lower()
            assert answer.error["message"]
            assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
    passed = 1 if got and got[0].status == 200 else 0
    assert len(short.arcgis.journal.to("City/MapServer")) == case.get("arrives", passed)
    assert short.arcgis.journal.to("smuggled") == []


async def test_the_same_in_single_bytes(short: World) -> None:
    """How a request is cut into packets changes nothing."""
    for group in ("good", "headers", "length", "transfer coding", "chunks", "pipelined"):
        for case in CASES[group][:12]:
            raw = fill(short, case["raw"])
            if len(raw) > 2000:
                continue
            async with connect(short) as line:
                for at in range(0, len(raw), 7):
                    line.send(raw[at : at + 7])
                    await asyncio.sleep(0)
                got = await answers(line, is_head=raw.startswith(b"HEAD"))
            assert got, case["name"]
            assert got[0].status in (case["status"] if isinstance(case["status"], list) else [case["status"]]), case
            assert len(got) == case.get("answers", 1), case
    assert short.arcgis.journal.to("smuggled") == []

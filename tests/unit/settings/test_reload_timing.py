"""Files that change while they are read, or in a crowd: the last one wins, and it is read whole."""

import asyncio
from pathlib import Path

from proxy.model import Configuration
from proxy.settings.reload import Reloader
from tests.unit.settings.watched import SOON, Site
from tests.until import until


async def test_a_file_that_is_still_being_written_waits(site: Site) -> None:
    site.reloader = Reloader(site.path, site.load, site.apply, interval=3600.0, settle=20 * SOON)
    await site.reloader.start()
    site.loads = 0
    site.write("tw")
    look = asyncio.create_task(site.look())
    for text in ("bad", "bad tw", "bad two", "bad two and", "two"):  # longer than it takes to settle
        await asyncio.sleep(5 * SOON)
        site.write(text)
    await look
    assert (site.loads, site.applied, site.rejections) == (1, ["two"], 0)
    await site.reloader.stop()


async def test_what_is_read_while_it_is_written_is_read_again(site: Site) -> None:
    """Half of a file may be a good one with another meaning."""

    def load() -> Configuration:
        loaded = site.load()
        if site.loads == 1:
            site.write("two and a half")  # and so it was not whole
        return loaded

    reloader = Reloader(site.path, load, site.apply, interval=3600.0, settle=SOON)
    await reloader.start()
    site.loads = 0
    site.write("two")
    await reloader.look(was_told=False)
    await reloader.stop()
    assert (site.loads, site.applied) == (2, ["two and a half"])


async def test_a_file_that_never_rests_is_read_all_the_same(site: Site) -> None:
    is_writing = True

    async def scribble() -> None:
        number = 0
        while is_writing:
            number += 1
            beside = site.path.with_suffix(".new")
            beside.write_text(f"two #{number}", encoding="utf-8")
            beside.replace(site.path)  # each time whole, and another one
            await asyncio.sleep(0)

    scribbler = asyncio.create_task(scribble())
    await asyncio.sleep(SOON)
    async with asyncio.timeout(10.0):
        await site.look()
    is_writing = False
    await scribbler
    assert site.loads == 1


async def test_of_a_hundred_triggers_the_last_wins_and_none_run_together(site: Site) -> None:
    running, most = 0, 0

    async def apply(new: Configuration) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(SOON)
        running -= 1
        site.applied.append(new.source)

    await site.reloader.stop()
    site.reloader = Reloader(site.path, site.load, apply, interval=3600.0, settle=SOON)
    await site.reloader.start()
    for number in range(100):
        site.write(f"number {number}")
        site.reloader.trigger()
        await asyncio.sleep(SOON / 2)
    await until(lambda: site.applied[-1:] == ["number 99"], 10.0)
    assert most == 1
    assert len(site.applied) <= 100
    assert site.applied == sorted(site.applied, key=lambda each: int(each.split()[1]))


async def test_two_looks_at_once_apply_one_change_once(site: Site) -> None:
    async def apply(new: Configuration) -> None:
        await asyncio.sleep(SOON)
        site.applied.append(new.source)

    reloader = Reloader(site.path, site.load, apply, interval=3600.0, settle=SOON)
    await reloader.start()
    site.write("two")
    await asyncio.gather(*(reloader.look(was_told=True) for _ in range(10)))
    await reloader.stop()
    assert site.applied == ["two"]


async def test_a_file_that_rests_is_not_waited_for(site: Site) -> None:
    reloader = Reloader(site.path, site.load, site.apply, interval=3600.0, settle=0.1)
    await reloader.start()
    site.write("two")
    async with asyncio.timeout(1.5):  # of the 2.5 that it may take for one that never does
        await reloader.look(was_told=False)
    await reloader.stop()
    assert site.applied == ["two"]


async def test_a_change_between_loading_and_watching_is_not_lost(tmp_path: Path) -> None:
    site = Site(tmp_path / "proxy.yaml")
    site.write("one")
    running = site.load()
    site.write("two")
    await site.reloader.start(running)
    await site.look()
    assert site.applied == ["two"]
    await site.reloader.stop()

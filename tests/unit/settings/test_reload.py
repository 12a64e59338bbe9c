"""The configuration is watched: good ones are applied once, bad ones kept out, and the last of many wins."""

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.errors import ConfigurationError
from proxy.identity import ArcGISCredential, ClientCertificate, Route
from proxy.model import Configuration
from proxy.secret import Secret
from proxy.settings.reload import Reloader
from proxy.telemetry.log import configure
from tests.unit.telemetry.configurations import ROADS, configuration

SOON = 0.01


class Site:
    """A file, what it is read as, and what was applied. A file that says `bad` is no configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secret = path.parent / "secret"
        self.loads = 0
        self.applied: list[str] = []
        self.rejections = 0
        self.before_apply: Callable[[], None] = lambda: None
        self.files: dict[str, Any] = {}  # keys of a Configuration that name files
        self.reloader = Reloader(path, self.load, self.apply, interval=3600.0, settle=SOON)
        self.reloader.on_rejected = self.reject

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")

    def load(self) -> Configuration:
        self.loads += 1
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError([f"{self.path.name}: {error.strerror}"]) from None
        if "bad" in text:
            raise ConfigurationError(["proxy.yaml:1: bad is not known", "proxy.yaml:2: worse"])
        if "${file:" in text and self.secret.is_file():
            text += self.secret.read_text(encoding="utf-8")
        return configuration(ROADS, source=text.partition("#")[0].strip(), **self.files)

    async def apply(self, new: Configuration) -> None:
        self.before_apply()
        self.applied.append(new.source)

    def reject(self) -> None:
        self.rejections += 1

    async def look(self, *, was_told: bool = False) -> None:
        await self.reloader.look(was_told=was_told)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path / "proxy.yaml")
    made.write("one")
    await made.reloader.start()
    made.loads = 0
    yield made
    await made.reloader.stop()


async def watched(site: Site) -> None:
    """Watches every hundredth of a second from now on."""
    await site.reloader.stop()
    site.reloader = Reloader(site.path, site.load, site.apply, interval=SOON, settle=SOON)
    site.reloader.on_rejected = site.reject
    await site.reloader.start()
    site.loads = 0


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not condition():  # noqa: ASYNC110 - a file and a thread set no event
            await asyncio.sleep(SOON)


async def test_what_does_not_change_is_not_even_read_as_yaml(site: Site) -> None:
    await watched(site)
    await asyncio.sleep(10 * SOON)
    assert (site.loads, site.applied) == (0, [])


async def test_a_change_is_applied_once(site: Site) -> None:
    await watched(site)
    site.write("two")
    await until(lambda: site.applied == ["two"])
    await asyncio.sleep(10 * SOON)
    assert (site.loads, site.applied) == (1, ["two"])


async def test_a_change_of_words_alone_is_no_new_configuration(site: Site) -> None:
    site.write("one # a comment")
    await site.look()
    assert (site.loads, site.applied) == (1, [])


async def test_being_told_looks_at_what_did_not_change(site: Site) -> None:
    await site.look(was_told=True)
    assert (site.loads, site.applied) == (1, [])


async def test_a_bad_file_is_kept_out_and_said_once(site: Site) -> None:
    await watched(site)
    site.write("bad")
    await until(lambda: site.rejections > 0)
    await asyncio.sleep(10 * SOON)
    assert (site.rejections, site.applied) == (1, [])
    assert site.reloader.rejected == ["proxy.yaml:1: bad is not known", "proxy.yaml:2: worse"]
    site.reloader.trigger()
    await until(lambda: site.rejections == 2)


async def test_a_good_file_after_a_bad_one(site: Site) -> None:
    site.write("bad")
    await site.look()
    site.write("two")
    await site.look()
    assert (site.applied, site.reloader.rejected) == (["two"], [])


async def test_a_bad_file_taken_back_leaves_nothing_to_complain_of(site: Site) -> None:
    site.write("bad")
    await site.look()
    site.write("one")
    await site.look()
    assert (site.applied, site.reloader.rejected) == ([], [])


async def test_the_log_has_one_line_without_secrets(site: Site) -> None:
    stream = io.StringIO()
    handle = configure("info", "json", stream)
    site.write("bad\npassword: canary-Zx9")
    await site.look()
    site.write("one")
    await site.look()
    handle.close()
    [rejected, restored] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (rejected["level"], rejected["event"]) == ("warning", "configuration_rejected")
    assert rejected["complaints"] == ["proxy.yaml:1: bad is not known", "proxy.yaml:2: worse"]
    assert restored["event"] == "configuration_restored"
    assert "canary" not in stream.getvalue()


@pytest.mark.parametrize("what", ["empty", "vanished", "directory", "not text"])
async def test_whatever_becomes_of_the_file_the_old_one_serves_on(site: Site, what: str) -> None:
    site.path.unlink()
    if what == "empty":
        site.write("bad")  # what `load` says of nothing
    elif what == "directory":
        site.path.mkdir()
    elif what == "not text":
        site.path.write_bytes(b"\xff\xfe\x00")
    await site.look()
    assert (site.applied, site.rejections) == ([], 1)
    await site.look()
    assert site.rejections == 1


async def test_a_file_that_is_still_being_written_waits(site: Site) -> None:
    site.reloader = Reloader(site.path, site.load, site.apply, interval=3600.0, settle=10 * SOON)
    await site.reloader.start()
    site.loads = 0
    site.write("tw")
    look = asyncio.create_task(site.look())
    for text in ("bad", "bad tw", "two"):
        await asyncio.sleep(3 * SOON)
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
    await until(lambda: site.applied[-1:] == ["number 99"])
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


async def test_a_secret_file_that_it_names_is_watched_too(site: Site) -> None:
    site.write("one ${file:%s}" % site.secret)  # noqa: UP031 - braces
    await site.look()
    loads = site.loads
    site.secret.write_text("new secret", encoding="utf-8")
    await site.look()
    assert site.loads == loads + 1
    assert site.applied[-1].endswith("new secret")
    await site.look()
    assert site.loads == loads + 1


async def test_a_directory_that_is_swapped_under_a_link_is_seen(tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "proxy.yaml").write_text(version, encoding="utf-8")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "proxy.yaml").symlink_to("..data/proxy.yaml")
    site = Site(tmp_path / "proxy.yaml")
    await site.reloader.start()
    (tmp_path / "..data_tmp").symlink_to("two")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    await site.look()
    assert site.applied == ["two"]
    await site.reloader.stop()


@pytest.mark.parametrize("use", ["listener", "authority", "client", "client key", "token service"])
async def test_a_renewed_certificate_is_a_change(site: Site, use: str) -> None:
    certificate = site.path.parent / "tls.pem"
    certificate.write_text("old", encoding="utf-8")
    name, other = str(certificate), str(site.path)
    match use:
        case "listener":
            site.files = {"tls": (name, name)}
        case "authority":
            site.files = {"unlisted_route": Route(ca_bundle=name)}
        case "client":
            site.files = {"unlisted_route": Route(certificate=ClientCertificate(name))}
        case "client key":
            site.files = {"unlisted_route": Route(certificate=ClientCertificate(other, name))}
        case _:
            route = Route(certificate=ClientCertificate(name))
            site.files = {"credentials": (ArcGISCredential("c", "u", Secret("p"), service_route=route),)}
    await site.look(was_told=True)
    assert site.applied == ["one"]
    await site.look()
    certificate.write_text("new", encoding="utf-8")
    await site.look()
    await site.look()
    assert site.applied == ["one", "one"]


async def test_what_fails_while_it_is_applied_is_kept_out_and_not_tried_at_every_look(site: Site) -> None:
    def fail() -> None:
        raise RuntimeError("canary-Zx9")

    site.before_apply = fail
    site.write("two")
    for _ in range(3):
        await site.look()
    assert (site.loads, site.rejections) == (1, 1)
    assert "canary-Zx9" not in str(site.reloader.rejected)
    assert "RuntimeError" in str(site.reloader.rejected)
    site.before_apply = lambda: None
    await site.look(was_told=True)
    assert (site.applied, site.reloader.rejected) == (["two"], [])


async def test_a_change_between_loading_and_watching_is_not_lost(tmp_path: Path) -> None:
    site = Site(tmp_path / "proxy.yaml")
    site.write("one")
    running = site.load()
    site.write("two")
    await site.reloader.start(running)
    await site.look()
    assert site.applied == ["two"]
    await site.reloader.stop()


async def test_it_can_begin_with_a_file_that_is_bad(tmp_path: Path) -> None:
    site = Site(tmp_path / "proxy.yaml")
    site.write("bad")
    await site.reloader.start()
    site.write("one")
    await site.look()
    assert site.applied == ["one"]
    await site.reloader.stop()


async def test_a_pipe_named_as_a_secret_holds_nobody_up(site: Site) -> None:
    os.mkfifo(site.secret)
    site.write("two ${file:%s}" % site.secret)  # noqa: UP031 - braces
    async with asyncio.timeout(5.0):
        await site.look()
    assert site.rejections == 0
    assert len(site.applied) == 1

"""The configuration is watched: good ones are applied once, bad ones kept out, and the last of many wins."""

import asyncio
import io
import json
import os
from pathlib import Path

import pytest

from proxy.identity import ArcGISCredential, ClientCertificate, Route
from proxy.secret import Secret
from proxy.settings.reload import Reloader
from proxy.telemetry.log import configure
from tests.unit.settings.watched import SOON, Site
from tests.until import until


async def watched(site: Site) -> None:
    """Watches every hundredth of a second from now on."""
    await site.reloader.stop()
    site.reloader = Reloader(site.path, site.load, site.apply, interval=SOON, settle=SOON)
    site.reloader.on_rejected = site.reject
    await site.reloader.start()
    site.loads = 0


async def test_what_does_not_change_is_not_even_read_as_yaml(site: Site) -> None:
    await watched(site)
    await asyncio.sleep(10 * SOON)
    assert (site.loads, site.applied) == (0, [])


async def test_a_change_is_applied_once(site: Site) -> None:
    await watched(site)
    site.write("two")
    await until(lambda: site.applied == ["two"], 10.0)
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
    await until(lambda: site.rejections > 0, 10.0)
    await asyncio.sleep(10 * SOON)
    assert (site.rejections, site.applied) == (1, [])
    assert site.reloader.rejected == ["proxy.yaml:1: bad is not known", "proxy.yaml:2: worse"]
    site.reloader.trigger()
    await until(lambda: site.rejections == 2, 10.0)


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


async def test_it_can_begin_with_a_file_that_is_bad(tmp_path: Path) -> None:
    site = Site(tmp_path / "proxy.yaml")
    site.write("bad")
    await site.reloader.start()
    site.write("one")
    await site.look()
    assert site.applied == ["one"]
    await site.reloader.stop()


async def test_what_came_through_a_pipe_is_not_looked_at_again(site: Site) -> None:
    running = site.load()
    await site.reloader.stop()
    site.path.unlink()
    os.mkfifo(site.path)
    site.loads = 0
    await site.reloader.start(running)
    async with asyncio.timeout(5.0):
        await site.look()
    assert (site.loads, site.rejections) == (0, 0)


async def test_a_pipe_named_as_a_secret_holds_nobody_up(site: Site) -> None:
    os.mkfifo(site.secret)
    site.write("two ${file:%s}" % site.secret)  # noqa: UP031 - braces
    async with asyncio.timeout(5.0):
        await site.look()
    assert site.rejections == 0
    assert len(site.applied) == 1

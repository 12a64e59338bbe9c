"""`check --live` and a real Redis: what is told of one that is good, and of each that is not."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis.asyncio import Redis

from proxy.model import SharedState
from proxy.settings.load import load
from proxy.simulator.server import Simulator
from proxy.state.trial import Found, try_store
from tests.live.conftest import config
from tests.real.authority import Papers
from tests.real.programs import free_port
from tests.real.store import Store
from tests.real.test_store_access import KEY, PASSWORD, RIGHTS


def state(folder: Path, url: str, **more: Any) -> SharedState:
    """As a file says it."""
    file = folder / "state.yaml"
    document = {"state": {"url": url, "key": KEY, "timeout": "2s", **more}, "allowMissingReferer": True}
    document["serverUrls"] = [{"url": "https://gis.example.com/a"}]
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    file.chmod(0o600)
    found = load(file, {}).state
    assert found is not None
    return found


async def tried(folder: Path, url: str, **more: Any) -> Found:
    found = await try_store(state(folder, url, **more))
    assert "canary" not in str(found)
    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as running:
        yield running


async def test_a_good_one_tells_what_it_is_and_keeps_nothing(tmp_path: Path, store: Store) -> None:
    found = await tried(tmp_path, store.url)
    assert re.fullmatch(r"(Redis|Valkey) \d+\.\d+\.\d+, primary, no TLS", found.server)
    assert re.fullmatch(r"written, read and opened; \d+\.\d ms for an answer", found.words)
    assert (found.good, found.advice) == (True, "")
    assert await store.everything() == {}


async def test_one_with_tls_and_a_password(tmp_path: Path, papers: Papers) -> None:
    tls = ("--tls-cert-file", papers.server_certificate, "--tls-key-file", papers.server_key)
    with Store(tmp_path, *tls, "--tls-auth-clients", "no", "--requirepass", PASSWORD, is_tls=True) as store:
        found = await tried(tmp_path, f"rediss://:{PASSWORD}@localhost:{store.port}", caBundle=papers.bundle)
        assert found.good, found
        assert found.server.endswith(", TLS")
        for url, words, advice in (
            (f"rediss://:{PASSWORD}@localhost:{store.port}", "not of an authority", "state.caBundle"),
            (f"rediss://:{PASSWORD}@127.0.0.2:{store.port}", "for another name", "the name"),
            (f"redis://:{PASSWORD}@localhost:{store.port}", "ends the connection", "write rediss://"),
        ):
            bundle = {"caBundle": papers.bundle} if "127.0.0.2" in url else {}
            found = await tried(tmp_path, url, **bundle)
            assert not found.good
            assert words in found.words
            assert advice in found.advice


async def test_one_that_wants_a_certificate_of_ours(tmp_path: Path, papers: Papers) -> None:
    tls = ("--tls-cert-file", papers.server_certificate, "--tls-key-file", papers.server_key)
    with Store(tmp_path, *tls, "--tls-ca-cert-file", papers.bundle, is_tls=True) as store:
        found = await tried(tmp_path, f"rediss://localhost:{store.port}", caBundle=papers.bundle)
    # Which of the two it is, the alert or the end of the connection that comes with it decides
    assert found.words in (
        "The store wants a certificate of the proxy's, which it has none of.",
        "The store ends the connection without an answer.",
    )
    assert not found.good
    assert "tls-auth-clients no" in found.advice


async def test_a_password_that_is_missing_wrong_or_too_much_is_told_apart(tmp_path: Path, store: Store) -> None:
    found = await tried(tmp_path, f"redis://:canary-none@127.0.0.1:{store.port}")
    assert (found.good, found.words) == (False, "The store has no password, and the proxy brings one.")
    with Store(tmp_path, "--requirepass", PASSWORD) as locked:
        found = await tried(tmp_path, locked.url)
        assert (found.good, found.words) == (False, "The store wants a password, and state.url has none.")
        found = await tried(tmp_path, f"redis://:canary-wrong@127.0.0.1:{locked.port}")
        assert (found.good, found.words) == (False, "The store refuses the user name or the password.")
        assert "percent-encoded" in found.advice


@pytest.mark.parametrize(
    ("rights", "is_good", "said"),
    [
        (RIGHTS, True, "is not for this account to see"),
        (RIGHTS.replace("&resource-proxy:*", "resetchannels"), True, "may not listen"),
        (RIGHTS.replace("+@write", ""), False, "may not do all that is needed"),
        (RIGHTS.replace("+time", ""), False, "may not do all that is needed"),
        (RIGHTS.replace("~resource-proxy:*", "~other:*"), False, "may not do all that is needed"),
    ],
    ids=["as documented", "may not listen", "may not write", "may not know the time", "another's"],
)
async def test_accounts(tmp_path: Path, rights: str, is_good: bool, said: str) -> None:
    with Store(tmp_path, "--user", "maps", "on", f">{PASSWORD}", *rights.split()) as store:
        found = await tried(tmp_path, f"redis://maps:{PASSWORD}@127.0.0.1:{store.port}/0")
        assert found.good == is_good, found
        assert said in f"{found.words} {found.advice}"
        assert (f"as an ACL: {RIGHTS}" in found.advice) == ("may not" in said)
        if is_good:
            async with Redis(port=store.port) as client:
                assert await client.keys() == []


async def test_one_that_may_only_be_read(tmp_path: Path, store: Store) -> None:
    with Store(tmp_path, "--replicaof", f"127.0.0.1 {store.port}") as replica:
        async with Redis(port=replica.port) as client, asyncio.timeout(10):
            while (await client.info("replication"))["master_link_status"] != "up":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)
        found = await tried(tmp_path, replica.url)
    assert (found.good, found.words) == (False, "The store is a copy that may only be read.")
    assert found.server.endswith("replica, no TLS")


@pytest.mark.parametrize(
    ("options", "is_good", "said"),
    [
        (("--maxmemory", "64mb", "--maxmemory-policy", "noeviction"), True, ""),
        (("--maxmemory", "0", "--maxmemory-policy", "allkeys-lru"), True, ""),
        (("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"), True, "(allkeys-lru) it drops tokens"),
        (("--maxmemory", "64mb", "--maxmemory-policy", "volatile-ttl"), True, "(volatile-ttl) it drops tokens"),
        (("--maxmemory", "1", "--maxmemory-policy", "noeviction"), False, "The store is full"),
    ],
)
async def test_what_it_does_when_it_is_full(tmp_path: Path, options: tuple[str, ...], is_good: bool, said: str) -> None:
    with Store(tmp_path, *options) as store:
        found = await tried(tmp_path, store.url)
    assert found.good == is_good
    assert said in f"{found.words} {found.advice}"
    assert bool(found.advice) == bool(said)


async def test_one_that_is_none_or_far_or_silent(tmp_path: Path, store: Store) -> None:
    found = await tried(tmp_path, f"redis://127.0.0.1:{free_port()}")
    assert (found.good, found.words) == (False, "Nothing listens there.")
    found = await tried(tmp_path, "redis://nobody.invalid")
    assert (found.good, found.words) == (False, "The store's name is not known (DNS).")
    found = await tried(tmp_path, f"redis://127.0.0.1:{store.port}/99")
    assert (found.good, found.words) == (False, "The store has no database of that number.")
    found = await tried(tmp_path, f"rediss://127.0.0.1:{store.port}")
    assert (found.good, found.words) == (False, "The store does not answer in time.")
    assert "redis://" in found.advice
    store.freeze()
    found = await tried(tmp_path, store.url)
    store.thaw()
    assert (found.good, found.words) == (False, "The store does not answer in time.")


async def test_what_is_no_redis(tmp_path: Path) -> None:
    async def web_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(web_server, "127.0.0.1", 0) as server:
        found = await tried(tmp_path, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (found.good, found.words) == (False, "What listens there is no Redis.")


async def test_one_that_is_slower_than_it_may_be(tmp_path: Path, store: Store) -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward, to = await asyncio.open_connection("127.0.0.1", store.port)

        async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, rest: float) -> None:
            while data := await source.read(65536):
                await asyncio.sleep(rest)
                sink.write(data)
            sink.close()

        await asyncio.gather(carry(reader, to, 0.15), carry(onward, writer, 0.0))

    async with await asyncio.start_server(slowly, "127.0.0.1", 0) as server:
        url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        found = await tried(tmp_path, url, timeout="100ms")
    assert not found.good
    assert found.advice.startswith("That is more than state.timeout")


async def test_a_clock_of_another_time_is_told(tmp_path: Path, store: Store) -> None:
    found = await try_store(state(tmp_path, store.url), wall_clock=lambda: time.time() - 90)
    assert (found.good, found.words[-22:]) == (True, ", its clock 90 s ahead")


async def test_the_command_as_a_user_runs_it(tmp_path: Path, arcgis: Simulator) -> None:
    with Store(tmp_path, "--requirepass", PASSWORD) as store:
        for password, status in ((PASSWORD, 0), ("canary-wrong", 1)):
            document = config(arcgis.url)
            document["state"] = {"url": f"redis://:{password}@127.0.0.1:{store.port}", "key": KEY}
            file = tmp_path / "proxy.yaml"
            file.write_text(yaml.safe_dump(document), encoding="utf-8")
            file.chmod(0o600)
            for options in ((), ("--json",)):
                command = (sys.executable, "-m", "proxy", "check", "--live", *options, "--config", str(file))
                child = await asyncio.create_subprocess_exec(
                    *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=os.environ
                )
                said, complained = await child.communicate()
                assert child.returncode == status, complained
                assert b"canary" not in said + complained
                assert f"redis://127.0.0.1:{store.port}/0" in said.decode()
                if options:
                    line = json.loads(said)["rules"][0]
                    assert (line["credential"], line["good"]) == ("state", not status)
                elif status:
                    assert "The store refuses the user name or the password." in said.decode()

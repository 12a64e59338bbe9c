"""A real Redis that is not open to everybody: certificates, passwords, accounts with few rights, databases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import Build, World, config
from tests.real.authority import Papers
from tests.real.store import Store

KEY = "canary-state-key-0123456789abcdef"
PASSWORD = "canary-redis-Pa55"


@pytest.fixture
def encrypted(tmp_path: Path, papers: Papers) -> Iterator[Store]:
    tls = ("--tls-cert-file", papers.server_certificate, "--tls-key-file", papers.server_key)
    with Store(tmp_path, *tls, "--tls-auth-clients", "no", "--requirepass", PASSWORD, is_tls=True) as running:
        yield running


async def shares(build: Build, arcgis: Simulator, **state: Any) -> bool:
    """Whether two proxies with this `state` have one login."""
    for _ in range(2):
        world: World = await build({**config(arcgis.url), "state": {"key": KEY, "timeout": "2s", **state}})
        world.secrets |= {PASSWORD, KEY}
        assert (await world.client.get(world.url())).status == 200
    return arcgis.accounts.logins == 1


async def test_an_encrypted_one_of_an_authority_of_ones_own(
    build: Build, arcgis: Simulator, encrypted: Store, papers: Papers
) -> None:
    url = f"rediss://:{PASSWORD}@localhost:{encrypted.port}"
    assert await shares(build, arcgis, url=url, caBundle=papers.bundle)


@pytest.mark.parametrize("how", ["unknown authority", "wrong name", "wrong password", "not encrypted"])
async def test_one_that_is_not_to_be_trusted_is_as_good_as_none(
    build: Build, arcgis: Simulator, encrypted: Store, papers: Papers, how: str
) -> None:
    host = "127.0.0.2" if how == "wrong name" else "localhost"
    password = "canary-other" if how == "wrong password" else PASSWORD
    scheme = "redis" if how == "not encrypted" else "rediss"
    bundle = {} if how in ("unknown authority", "not encrypted") else {"caBundle": papers.bundle}
    assert not await shares(build, arcgis, url=f"{scheme}://:{password}@{host}:{encrypted.port}", **bundle)


# As README.md says
RIGHTS = "~resource-proxy:* &resource-proxy:* -@all +@read +@write +@scripting +@pubsub +@connection +time"


@pytest.mark.parametrize("rights", [RIGHTS, "~* +@all resetchannels"], ids=["as documented", "may not listen"])
async def test_an_account_that_may_do_little(build: Build, arcgis: Simulator, tmp_path: Path, rights: str) -> None:
    account = ["--user", "maps", "on", f">{PASSWORD}", *rights.split()]
    with Store(tmp_path, *account) as store:
        assert await shares(build, arcgis, url=f"redis://maps:{PASSWORD}@127.0.0.1:{store.port}/0")


async def test_databases_are_apart(build: Build, arcgis: Simulator, tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        assert await shares(build, arcgis, url=f"redis://127.0.0.1:{store.port}/1")
        assert await store.everything() == {}

"""One account at many sites, and sites that only clients name: what is tried once, and what takes no room."""

from dataclasses import replace

import pytest

from proxy.credentials.store import TokenStore
from proxy.errors import CredentialMisconfigured, CredentialRefused, UpstreamTimeout
from proxy.traffic import Audience
from tests.unit.credentials.sites import (
    GENERATE,
    INFO,
    PORTAL_GENERATE,
    PORTAL_INFO,
    error,
    federated,
    info,
    issued,
    reply,
)
from tests.unit.credentials.stores import AUDIENCE, OTHER_REFERER, Service, refused, store_of
from tests.unit.credentials.virtual import run
from tests.unit.credentials.world import World, audience, server

OTHER_CASE = replace(AUDIENCE, server=replace(AUDIENCE.server, context="/ArcGIS"))
OTHER_SITE = replace(AUDIENCE, server=replace(AUDIENCE.server, context="/other"))


@pytest.mark.parametrize("sibling", [OTHER_REFERER, OTHER_CASE])
async def test_an_account_that_was_refused_is_not_tried_under_another_name(sibling: Audience) -> None:
    service = Service()
    service.error = CredentialRefused("no", "Correct it.")
    store = store_of(service)
    await refused(store, AUDIENCE)
    with pytest.raises(CredentialRefused) as caught:
        await store.get(sibling)
    assert caught.value.details == ("Correct it.",)
    assert caught.value.retry_after == pytest.approx(60.0)
    assert service.calls == 1
    service.error, service.now = None, 61.0
    await store.get(sibling)
    assert service.calls == 2


async def test_another_site_of_the_same_host_has_accounts_of_its_own() -> None:
    service = Service()
    service.error = CredentialRefused("no")
    store = store_of(service)
    await refused(store, AUDIENCE)
    service.error = None
    await store.get(OTHER_SITE)
    assert service.calls == 2


GUESS = replace(AUDIENCE, is_guess=True)


@pytest.mark.parametrize("context", ["/arcgis.", "/x", "/arcgis/z", ""])
async def test_sites_that_clients_name_are_one_account(context: str) -> None:
    """One anonymous client could else lock the account: a server may answer to many spellings of one site."""
    service = Service()
    service.error = CredentialRefused("no")
    store = store_of(service)
    await refused(store, GUESS)
    await refused(store, replace(GUESS, server=replace(GUESS.server, context=context)))
    assert service.calls == 1


async def test_the_rest_grows_whatever_the_site_is_called() -> None:
    service = Service()
    service.error = CredentialRefused("no")
    store = store_of(service)
    tries = []
    for second in range(0, 1000, 5):
        service.now = float(second)
        before = service.calls
        await refused(store, replace(GUESS, server=replace(GUESS.server, context=f"/{second}")))
        if service.calls > before:
            tries.append(second)
    assert tries == [0, 60, 180, 420, 900]


async def test_a_site_that_clients_name_pushes_out_no_other() -> None:
    service = Service()
    store = store_of(service)
    listed, named = await store.get(AUDIENCE), await store.get(GUESS)
    for number in range(200):
        await store.get(replace(GUESS, server=replace(GUESS.server, context=f"/{number}")))
        assert await store.get(GUESS) is named
    assert await store.get(AUDIENCE) is listed
    assert len(store.snapshot()) == 1 + 64


async def test_what_is_no_site_takes_no_room() -> None:
    world = World({INFO: info(GENERATE), GENERATE: issued()})
    store = TokenStore(world.clock, lambda: 0.5)
    store.replace_providers({"city": world.provider()})
    site = replace(audience(), is_guess=True)
    token = await store.get(site)
    for number in range(100):
        with pytest.raises(CredentialMisconfigured):
            await store.get(replace(site, server=replace(site.server, context=f"/{number}")))
    assert await store.get(site) is token
    assert len(store.snapshot()) == 1


async def test_a_wrong_password_is_one_try_for_all_the_servers_of_a_portal() -> None:
    world = World({INFO: federated(), PORTAL_INFO: info(PORTAL_GENERATE)})
    world.scripts[PORTAL_GENERATE] = reply(error(400, "Unable to generate token."))
    world.scripts["https://gis.example.com/image/rest/info"] = federated()
    store = TokenStore(world.clock, lambda: 0.5)
    store.replace_providers({"city": world.provider()})
    for site in ("arcgis", "image", "arcgis"):
        await refused(store, audience(f"https://gis.example.com/{site}"))
    assert len(world.to("generateToken")) == 1


def test_servers_that_name_each_other_as_their_portal_end_in_a_failure() -> None:
    one, other = "https://gis.example.com/one", "https://gis.example.com/other"
    world = World({f"{one}/rest/info": info(None, owningSystemUrl=other), GENERATE: issued()})
    world.scripts[f"{other}/rest/info"] = info(None, owningSystemUrl=one)

    async def main() -> None:
        store = TokenStore(world.clock, lambda: 0.5)
        store.replace_providers({"city": world.provider()})
        with pytest.raises(UpstreamTimeout):
            await store.get(Audience("city", server(one), ""))
        await store.close()

    run(main())

"""proxy.credentials.store: what bounds it. Waits, tries of one account, what is learned of a place, and room."""

import asyncio
from dataclasses import replace

import pytest

from proxy.credentials.store import TokenStore
from proxy.errors import (
    CredentialMisconfigured,
    CredentialRefused,
    NotAllowed,
    ProxyError,
    TokenUnavailable,
    UpstreamTimeout,
)
from proxy.identity import Place
from proxy.secret import Secret
from proxy.traffic import Answer, Token
from tests.unit.credentials.sites import INFO, PORTAL_GENERATE, PORTAL_INFO, federated, info, issued
from tests.unit.credentials.stores import AUDIENCE, OTHER_REFERER, Service, refused, store_of
from tests.unit.credentials.virtual import run
from tests.unit.credentials.world import World, audience
from tests.unit.fetcher import Call


async def test_a_revocation_with_fifty_in_flight_makes_one_more_acquisition() -> None:
    service = Service()
    store = store_of(service)
    held = await asyncio.gather(*(store.get(AUDIENCE) for _ in range(50)))
    service.now = 100.0

    async def retry(token: Token) -> Token:
        store.reject(token)
        return await store.get(AUDIENCE)

    renewed = await asyncio.gather(*(retry(token) for token in held))
    assert service.calls == 2
    assert {token.value for token in renewed} == {Secret("token 2")}


def test_a_hanging_service_is_asked_once_and_everybody_waits_fifteen_seconds() -> None:
    async def main() -> None:
        service = Service()
        service.go.clear()
        store = store_of(service)
        loop = asyncio.get_running_loop()
        began = loop.time()
        waits = await asyncio.gather(*(store.get(AUDIENCE) for _ in range(500)), return_exceptions=True)
        assert loop.time() - began == pytest.approx(15.0)
        assert all(isinstance(wait, UpstreamTimeout) for wait in waits)
        assert service.calls == 1
        service.go.set()
        assert (await store.get(AUDIENCE)).value == Secret("token 1")  # the one that took so long
        assert service.calls == 1
        await store.close()

    run(main())


async def test_a_refused_account_is_not_tried_by_a_renewal_ahead_either() -> None:
    service = Service()
    store = store_of(service)
    living = await store.get(AUDIENCE)
    service.now, service.error = 3400.0, CredentialRefused("no")
    await refused(store, OTHER_REFERER)
    assert await store.get(AUDIENCE) is living
    await asyncio.sleep(0)
    assert service.calls == 2


async def test_a_corrected_password_is_tried_though_the_old_one_is_refused_later() -> None:
    old, new = Service(), Service("2")
    old.go.clear()
    old.error = CredentialRefused("no")
    store = store_of(old)
    waiting = asyncio.ensure_future(store.get(AUDIENCE))
    await asyncio.sleep(0)
    store.replace_providers({"c": new})
    old.go.set()
    with pytest.raises(CredentialRefused):
        await waiting
    assert (await store.get(OTHER_REFERER)).value == Secret("token 1")
    assert (await store.get(AUDIENCE)).value == Secret("token 2")


async def test_a_reload_with_another_password_ends_the_hold_off() -> None:
    service, corrected = Service(), Service("2")
    service.error = CredentialRefused("no")
    store = store_of(service)
    await refused(store, AUDIENCE)
    store.replace_providers({"c": service})
    await refused(store, AUDIENCE)
    assert service.calls == 1  # the same password is still held off
    store.replace_providers({"c": corrected})
    assert (await store.get(OTHER_REFERER)).value == Secret("token 1")


@pytest.mark.parametrize(
    ("error", "held_off"),
    [
        (CredentialMisconfigured("m", slug="foreign_token_service"), CredentialMisconfigured),
        (NotAllowed("n", slug="address"), NotAllowed),
        (UpstreamTimeout("t"), TokenUnavailable),
        (TokenUnavailable("u"), TokenUnavailable),
    ],
)
async def test_while_held_off_the_cause_is_said_again(error: ProxyError, held_off: type[ProxyError]) -> None:
    service = Service()
    service.error = error
    store = store_of(service)
    with pytest.raises(type(error)):
        await store.get(AUDIENCE)
    with pytest.raises(held_off) as caught:
        await store.get(AUDIENCE)
    assert type(caught.value) is held_off
    assert caught.value is not error
    assert caught.value.retry_after is not None
    assert service.calls == 1


async def test_a_credential_that_is_gone_is_a_misconfiguration() -> None:
    store = store_of(Service())
    with pytest.raises(CredentialMisconfigured):
        await store.get(replace(AUDIENCE, credential="gone"))


class Prober:
    """A server on which header tokens are tried."""

    def __init__(self, place: Place, seconds: float = 0.0) -> None:
        self.place, self.seconds = place, seconds
        self.tried: list[Token] = []
        self.began = asyncio.Event()

    async def __call__(self, token: Token) -> Place:
        self.tried.append(token)
        self.began.set()
        await asyncio.sleep(self.seconds)
        return self.place


def probing(service: Service, prober: Prober) -> TokenStore:
    store = TokenStore(service.clock, lambda: 0.5, probe=prober)
    store.replace_providers({"c": service})
    return store


async def test_the_place_is_known_before_anybody_gets_the_first_token() -> None:
    service, prober = Service(), Prober(Place.QUERY)
    store = probing(service, prober)
    first = await store.get(AUDIENCE)
    assert store.place(AUDIENCE, None, is_form=False) is Place.QUERY
    assert prober.tried == [first]
    service.now = 4000.0
    await store.get(AUDIENCE)
    assert len(prober.tried) == 1  # learned once


def test_a_probe_keeps_a_good_token_back_for_five_seconds_at_most() -> None:
    async def main() -> None:
        service = Service()
        store = probing(service, Prober(Place.QUERY, seconds=60.0))
        loop = asyncio.get_running_loop()
        began = loop.time()
        await store.get(AUDIENCE)
        assert loop.time() - began == pytest.approx(5.0)
        assert store.place(AUDIENCE, None, is_form=False) is Place.HEADER

    run(main())


async def test_what_a_request_learned_is_not_undone_by_the_probe() -> None:
    prober = Prober(Place.HEADER, seconds=0.01)
    store = probing(Service(), prober)
    waiting = asyncio.ensure_future(store.get(AUDIENCE))
    await prober.began.wait()
    store.learn(AUDIENCE, Place.QUERY)
    await waiting
    assert store.place(AUDIENCE, None, is_form=False) is Place.QUERY


async def test_every_event_is_observed() -> None:
    seen: list[str] = []
    service = Service()
    store = TokenStore(service.clock, lambda: 0.5, observe=lambda event, asked: seen.append(event))
    store.replace_providers({"c": service})
    first = await store.get(AUDIENCE)
    service.now = 3400.0
    await store.get(AUDIENCE)  # renews ahead
    await asyncio.sleep(0)
    store.reject(first)  # too late to matter
    store.reject(await store.get(AUDIENCE))
    service.error = TokenUnavailable("down")
    with pytest.raises(TokenUnavailable):
        await store.get(AUDIENCE)
    service.error, service.now = CredentialRefused("no"), 3500.0
    await refused(store, AUDIENCE)
    assert seen == ["obtained", "renewed", "rejected", "unavailable", "refused"]


async def test_the_snapshot_tells_state_time_left_and_trouble() -> None:
    service = Service()
    store = store_of(service)
    await store.get(AUDIENCE)
    service.now = 600.0
    expected = {"credential": "c", "server": "https://h/arcgis", "state": "good", "secondsLeft": 3000}
    resting = {"place": None, "triesAgainIn": None, "problem": None}
    assert store.snapshot() == [{**expected, "renewsIn": 2700, "life": 3600, **resting}]
    service.now, service.error = 3700.0, CredentialRefused("Wrong password.")
    await refused(store, AUDIENCE)
    (row,) = store.snapshot()
    assert (row["state"], row["secondsLeft"], row["problem"]) == ("held off", None, "Wrong password.")
    assert row["triesAgainIn"] == 60


async def test_a_wildcard_rule_cannot_fill_the_memory() -> None:
    store = store_of(Service())
    for number in range(10_050):
        store.learn(replace(AUDIENCE, server=replace(AUDIENCE.server, context=f"/{number}")), Place.QUERY)
    assert len(store.snapshot()) == 10_000


async def test_fifty_cold_callers_of_a_federated_server_make_one_login_and_one_exchange() -> None:
    def portal(call: Call) -> Answer:
        return issued("portal-token" if "password" in call.form else "server-token")

    world = World({INFO: federated(), PORTAL_INFO: info(PORTAL_GENERATE), PORTAL_GENERATE: portal})
    store = TokenStore(world.clock, lambda: 0.5)
    store.replace_providers({"city": world.provider()})
    tokens = await asyncio.gather(*(store.get(audience()) for _ in range(50)))
    assert {token.value for token in tokens} == {Secret("server-token")}
    assert ["password" in call.form for call in world.to("generateToken")] == [True, False]
    assert {row["server"] for row in store.snapshot()} == {str(audience().server), "https://gis.example.com/portal"}

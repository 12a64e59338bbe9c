"""proxy.credentials.store: one acquisition at a time, and nobody's leaving spoils it for the others."""

import asyncio

import pytest

from proxy.errors import CredentialRefused, TokenUnavailable
from proxy.identity import Place
from proxy.secret import Secret
from tests.unit.credentials.stores import AUDIENCE, Service, store_of
from tests.until import until


async def test_fifty_cold_callers_make_one_acquisition() -> None:
    service = Service()
    store = store_of(service)
    tokens = await asyncio.gather(*(store.get(AUDIENCE) for _ in range(50)))
    assert service.calls == 1
    assert len({id(token) for token in tokens}) == 1


async def test_a_token_knows_those_before_it() -> None:
    service = Service()
    store = store_of(service)
    first = await store.get(AUDIENCE)
    service.now = 3400.0
    assert await store.get(AUDIENCE) is first  # renewed in the background
    await asyncio.sleep(0)
    second = await store.get(AUDIENCE)
    store.reject(second)
    third = await store.get(AUDIENCE)
    assert [each.value for each in third.before] == [second.value, first.value]
    assert first.before == ()


async def test_a_caller_that_leaves_cancels_nobody_elses_acquisition() -> None:
    service = Service()
    service.go.clear()
    store = store_of(service)
    leaving, staying = (asyncio.ensure_future(store.get(AUDIENCE)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    service.go.set()
    assert (await staying).value == Secret("token 1")
    assert service.calls == 1


async def test_the_last_caller_leaving_does_not_waste_the_acquisition() -> None:
    service = Service()
    service.go.clear()
    store = store_of(service)
    leaving = asyncio.ensure_future(store.get(AUDIENCE))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    service.go.set()
    await asyncio.sleep(0)
    assert (await store.get(AUDIENCE)).value == Secret("token 1")


async def test_a_failure_reaches_every_waiter_and_is_not_the_answer_for_ever() -> None:
    service = Service()
    service.error = TokenUnavailable("down")
    store = store_of(service)
    failures = await asyncio.gather(*(store.get(AUDIENCE) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(failure, TokenUnavailable) for failure in failures)
    assert service.calls == 1
    with pytest.raises(TokenUnavailable) as held:
        await store.get(AUDIENCE)
    assert held.value.retry_after == pytest.approx(1.0)
    assert service.calls == 1
    service.error, service.now = None, 1.5
    assert (await store.get(AUDIENCE)).value == Secret("token 2")


async def test_a_refused_credential_is_not_tried_again_before_its_rest_is_over() -> None:
    service = Service()
    service.error = CredentialRefused("no")
    store = store_of(service)
    for _ in range(5):
        with pytest.raises(CredentialRefused):
            await store.get(AUDIENCE)
    assert service.calls == 1
    service.now = 61.0
    with pytest.raises(CredentialRefused):
        await store.get(AUDIENCE)
    assert service.calls == 2


async def test_a_late_rejection_of_the_old_token_leaves_the_new_one() -> None:
    service = Service()
    store = store_of(service)
    old = await store.get(AUDIENCE)
    service.now = 100.0
    store.reject(old)
    new = await store.get(AUDIENCE)
    store.reject(old)
    assert await store.get(AUDIENCE) is new
    assert service.calls == 2


async def test_a_renewal_ahead_makes_nobody_wait_and_its_failure_harms_nobody() -> None:
    service = Service()
    store = store_of(service)
    old = await store.get(AUDIENCE)
    service.now = 3400.0
    service.go.clear()
    assert await store.get(AUDIENCE) is old
    assert await store.get(AUDIENCE) is old
    await asyncio.sleep(0)
    assert service.calls == 2
    service.error = TokenUnavailable("down")
    service.go.set()
    await until(lambda: store.problem(AUDIENCE) == "down")
    assert await store.get(AUDIENCE) is old


async def test_a_reload_keeps_the_tokens_of_unchanged_credentials_alone() -> None:
    service = Service()
    store = store_of(service)
    token = await store.get(AUDIENCE)
    same = Service()
    store.replace_providers({"c": same})
    assert await store.get(AUDIENCE) is token
    changed = Service("2")
    store.replace_providers({"c": changed})
    assert await store.get(AUDIENCE) is not token
    assert (same.calls, changed.calls) == (0, 1)


async def test_a_reload_lets_an_acquisition_in_flight_end_for_those_who_wait() -> None:
    service = Service()
    service.go.clear()
    store = store_of(service)
    waiting = asyncio.ensure_future(store.get(AUDIENCE))
    await asyncio.sleep(0)
    store.replace_providers({})
    service.go.set()
    assert (await waiting).value == Secret("token 1")


async def test_the_place_is_as_configured_or_as_learned() -> None:
    store = store_of(Service())
    assert store.place(AUDIENCE, Place.BEARER, is_form=False) is Place.BEARER
    assert store.place(AUDIENCE, None, is_form=False) is Place.HEADER
    store.learn(AUDIENCE, Place.QUERY)
    assert store.place(AUDIENCE, None, is_form=False) is Place.QUERY


async def test_closing_ends_what_is_in_flight() -> None:
    service = Service()
    service.go.clear()
    store = store_of(service)
    waiting = asyncio.ensure_future(store.get(AUDIENCE))
    await asyncio.sleep(0)
    await store.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_snapshot_shows_no_token() -> None:
    async def snapshot() -> str:
        store = store_of(Service())
        await store.get(AUDIENCE)
        return str(store.snapshot())

    text = asyncio.run(snapshot())
    assert "good" in text
    assert "token 1" not in text

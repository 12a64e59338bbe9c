"""proxy.credentials.static: a token that nobody renews, alone and in the store."""

import math

import pytest

from proxy.credentials.static import StaticProvider
from proxy.credentials.store import TokenStore
from proxy.errors import CredentialRefused
from proxy.identity import Place, StaticCredential
from proxy.secret import Secret
from tests.unit.credentials.world import NO_TOKENS, SCOPES, World, audience

KEY = "AAPKcanary-key"


def of_key(world: World, value: str = KEY, token_param: str = "token") -> StaticProvider:
    credential = StaticCredential("city", Secret(value), token_param=token_param, scopes=SCOPES)
    return StaticProvider(credential, world.clock)


def store_of(world: World) -> TokenStore:
    store = TokenStore(world.clock, lambda: 0.5)
    store.replace_providers({"city": of_key(world)})
    return store


async def test_the_token_is_the_one_that_is_written_and_asks_nobody() -> None:
    world = World(now=5.0)
    provider = of_key(world, token_param="key")
    token = await provider.fetch(audience(), NO_TOKENS)
    assert (token.value, token.audience, token.obtained_at) == (Secret(KEY), audience(), 5.0)
    assert (token.expires_at, token.is_renewable) == (math.inf, False)
    assert world.calls == []
    assert KEY not in repr(provider) + repr(token) + provider.fingerprint()


async def test_it_is_never_renewed() -> None:
    world = World()
    store = store_of(world)
    token = await store.get(audience())
    for now in (3600.0, 86400.0, 366 * 86400.0, 1e12):
        world.now = now
        assert await store.get(audience()) is token
    assert store.snapshot()[0]["secondsLeft"] is None
    assert store.snapshot()[0]["state"] == "good"


async def test_a_rejected_one_is_held_off_for_a_growing_time() -> None:
    world = World()
    store = store_of(world)
    rests = []
    for _ in range(8):
        token = await store.get(audience())
        store.reject(token)
        with pytest.raises(CredentialRefused) as caught:
            await store.get(audience())
        assert caught.value.slug == "token_rejected"
        assert "accessToken" in caught.value.details[0]
        assert caught.value.retry_after is not None
        rests.append(caught.value.retry_after)
        assert store.snapshot()[0]["state"] == "held off"
        world.now += caught.value.retry_after
    assert rests == pytest.approx([60, 120, 240, 480, 960, 1920, 3600, 3600])


async def test_many_rejections_of_one_token_are_one() -> None:
    world = World()
    store = store_of(world)
    token = await store.get(audience())
    for _ in range(20):
        store.reject(token)
    with pytest.raises(CredentialRefused) as caught:
        await store.get(audience())
    assert caught.value.retry_after == 60.0


async def test_a_late_rejection_of_the_last_one_does_not_count_against_the_next() -> None:
    world = World()
    store = store_of(world)
    old = await store.get(audience())
    store.reject(old)
    world.now = 61.0
    new = await store.get(audience())
    assert new is not old
    store.reject(old)
    assert await store.get(audience()) is new


async def test_one_that_has_worked_stays_whatever_one_service_says() -> None:
    world = World()
    store = store_of(world)
    token = await store.get(audience())
    store.accepted(token, Place.HEADER)
    for now in range(20):
        world.now = float(now * 1000)
        store.reject(token)
        assert await store.get(audience()) is token
    assert "accessToken" not in str(store.snapshot())  # details are for the log
    assert "rejects the configured token" in str(store.snapshot()[0]["problem"])


async def test_servers_are_judged_each_for_itself() -> None:
    world = World()
    store = store_of(world)
    here, there = audience(), audience("https://other.example.com/arcgis")
    store.reject(await store.get(here))
    assert (await store.get(there)).value == Secret(KEY)
    with pytest.raises(CredentialRefused):
        await store.get(here)


async def test_a_corrected_one_is_used_at_once_after_a_reload() -> None:
    world = World()
    store = store_of(world)
    store.reject(await store.get(audience()))
    store.replace_providers({"city": of_key(world, "new")})
    assert (await store.get(audience())).value == Secret("new")


async def test_no_word_of_a_refusal_holds_the_token() -> None:
    world = World()
    store = store_of(world)
    store.reject(await store.get(audience()))
    with pytest.raises(CredentialRefused) as caught:
        await store.get(audience())
    assert "canary" not in str(vars(caught.value)) + str(caught.value) + str(store.snapshot())


def test_the_fingerprint_changes_with_the_token() -> None:
    world = World()
    providers = [of_key(world), of_key(world, KEY + "x"), of_key(world, token_param="key")]
    assert len({each.fingerprint() for each in providers}) == 3
    assert of_key(World()).fingerprint() == providers[0].fingerprint()

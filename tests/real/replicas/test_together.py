"""Replicas and a real Redis: one login, one wrong password, one limit for all; and nothing is lost without it."""

import asyncio
from typing import Any

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD
from tests.real.replicas.conftest import KEY, Replica, statuses
from tests.real.store import Store
from tests.until import until


async def test_fifty_cold_callers_on_each_make_one_login_in_all(replica: Replica, arcgis: Simulator) -> None:
    one, other = await replica(), await replica()
    arcgis.options.token_delay = 0.3
    assert set(await statuses(one, other, times=50)) == {200}
    assert arcgis.accounts.logins == 1


async def test_a_replica_that_comes_later_makes_none(replica: Replica, arcgis: Simulator) -> None:
    await statuses(await replica())
    assert await statuses(await replica()) == [200]
    assert arcgis.accounts.logins == 1


async def test_no_token_password_name_or_address_stands_in_the_store(
    replica: Replica, arcgis: Simulator, store: Store
) -> None:
    await statuses(await replica(rateLimit=100))
    found = await store.everything()
    everything = b"\n".join([*found, *found.values()])
    assert everything.count(b":word") == 1
    assert everything.count(b":rate") == 1
    for secret in (PASSWORD, KEY, "webmap", "127.0.0.1", "maps.example.com", *arcgis.accounts.all_tokens):
        assert secret.encode() not in everything


@pytest.mark.parametrize(
    "other",
    [{"state": {"key": KEY + "x"}}, {"password": PASSWORD + "x"}, {"state": {"prefix": "staging"}}],
    ids=["key", "password", "prefix"],
)
async def test_another_configuration_reads_nothing(replica: Replica, arcgis: Simulator, other: dict[str, Any]) -> None:
    await statuses(await replica())
    (status,) = await statuses(await replica(**other))
    assert arcgis.accounts.logins + arcgis.accounts.refusals == 2
    assert status == (200 if "state" in other else 502)


async def test_without_a_key_the_credentials_secrets_are_one(replica: Replica, arcgis: Simulator) -> None:
    await statuses(await replica(state={"key": None}), await replica(state={"key": None}))
    assert arcgis.accounts.logins == 1


async def test_a_wrong_password_is_tried_once_in_all(replica: Replica, arcgis: Simulator) -> None:
    worlds = [await replica(password="canary-wrong-Pa55") for _ in range(3)]
    arcgis.options.token_delay = 0.2
    assert set(await statuses(*worlds, times=10)) == {502}
    late = await replica(password="canary-wrong-Pa55")
    got = await late.client.get(late.url())
    assert got.status == 502
    assert "refuses the proxy's user name or password" in got.json["error"]["message"]
    assert arcgis.accounts.refusals == 1


async def test_a_password_that_was_changed_at_the_web_server_is_given_up_by_all(
    replica: Replica, arcgis: Simulator
) -> None:
    arcgis.options.web_tier, arcgis.options.has_tokens = "basic", False
    arcgis.options.web_tier_user, arcgis.options.web_tier_password = "webmap", PASSWORD
    one, *others = [await replica(kind="basic") for _ in range(3)]
    assert set(await statuses(one, *others, times=5)) == {200}
    arcgis.options.web_tier_password = "another"
    before = tried(arcgis)
    for number in range(30):
        assert await statuses((one, *others)[number % 3]) == [502]
    # One that was refused and one more to be sure: the others are told before the client is answered
    assert tried(arcgis) - before == 2
    assert {row["state"] for each in (one, *others) for row in each.service.web_tier.snapshot()} == {"held off"}


def tried(arcgis: Simulator) -> int:
    """Requests that came with a login."""
    return sum(entry.login == "basic" for entry in arcgis.journal.entries)


async def test_a_revoked_token_is_renewed_once_for_all(replica: Replica, arcgis: Simulator) -> None:
    one, other = await replica(), await replica()
    await statuses(one, other)
    arcgis.accounts.revoke_all()
    assert set(await statuses(one, other, times=30)) == {200}
    assert arcgis.accounts.logins == 2


async def test_a_rejection_seen_by_one_drops_the_token_for_all(replica: Replica, arcgis: Simulator) -> None:
    one, other = await replica(), await replica()
    await statuses(one, other)
    arcgis.accounts.revoke_all()
    assert await statuses(one) == [200]
    await until(lambda: other.service.store.snapshot()[0]["state"] == "none", 10.0)
    before = len(arcgis.journal.entries)
    assert await statuses(other) == [200]
    assert len(arcgis.journal.entries) == before + 1  # with the new one at once
    assert arcgis.accounts.logins == 2


async def test_a_limit_is_exact_across_replicas(replica: Replica) -> None:
    worlds = [await replica(rateLimit=20, rateLimitPeriod=1) for _ in range(3)]
    got = await statuses(*worlds, times=20)
    assert (got.count(200), got.count(429)) == (20, 40)


async def test_one_who_dies_in_its_turn_holds_nobody_up_for_long(replica: Replica, arcgis: Simulator) -> None:
    one = await replica()
    arcgis.options.token_delay = 8.0
    stuck = asyncio.create_task(statuses(one))
    await until(lambda: any("generateToken" in entry.path for entry in arcgis.journal.entries), 10.0)
    await one.service.shared.close()  # as a process that is killed: nothing is given back
    arcgis.options.token_delay = 0.0
    assert await statuses(await replica()) == [200]
    stuck.cancel()
    await asyncio.gather(stuck, return_exceptions=True)


async def test_the_status_page_shows_how_it_stands(replica: Replica, store: Store) -> None:
    one = await replica(state={"url": store.url.replace("127.0.0.1", ":canary-redis-Pa55@127.0.0.1")})
    one.secrets.add("canary-redis-Pa55")
    shown = one.service.status()["sharedState"]
    assert isinstance(shown, dict)
    assert shown["store"] == store.url
    metrics = one.service.metrics.render().decode()
    assert "resource_proxy_shared_state_up" in metrics


async def test_tokens_are_renewed_once_for_all(replica: Replica, arcgis: Simulator) -> None:
    arcgis.options.token_seconds = 3.0
    worlds = [await replica() for _ in range(3)]
    loop = asyncio.get_running_loop()
    until_then = loop.time() + 6.0
    while loop.time() < until_then:
        assert set(await statuses(*worlds)) == {200}
        await asyncio.sleep(0.02)
    # Each lives 3 s and is renewed after 1.5 s at the earliest: four times, where each for itself would be twelve
    assert 2 <= arcgis.accounts.logins <= 6


async def test_a_server_that_rejects_every_token_sees_no_storm_of_logins(replica: Replica, arcgis: Simulator) -> None:
    worlds = [await replica(inject="header") for _ in range(2)]
    arcgis.options.accepts = {"query"}
    for _ in range(5):
        assert set(await statuses(*worlds, times=3)) <= {502, 503}
    assert arcgis.accounts.logins <= 6

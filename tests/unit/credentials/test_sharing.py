"""proxy.credentials.sharing: what replicas tell each other of tokens and refusals, and what they believe."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from proxy.credentials.sharing import Sharing
from proxy.errors import CredentialRefused, TokenUnavailable
from proxy.secret import Secret
from proxy.state.turns import Turns
from proxy.traffic import Audience, Token, Topic, Turn, Word
from tests.unit.credentials.stores import AUDIENCE, Service, store_of


class Common(Turns):
    """What two replicas have in common, as the store behind `state.url` gives it."""

    def __init__(self, service: Service) -> None:
        super().__init__(service.clock)
        self.dropped: list[str] = []

    async def drop(self, topic: Topic, mark: str) -> None:
        self.forget(topic, mark)
        self.dropped.append(mark)


@dataclass(slots=True)
class Replica:
    service: Service
    common: Common
    withdrawn: list[Audience] = field(default_factory=list)
    sharing: Sharing = field(init=False)

    def __post_init__(self) -> None:
        self.sharing = Sharing(self.common, self.service.clock, self.withdrawn.append)

    async def fetch(self) -> Token:
        return await self.sharing.around(self.service).fetch(AUDIENCE, store_of(self.service))


def two() -> tuple[Service, Common, Replica, Replica]:
    service = Service()
    common = Common(service)
    return service, common, Replica(service, common), Replica(service, common)


async def test_what_one_obtained_the_other_has_with_what_is_left_of_its_life() -> None:
    service, _, one, other = two()
    first = await one.fetch()
    service.now = 600.0
    second = await other.fetch()
    assert service.calls == 1
    assert second.value == first.value
    assert second.obtained_at == pytest.approx(0.0)
    assert second.expires_at == pytest.approx(3600.0)


async def test_whoever_asks_again_wants_another_and_gets_one_that_is_there() -> None:
    service, _, one, other = two()
    await one.fetch()
    await other.fetch()
    renewed = await one.fetch()
    assert service.calls == 2
    assert (await other.fetch()).value == renewed.value
    assert service.calls == 2


async def test_a_refused_password_is_tried_once_and_rests_for_longer_each_time() -> None:
    service, _, one, other = two()
    service.error = CredentialRefused("no", "Correct it.")
    rests = []
    for _ in range(3):
        with pytest.raises(CredentialRefused):
            await one.fetch()
        with pytest.raises(CredentialRefused) as told:
            await other.fetch()
        assert (told.value.message, told.value.details) == ("no", ("Correct it.",))
        rests.append(told.value.retry_after)
        service.now += told.value.retry_after or 0.0
    assert rests == [60.0, 120.0, 240.0]
    assert service.calls == 3


async def test_an_outage_is_nobody_elses() -> None:
    service, _, one, other = two()
    service.error = TokenUnavailable("down")
    with pytest.raises(TokenUnavailable):
        await one.fetch()
    service.error = None
    await other.fetch()
    assert service.calls == 2


async def test_a_rejected_token_is_taken_back_and_withdrawn_by_those_who_have_it() -> None:
    _, common, one, other = two()
    await one.fetch()
    await other.fetch()
    one.sharing.rejected(AUDIENCE)
    await one.sharing.close()
    (mark,) = common.dropped
    other.sharing.heard(topic_of(common, other), mark)
    assert other.withdrawn == [AUDIENCE]


async def test_a_late_word_about_an_old_token_drops_no_new_one() -> None:
    _, common, one, other = two()
    await one.fetch()
    topic = topic_of(common, one)
    await one.fetch()
    await other.fetch()
    other.sharing.heard(topic, "0" * 32)
    other.sharing.heard(("token", "unknown"), "0" * 32)
    assert other.withdrawn == []


def topic_of(common: Common, replica: Replica) -> Topic:
    return replica.sharing._topics[AUDIENCE]


@pytest.mark.parametrize(
    "says",
    [{}, {"value": "", "life": 60.0}, {"value": 7, "life": 60.0}, {"value": "t"}, {"value": "t", "life": "60"},
     {"value": "t", "life": float("inf")}, {"value": "t", "life": True}, {"value": "t", "life": -1}],
    ids=str,
)  # fmt: skip
async def test_a_word_that_is_no_token_is_found_out_anew(says: Mapping[str, object]) -> None:
    service, common, one, other = two()
    await one.fetch()
    topic = topic_of(common, one)
    turn = await common.turn(topic, but=(await known(common, topic)).mark)
    assert isinstance(turn, Turn)
    await common.settle(topic, turn, says, 60.0)
    assert (await other.fetch()).value == Secret("token 2")
    assert service.calls == 2


async def known(common: Common, topic: Topic) -> Word:
    found = await common.turn(topic)
    assert isinstance(found, Word)
    return found


async def test_one_who_leaves_gives_the_turn_back() -> None:
    service, _, one, other = two()
    service.go.clear()
    leaving = asyncio.create_task(one.fetch())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    service.go.set()
    async with asyncio.timeout(5):
        await other.fetch()

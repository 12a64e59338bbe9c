"""How often a login is tried at a web server, and how long it rests: one try for all, one doubt for each page."""

import asyncio
from dataclasses import replace

import pytest

from proxy.credentials.web_tier import WebTier
from proxy.errors import (
    CredentialMisconfigured,
    CredentialRefused,
    ProxyError,
    TokenUnavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from proxy.identity import HttpLogin, Identity, Route, Scheme
from proxy.secret import Secret
from proxy.traffic import Reply
from proxy.urls import Scope
from tests.unit.credentials.places import BASIC, KEY, Place, refusal, route, tier_of
from tests.unit.credentials.virtual import run
from tests.unit.credentials.wire import Sent, Wire, outgoing
from tests.unit.credentials.world import PASSWORD
from tests.until import until


async def test_only_one_of_twenty_goes_out_until_the_login_is_proven() -> None:
    wire, tier, events = tier_of(Place())
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(20)]
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(wire.sent) == 1
    wire.go.set()
    replies = await asyncio.gather(*asking)
    assert [reply.status for reply in replies] == [200] * 20
    assert events == [("obtained", "tier", "https://gis.example.com")]
    assert wire.most > 1  # the others did not queue for one another


async def test_a_proven_login_goes_with_twenty_at_once() -> None:
    wire, tier, _ = tier_of(Place())
    await tier.send(outgoing(route=route()))
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(20)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert wire.most == 20
    wire.go.set()
    await asyncio.gather(*asking)


async def test_twenty_with_a_wrong_password_are_one_try() -> None:
    wire, tier, events = tier_of(Place(lets_in=False))
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(20)]
    for _ in range(50):
        await asyncio.sleep(0)
    wire.go.set()
    failures = await asyncio.gather(*asking, return_exceptions=True)
    assert len(wire.sent) == 1
    assert {type(failure) for failure in failures} == {CredentialRefused}
    assert len({id(failure) for failure in failures}) == 20
    assert events == [("refused", "tier", "https://gis.example.com")]
    assert wire.all_closed


async def test_the_first_one_leaving_lets_the_next_one_try() -> None:
    wire, tier, _ = tier_of(Place())
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(5)]
    await until(lambda: len(wire.sent) == 1)
    asking[0].cancel()
    asking[2].cancel()  # one of those who wait
    await until(lambda: len(wire.sent) > 1)
    assert len(wire.sent) == 2
    wire.go.set()
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert [isinstance(each, Reply) for each in done] == [False, True, False, True, True]


@pytest.mark.parametrize("error", [UpstreamFailed("reset"), UpstreamTimeout("slow"), TokenUnavailable("down")])
async def test_an_outage_is_neither_a_proof_nor_a_refusal(error: ProxyError) -> None:
    place = Place()

    def answer(sent: Sent) -> Reply:
        if len(wire.sent) <= 3:
            raise error
        return place(sent)

    wire = Wire(answer)
    tier = WebTier(wire, lambda: 0.0)
    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            await tier.send(outgoing(route=route()))
        assert caught.value is error
    assert tier.snapshot()[0]["state"] == "none"
    assert (await tier.send(outgoing(route=route()))).status == 200


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_server_in_trouble_proves_no_password(status: int) -> None:
    """A balancer whose servers start anew answers so to anybody. Were that a proof, twenty wrong passwords would go
    out at once as soon as they are up."""
    place = Place(status=status)
    wire, tier, _ = tier_of(place)
    assert (await tier.send(outgoing(route=route()))).status == status
    place.lets_in = False
    wire.sent.clear()
    await asyncio.gather(*(tier.send(outgoing(route=route())) for _ in range(20)), return_exceptions=True)
    assert len(wire.sent) == 1


def test_those_who_wait_for_a_first_login_that_hangs_are_told_in_time() -> None:
    async def main() -> None:
        wire, tier, _ = tier_of(Place())
        wire.go = asyncio.Event()
        where = replace(route(), connect_timeout=2.0, header_timeout=3.0)
        asking = [asyncio.ensure_future(tier.send(outgoing(route=where))) for _ in range(3)]
        loop = asyncio.get_running_loop()
        began = loop.time()
        failures = await asyncio.gather(*asking[1:], return_exceptions=True)
        assert {type(failure) for failure in failures} == {UpstreamTimeout}
        assert loop.time() - began == pytest.approx(5.0)
        wire.go.set()
        assert (await asking[0]).status == 200

    run(main())


async def test_a_refused_login_rests_a_minute_then_twice_as_long_up_to_an_hour() -> None:
    place = Place(lets_in=False)
    wire, tier, _ = tier_of(place)
    rests = []
    for tries in range(1, 9):
        await refusal(tier, route())
        assert len(wire.sent) == tries
        held = await refusal(tier, route())
        assert held.retry_after is not None
        rests.append(held.retry_after)
        place.now += held.retry_after - 0.1
        await refusal(tier, route())
        assert len(wire.sent) == tries  # not a moment earlier
        place.now += 0.2
    assert [round(rest) for rest in rests] == [60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_a_login_that_works_again_is_good_at_once() -> None:
    place = Place(lets_in=False)
    _, tier, events = tier_of(place)
    await refusal(tier, route())
    place.now, place.lets_in = 61.0, True
    assert (await tier.send(outgoing(route=route()))).status == 200
    assert [event for event, _, _ in events] == ["refused", "obtained"]
    place.lets_in = False
    await refusal(tier, route())
    assert (await refusal(tier, route())).retry_after is None  # it was tried, and not held off


async def test_three_refusals_in_a_row_are_a_changed_password() -> None:
    place = Place()
    wire, tier, _ = tier_of(place)
    await tier.send(outgoing(route=route()))
    place.lets_in = False
    for _ in range(10):
        await refusal(tier, route())
    assert len(wire.sent) == 4
    assert tier.snapshot()[0]["state"] == "held off"


async def test_one_service_that_is_not_for_us_does_not_end_the_login() -> None:
    place = Place()
    wire, tier, _ = tier_of(place)
    for _ in range(10):
        place.lets_in = True
        await tier.send(outgoing(route=route()))
        place.lets_in = False
        await refusal(tier, route())
        await refusal(tier, route())
    assert len(wire.sent) == 30
    assert tier.snapshot()[0]["state"] == "good"


async def test_after_one_refusal_a_proven_login_goes_alone_again() -> None:
    place = Place()
    wire, tier, _ = tier_of(place)
    await tier.send(outgoing(route=route()))
    place.lets_in = False
    await refusal(tier, route())
    failures = await asyncio.gather(*(tier.send(outgoing(route=route())) for _ in range(20)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {CredentialRefused}
    assert len(wire.sent) == 1 + 3


async def test_refusals_that_come_together_are_one_refusal_and_not_an_hour() -> None:
    """The password is changed while a map's twenty pictures are under way. The rest is a minute: what was sent before
    it began says nothing new, and the operator who corrects the password should not wait an hour for the server."""
    place = Place()
    wire, tier, _ = tier_of(place)
    await tier.send(outgoing(route=route()))
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(20)]
    await until(lambda: len(wire.sent) == 1 + 20)
    place.lets_in = False
    wire.go.set()
    await asyncio.gather(*asking, return_exceptions=True)
    held = await refusal(tier, route())
    assert held.retry_after == pytest.approx(60.0)


async def test_logins_and_origins_stand_each_for_itself() -> None:
    place = Place()
    wire, tier, _ = tier_of(place)
    wild = Scope("https", "example.com", wildcard=True)
    other = replace(BASIC, password=Secret("another"))
    place.lets_in = False
    with pytest.raises(CredentialRefused):
        await tier.send(outgoing("https://a.example.com/", route=route(scope=wild)))
    place.lets_in = True
    assert (await tier.send(outgoing("https://b.example.com/", route=route(scope=wild)))).status == 200
    # a corrected password is another login, and is tried at once
    assert (await tier.send(outgoing("https://a.example.com/", route=route(other, wild)))).status == 200
    with pytest.raises(CredentialRefused):
        await tier.send(outgoing("https://a.example.com/", route=route(scope=wild)))
    assert len(wire.sent) == 3
    assert len(tier.snapshot()) == 3


async def test_rules_of_one_server_share_their_login_whatever_else_differs() -> None:
    """The account locks after a few wrong passwords of anybody's."""
    wire, tier, _ = tier_of(Place(lets_in=False))
    other = Route(identity=Identity("other", Scope(None, "gis.example.com"), (), BASIC))
    for where in (route(), replace(route(), max_connections=1), replace(route(), ca_bundle="ca.pem"), other):
        await refusal(tier, where)
    await refusal(tier, route(x_api_key=KEY))
    assert len(wire.sent) == 1


WILD = Scope("https", "example.com", wildcard=True)


@pytest.mark.parametrize("scheme", [Scheme.NTLM, Scheme.NEGOTIATE])
async def test_a_domain_account_is_one_at_all_its_servers(scheme: Scheme) -> None:
    place = Place(lets_in=False, says="NTLM")
    wire, tier, _ = tier_of(place)
    login = HttpLogin(scheme, "webmap", Secret(PASSWORD), "CITY")
    with pytest.raises(CredentialRefused):
        await tier.send(outgoing("https://a.example.com/", route=route(login, WILD)))
    tries = len(wire.sent)
    for again in (login, replace(login, username="WebMap", scheme=Scheme.NTLM)):
        with pytest.raises(CredentialRefused) as caught:
            await tier.send(outgoing("https://b.example.com/", route=route(again, WILD)))
        assert caught.value.retry_after == 60.0
    assert len(wire.sent) == tries


async def test_a_machines_own_ticket_has_no_password_that_could_lock_it() -> None:
    wire, tier, _ = tier_of(Place(lets_in=False, says='Basic realm="x"'))
    ticket = HttpLogin(Scheme.NEGOTIATE, "", Secret(""))
    for host in ("a", "b"):
        with pytest.raises(CredentialMisconfigured):
            await tier.send(outgoing(f"https://{host}.example.com/", route=route(ticket, WILD)))
    assert len(wire.sent) == 2

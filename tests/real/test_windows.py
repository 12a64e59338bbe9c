"""Windows logins: NTLM, and NTLM in Negotiate, on connections that are signed in."""

import asyncio
from collections import Counter

import pytest

from tests.live.collector import Collector
from tests.live.conftest import PASSWORD, World
from tests.real.authority import Papers
from tests.real.conftest import OTHER_PASSWORD, WRONG, Behind, StartWindows, document, several
from tests.real.uses import CITY, at_once, everything, logged, refusals, upload
from tests.real.windows_server import Manner, WindowsServer, end_point

GOOD = {"type": "ntlm", "username": "webmap", "password": PASSWORD, "domain": "CITY"}
OFFERS = [("NTLM",), ("Negotiate",), ("Negotiate", "NTLM")]


def _sent_in_vain(server: WindowsServer) -> int:
    """Bytes of bodies that came with a leg of a login, not with a request that was answered."""
    return sum(each.length for each in server.arrived if each.status == 401)


async def _ask(world: World, server: WindowsServer, path: str = CITY) -> int:
    return (await world.client.get(f"{server.url}{path}?f=json")).status


@pytest.mark.parametrize("kind", ["ntlm", "negotiate"])
@pytest.mark.parametrize("offers", OFFERS)
async def test_a_map_sees_no_login(windows: StartWindows, behind: Behind, offers: tuple[str, ...], kind: str) -> None:
    server = await windows(Manner(offers))
    world = await behind(document(server.url, {**GOOD, "type": kind}))
    await everything(world, server.url, lambda: server.last_body)
    assert (server.accepted, server.refused) == (1, [])
    assert {each.user for each in server.answered()} == {"CITY\\webmap"}
    assert _sent_in_vain(server) == 0


async def test_the_domain_may_stand_in_the_user_name(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    world = await behind(document(server.url, {"type": "ntlm", "username": "CITY\\webmap", "password": PASSWORD}))
    assert await _ask(world, server) == 200


async def test_a_connection_is_signed_in_once(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    world = await behind(document(server.url, GOOD))
    for _ in range(10):
        assert await _ask(world, server) == 200
    assert [each.status for each in server.arrived] == [401, 401, 200] + [200] * 10  # the rule's own URL first
    assert {each.connection for each in server.arrived} == {1}


@pytest.mark.parametrize("offers", OFFERS)
async def test_many_at_once_all_pass(windows: StartWindows, behind: Behind, offers: tuple[str, ...]) -> None:
    server = await windows(Manner(offers))
    server.delay = 0.02
    world = await behind(document(server.url, GOOD))
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}
    assert server.refused == []
    assert server.accepted == len(server.users_by_connection())


async def test_no_more_connections_than_configured(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    server.delay = 0.01
    world = await behind(document(server.url, GOOD, maxConnections=2))
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}
    assert len({each.connection for each in server.arrived}) <= 2


async def test_two_users_never_share_a_connection(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    server.delay = 0.01
    editor = {"type": "ntlm", "username": "editor", "password": OTHER_PASSWORD, "domain": "CITY"}
    rules = {
        f"{server.url}/rest/services": {"credential": "one"},
        f"{server.url}/rest/services/Public/City/FeatureServer": {"credential": "two"},
        f"{server.url}/rest/services/Open": {},
    }
    world = await behind(several(rules, {"one": GOOD, "two": editor}))
    kinds = ("Public/City/MapServer", "Public/City/FeatureServer", "Open/MapServer")
    targets = [f"{server.url}/rest/services/{kinds[n % 3]}?f=json&n={n}" for n in range(60)]
    for _ in range(2):
        got = await asyncio.gather(*map(world.client.get, targets))
        # a rule without a credential never rides on somebody's login
        assert Counter(each.status for each in got) == {200: 40, 401: 20}
    assert all(len(users) == 1 for users in server.users_by_connection().values())
    for each in server.answered():
        assert each.user == ("CITY\\editor" if "/FeatureServer" in each.path else "CITY\\webmap")
    assert not [each for each in server.answered() if "/Open/" in each.path]


async def test_a_cold_upload_goes_up_once(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    world = await behind(document(server.url, GOOD))
    await upload(world, server.url, lambda: server.last_body)
    assert _sent_in_vain(server) == 0


@pytest.mark.parametrize("requests", [3, 4, 5, 6, 7])
async def test_a_server_that_closes_connections_costs_nothing(
    windows: StartWindows, behind: Behind, requests: int
) -> None:
    """With some of the numbers it does so between the messages of a login: that is no wrong password."""
    server = await windows(Manner(closes_after=requests))
    world = await behind(document(server.url, GOOD))
    for _ in range(3):
        await everything(world, server.url, lambda: server.last_body)
    assert server.refused == []
    assert server.accepted > 1


@pytest.mark.parametrize("offers", OFFERS)
async def test_a_wrong_password_is_tried_once(windows: StartWindows, behind: Behind, offers: tuple[str, ...]) -> None:
    server = await windows(Manner(offers))
    world = await behind(document(server.url, {**GOOD, "password": WRONG}))
    got = await refusals(world, server.url, "credential_refused")
    assert "password" in " ".join([got.json["error"]["message"], *got.json["error"]["details"]])
    assert len(server.refused) == 1
    assert len([each for each in server.arrived if each.scheme]) == 2  # the two messages of one login
    await logged(world, '"event":"credential_refused"')


async def test_an_unknown_user_is_refused_as_well(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    world = await behind(document(server.url, {**GOOD, "domain": "ELSEWHERE"}))
    await refusals(world, server.url, "credential_refused")
    assert len(server.refused) == 1


async def test_an_upload_with_a_wrong_password_is_tried_once(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    world = await behind(document(server.url, {**GOOD, "password": WRONG}))
    got = await world.client.get(f"{server.url}{CITY}?f=json", "POST", b"x" * 100_000, Content_Type="text/plain")
    assert got.status == 502
    assert len(server.refused) == 1


@pytest.mark.parametrize("offers", OFFERS)
async def test_the_login_is_bound_to_the_server_s_certificate(
    windows: StartWindows, behind: Behind, papers: Papers, offers: tuple[str, ...]
) -> None:
    server = await windows(Manner(offers, bindings=end_point(papers.server_certificate)), papers)
    world = await behind(document(server.url, GOOD, caBundle=papers.bundle))
    await everything(world, server.url, lambda: server.last_body)
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}
    assert server.refused == []


async def test_every_leg_of_a_login_is_a_span(windows: StartWindows, behind: Behind) -> None:
    server, collector = await windows(Manner()), Collector()
    await collector.start()
    world = await behind(document(server.url, GOOD), collector=collector)
    await everything(world, server.url, lambda: server.last_body)
    await world.service.stop()
    await collector.stop()
    legs = [span.attributes["http.response.status_code"] for span in collector.of("client")]
    assert legs == [each.status for each in server.arrived]
    assert [span.attributes.get("http.request.resend_count") for span in collector.of("client")][:3] == [None, 1, 2]


async def test_another_kind_of_login_is_named(windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner())
    world = await behind(document(server.url, {"type": "basic", "username": "webmap", "password": PASSWORD}))
    got = await refusals(world, server.url, "web_login")
    assert "NTLM" in got.json["error"]["message"]

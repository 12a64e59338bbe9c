"""Kerberos at a directory of MIT's: tickets, keytabs, passwords; servers that ask for each request or once."""

import asyncio

import pytest

from tests.live.conftest import PASSWORD
from tests.real.conftest import WRONG, Behind, StartWindows, document
from tests.real.kerberos import Realm
from tests.real.uses import CITY, at_once, everything, refusals, upload
from tests.real.windows_server import Manner

TICKET = {"type": "negotiate"}
LOGIN = {"type": "negotiate", "username": "webmap@CITY.TEST", "password": PASSWORD}
ME = "webmap@CITY.TEST"

servers = pytest.mark.parametrize("is_mit", [True, False], ids=["mit", "pyspnego"])
manners = pytest.mark.parametrize("signs_each_request", [True, False], ids=["each request", "connection"])


@servers
@manners
async def test_a_map_sees_no_login(
    realm: Realm, windows: StartWindows, behind: Behind, is_mit: bool, signs_each_request: bool
) -> None:
    server = await windows(Manner(("Negotiate",), is_mit, signs_each_request))
    realm.log_in(PASSWORD)
    world = await behind(document(server.url, TICKET))
    await everything(world, server.url, lambda: server.last_body)
    assert {each.user for each in server.answered()} == {ME}
    assert server.refused == []
    assert [each.status for each in server.arrived].count(401) <= 1


@servers
@manners
async def test_many_at_once_all_pass(
    realm: Realm, windows: StartWindows, behind: Behind, is_mit: bool, signs_each_request: bool
) -> None:
    server = await windows(Manner(("Negotiate",), is_mit, signs_each_request))
    realm.log_in(PASSWORD)
    world = await behind(document(server.url, TICKET))
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}
    assert server.refused == []


@manners
async def test_a_cold_upload_goes_up_once(
    realm: Realm, windows: StartWindows, behind: Behind, signs_each_request: bool
) -> None:
    server = await windows(Manner(("Negotiate",), True, signs_each_request))
    realm.log_in(PASSWORD)
    world = await behind(document(server.url, TICKET))
    await upload(world, server.url, lambda: server.last_body)
    await upload(world, server.url, lambda: server.last_body)
    assert sum(each.length for each in server.arrived if each.status == 401) == 0


async def test_user_and_password_do_without_a_ticket(realm: Realm, windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner(("Negotiate",), is_mit=True, signs_each_request=True))
    world = await behind(document(server.url, LOGIN))
    await everything(world, server.url, lambda: server.last_body)
    assert {each.user for each in server.answered()} == {ME}
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}


async def test_the_realm_may_stand_as_the_domain(realm: Realm, windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner(("Negotiate",), is_mit=True, signs_each_request=True))
    login = {"type": "negotiate", "username": "webmap", "password": PASSWORD, "domain": "CITY.TEST"}
    world = await behind(document(server.url, login))
    assert (await world.client.get(f"{server.url}{CITY}?f=json")).status == 200


async def test_a_keytab_does_without_a_password(realm: Realm, windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner(("Negotiate",), is_mit=True, signs_each_request=True))
    realm.write_client_keytab()
    world = await behind(document(server.url, TICKET))
    assert (await world.client.get(f"{server.url}{CITY}?f=json")).status == 200


async def test_without_a_ticket_it_says_what_to_do_and_tries_again_at_once(
    realm: Realm, windows: StartWindows, behind: Behind
) -> None:
    server = await windows(Manner(("Negotiate",), is_mit=True, signs_each_request=True))
    world = await behind(document(server.url, TICKET))
    got = await refusals(world, server.url, "no_ticket")
    said = " ".join([got.json["error"]["message"], *got.json["error"]["details"]])
    assert all(word in said for word in ("ticket", "kinit", "keytab")), said
    assert not [each for each in server.arrived if each.scheme]
    realm.log_in(PASSWORD)
    assert (await world.client.get(f"{server.url}{CITY}?f=json")).status == 200


async def test_a_ticket_that_has_ended_is_none(realm: Realm, windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner(("Negotiate",), is_mit=True, signs_each_request=True))
    realm.log_in(PASSWORD, seconds=1)
    await asyncio.sleep(2.1)
    world = await behind(document(server.url, TICKET))
    got = await refusals(world, server.url, "no_ticket")
    assert "ticket" in got.json["error"]["message"]


async def test_a_wrong_password_is_tried_once(realm: Realm, windows: StartWindows, behind: Behind) -> None:
    server = await windows(Manner(("Negotiate",), is_mit=True, signs_each_request=True))
    world = await behind(document(server.url, {**LOGIN, "password": WRONG}))
    got = await refusals(world, server.url, "credential_refused")
    assert "password" in " ".join([got.json["error"]["message"], *got.json["error"]["details"]])
    assert realm.refusals() == 1
    assert server.refused == []  # a Windows domain would count NTLM with the same password as a second try
    assert ME not in str(got.body)


async def test_a_directory_that_is_gone_is_no_wrong_password(
    realm: Realm, windows: StartWindows, behind: Behind
) -> None:
    server = await windows(Manner(("Negotiate",), is_mit=True, signs_each_request=True))
    realm.stop()
    world = await behind(document(server.url, LOGIN))
    got = await world.client.get(f"{server.url}{CITY}?f=json")
    assert got.status in (502, 503, 504)
    assert "Kerberos" in " ".join([got.json["error"]["message"], *got.json["error"]["details"]]), got.body


async def test_a_server_without_a_place_in_the_directory_is_named(
    realm: Realm, windows: StartWindows, behind: Behind
) -> None:
    """The page's URL says 127.0.0.1: there is no HTTP/127.0.0.1 in the directory, and a ticket is for a name."""
    server = await windows(Manner(("Negotiate",), is_mit=True, signs_each_request=True))
    realm.log_in(PASSWORD)
    site = server.url.replace("localhost", "127.0.0.1")
    world = await behind(document(site, TICKET))
    got = await world.client.get(f"{site}{CITY}?f=json")
    assert (got.status, server.accepted) == (502, 0)
    assert "name" in " ".join([got.json["error"]["message"], *got.json["error"]["details"]]), got.body

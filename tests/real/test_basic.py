"""Basic logins at nginx."""

import pytest

from proxy.settings.load import load
from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD
from tests.real.conftest import OTHER_PASSWORD, USERS, WRONG, Behind, Front, document, several
from tests.real.uses import CITY, at_once, everything, is_proof_and, logged, refusals
from tests.real.web_servers import nginx_basic

GOOD = {"type": "basic", "username": "webmap", "password": PASSWORD}
BAD = {**GOOD, "password": WRONG}


async def test_a_map_sees_no_login(front: Front, behind: Behind, arcgis: Simulator) -> None:
    server = front(nginx_basic, USERS)
    world = await behind(document(server.url, GOOD))
    await everything(world, server.url, lambda: arcgis.journal.entries[-1].body)
    statuses = server.statuses()
    assert len(statuses) > 2
    assert is_proof_and(statuses, *["200"] * (len(statuses) - 2))
    assert {entry.headers["x-remote-user"] for entry in arcgis.journal} == {"webmap"}


async def test_a_login_in_place_of_a_client_s_own(front: Front, behind: Behind, arcgis: Simulator) -> None:
    server = front(nginx_basic, USERS)
    world = await behind(document(server.url, GOOD))
    got = await world.client.get(f"{server.url}{CITY}?f=json", Authorization="Basic ZWRpdG9yOng=")
    assert got.status == 200
    assert arcgis.journal.entries[-1].headers["x-remote-user"] == "webmap"


async def test_many_at_once_all_pass(front: Front, behind: Behind) -> None:
    server = front(nginx_basic, USERS)
    world = await behind(document(server.url, GOOD))
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}
    assert is_proof_and(server.statuses(), *["200"] * 20)


async def test_a_wrong_password_is_tried_once(front: Front, behind: Behind) -> None:
    server = front(nginx_basic, USERS)
    world = await behind(document(server.url, BAD))
    got = await refusals(world, server.url, "credential_refused")
    assert "password" in got.json["error"]["message"]
    assert int(got.headers["retry-after"]) <= 60
    assert server.statuses() == ["401", "401"]
    assert len(server.logins()) == 1
    await logged(world, '"event":"credential_refused"')


async def test_a_corrected_password_is_tried_at_once(front: Front, behind: Behind) -> None:
    server = front(nginx_basic, USERS)
    world = await behind(document(server.url, BAD))
    await refusals(world, server.url, "credential_refused", times=1)
    world.path.write_text(world.path.read_text(encoding="utf-8").replace(WRONG, OTHER_PASSWORD), encoding="utf-8")
    await world.service.apply(load(world.path, {}))
    await refusals(world, server.url, "credential_refused", times=1)
    assert server.statuses() == ["401", "401"] * 2
    assert len(server.logins()) == 2


async def test_a_password_that_is_changed_on_the_server_is_given_up(front: Front, behind: Behind) -> None:
    server = front(nginx_basic, USERS)
    world = await behind(document(server.url, GOOD))
    assert (await world.client.get(f"{server.url}{CITY}?f=json")).status == 200
    (server.log.parent / "htpasswd").write_text("webmap:{PLAIN}another\n", encoding="utf-8")
    await refusals(world, server.url, "credential_refused", times=20)
    assert is_proof_and(server.statuses(), "200", "401", "401", "401")
    assert len(server.logins()) == 2 + 2  # of the refusals one was asked as nobody


async def test_two_users_of_one_server_each_get_their_own(front: Front, behind: Behind, arcgis: Simulator) -> None:
    server = front(nginx_basic, USERS)
    editor = {"type": "basic", "username": "editor", "password": OTHER_PASSWORD}
    rules = {
        f"{server.url}/rest/services": {"credential": "one"},
        f"{server.url}/rest/services/Public/City/FeatureServer": {"credential": "two"},
    }
    world = await behind(several(rules, {"one": GOOD, "two": editor}))
    for kind in ("MapServer", "FeatureServer", "MapServer", "FeatureServer"):
        assert (await world.client.get(f"{server.url}/rest/services/Public/City/{kind}?f=json")).status == 200
    users = [entry.headers["x-remote-user"] for entry in arcgis.journal]
    # Each asks for its own rule's URL first
    assert users == ["webmap", "webmap", "editor", "editor", "webmap", "editor"]


@pytest.mark.parametrize("kind", ["digest", "ntlm", "negotiate"])
async def test_another_kind_of_login_is_named(front: Front, behind: Behind, kind: str) -> None:
    server = front(nginx_basic, USERS)
    world = await behind(document(server.url, {**GOOD, "type": kind}))
    got = await refusals(world, server.url, "web_login")
    assert "Basic" in got.json["error"]["message"]
    assert "basic" in got.json["error"]["details"][0]
    assert server.logins() == []


async def test_a_token_credential_is_told_of_the_login(front: Front, behind: Behind) -> None:
    server = front(nginx_basic, USERS)
    world = await behind(document(server.url, {"username": "webmap", "password": PASSWORD}))
    got = await world.client.get(f"{server.url}{CITY}?f=json")
    assert got.status in (502, 503)
    assert "login" in got.json["error"]["message"], got.body
    assert server.logins() == []

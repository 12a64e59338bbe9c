"""Digest logins at Apache's mod_auth_digest."""

import asyncio

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD
from tests.real.conftest import USERS, WRONG, Behind, Front, document
from tests.real.uses import CITY, at_once, everything, is_proof_and, logged, refusals, upload
from tests.real.web_servers import apache_digest

GOOD = {"type": "digest", "username": "webmap", "password": PASSWORD}


async def test_a_map_sees_no_login(front: Front, behind: Behind, arcgis: Simulator) -> None:
    server = front(apache_digest, USERS)
    world = await behind(document(server.url, GOOD))
    await everything(world, server.url, lambda: arcgis.journal.entries[-1].body)
    # an upload that cannot be sent twice is asked for first, without its body
    assert is_proof_and(server.statuses(), *["200"] * 7)


async def test_a_cold_upload_goes_up_once(front: Front, behind: Behind, arcgis: Simulator) -> None:
    server = front(apache_digest, USERS)
    world = await behind(document(server.url, GOOD))
    await upload(world, server.url, lambda: arcgis.journal.entries[-1].body)
    assert is_proof_and(server.statuses(), "200", "200")
    assert [line.split(" ")[1] for line in server.logins()] == ["GET", "HEAD", "POST"]


async def test_the_query_is_signed_as_it_is_sent(front: Front, behind: Behind, arcgis: Simulator) -> None:
    server = front(apache_digest, USERS)
    world = await behind(document(server.url, GOOD))
    query = "f=json&where=NAME%3D%27x%27&text=a%20b%2Bc,d;~!*()&&=x&'y'&q=%22\\"
    got = await world.client.get(f"{server.url}/rest/services/Public/City/MapServer/0/query?{query}")
    assert got.status == 200, got.body
    assert arcgis.journal.entries[-1].query == query.replace("\\", "%5C")


async def test_the_nonce_is_used_again(front: Front, behind: Behind) -> None:
    server = front(apache_digest, USERS)
    world = await behind(document(server.url, GOOD))
    for n in range(10):
        assert (await world.client.get(f"{server.url}{CITY}?f=json&n={n}")).status == 200
    assert is_proof_and(server.statuses(), *["200"] * 10)
    assert "nc=0000000b" in server.logins()[-1]


async def test_many_at_once_need_one_challenge(front: Front, behind: Behind) -> None:
    server = front(apache_digest, USERS)
    world = await behind(document(server.url, GOOD))
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}
    assert is_proof_and(server.statuses(), *["200"] * 20)


async def test_a_nonce_that_ends_is_renewed_unseen(front: Front, behind: Behind) -> None:
    server = front(apache_digest, USERS, nonce_seconds=1)
    world = await behind(document(server.url, GOOD))
    assert (await world.client.get(f"{server.url}{CITY}?f=json")).status == 200
    await asyncio.sleep(2.1)
    assert {got.status for got in await at_once(world, server.url, 20)} == {200}
    assert "credential_refused" not in world.log.getvalue()


async def test_a_nonce_that_ends_does_not_cost_an_upload(front: Front, behind: Behind, arcgis: Simulator) -> None:
    server = front(apache_digest, USERS, nonce_seconds=1)
    world = await behind(document(server.url, GOOD))
    assert (await world.client.get(f"{server.url}{CITY}?f=json")).status == 200
    await asyncio.sleep(2.1)
    await upload(world, server.url, lambda: arcgis.journal.entries[-1].body)


async def test_a_wrong_password_is_tried_once(front: Front, behind: Behind) -> None:
    server = front(apache_digest, USERS)
    world = await behind(document(server.url, {**GOOD, "password": WRONG}))
    await refusals(world, server.url, "credential_refused")
    assert server.statuses() == ["401", "401"]
    assert len(server.logins()) == 1
    await logged(world, '"event":"credential_refused"')


async def test_a_user_that_is_not_there_is_refused_as_well(front: Front, behind: Behind) -> None:
    server = front(apache_digest, USERS)
    world = await behind(document(server.url, {**GOOD, "username": "nobody"}))
    await refusals(world, server.url, "credential_refused")
    assert len(server.logins()) == 1


async def test_a_password_that_is_changed_on_the_server_is_given_up(front: Front, behind: Behind) -> None:
    server = front(apache_digest, USERS)
    world = await behind(document(server.url, GOOD))
    assert (await world.client.get(f"{server.url}{CITY}?f=json")).status == 200
    (server.log.parent / "htdigest").write_text("webmap:other:0\n", encoding="utf-8")
    for _ in range(20):
        await refusals(world, server.url, "credential_refused", times=1)
    # the two good ones, the first that was refused, and one more at the page that was good before
    assert [line.partition(" ")[0] for line in server.logins()] == ["404", "200", "401", "401"]

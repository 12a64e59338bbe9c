"""A password that was changed in the directory while the proxy has the old one: connections that were signed in with
it go on, every new one is a wrong password, and a few of those lock the account for everybody."""

import asyncio
import os
from pathlib import Path

from tests.live.conftest import PASSWORD, World
from tests.real.conftest import OTHER_PASSWORD, Behind, StartWindows, document, several
from tests.real.windows_server import Manner, WindowsServer

GOOD = {"type": "ntlm", "username": "webmap", "password": PASSWORD, "domain": "CITY"}
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


def _change_the_password() -> None:
    Path(os.environ["NTLM_USER_FILE"]).write_text(f"CITY:webmap:{OTHER_PASSWORD}\n", encoding="utf-8")


async def _ask(world: World, server: WindowsServer, path: str) -> int:
    return (await world.client.get(f"{server.url}/rest/services/{path}/MapServer?f=json")).status


async def _query(world: World, server: WindowsServer, path: str) -> int:
    """As map clients do that ask for features: no page that could be asked for again."""
    return (await world.client.get(f"{server.url}/{path}", "POST", b"f=json&where=1%3D1", **FORM)).status


async def test_requests_on_signed_in_connections_do_not_hide_it(windows: StartWindows, behind: Behind) -> None:
    """Each new connection would be a wrong password more, and no rest ever begin."""
    server = await windows(Manner())
    server.delay = 0.02
    world = await behind(document(server.url, GOOD))
    assert await _ask(world, server, "first") == 200
    _change_the_password()
    for n in range(10):  # two at a time: one on the connection that is signed in, one on another
        await asyncio.gather(*(_ask(world, server, f"{n}/{each}") for each in range(2)))
    assert len(server.refused) == 2


async def test_another_server_where_the_connection_is_signed_in_does_not_hide_it(
    windows: StartWindows, behind: Behind
) -> None:
    """One account of the domain on two servers: what was proven at the first is asked there again when the second one
    refuses it, and there a connection still is as it was."""
    first, second = await windows(Manner()), await windows(Manner())
    rules: dict[str, dict[str, object]] = {server.url: {"credential": "tier"} for server in (first, second)}
    world = await behind(several(rules, {"tier": GOOD}))
    assert await _ask(world, first, "page") == 200
    _change_the_password()
    answers = [await _ask(world, second, str(n)) for n in range(10)]
    assert set(answers) == {502}
    assert (len(first.refused), len(second.refused)) == (1, 1)


async def test_a_slow_answer_on_a_signed_in_connection_does_not_hide_it(windows: StartWindows, behind: Behind) -> None:
    """Nothing here can be asked whether the login is good, so what clients ask for has to tell; but what comes on a
    connection of yesterday tells nothing."""
    server = await windows(Manner(open_pages=("/arcgis",), slow_pages=("/arcgis/slow/query",)))
    world = await behind(document(server.url, GOOD))
    assert await _query(world, server, "first/query") == 200
    _change_the_password()
    for n in range(10):
        slow = asyncio.create_task(_query(world, server, "slow/query"))
        await asyncio.sleep(0.1)
        await _query(world, server, f"{n}/query")
        await slow
    assert len(server.refused) == 3  # in a row: one could be a right that is lacking

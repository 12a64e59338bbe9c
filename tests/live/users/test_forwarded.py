"""Users whom a proxy in front names."""

import asyncio

import pytest

from tests.live.conftest import PAGE, World
from tests.live.users.conftest import Door, is_quiet

NAMED = {"source": "forwarded", "header": "X-Forwarded-User", "groupsHeader": "X-Forwarded-Groups"}
LOOPBACK = {"server": {"trustedProxies": ["127.0.0.0/8"]}}


async def test_a_proxy_in_front_names_the_user(door: Door) -> None:
    world = await door(["group:editors"], NAMED, LOOPBACK)
    headers = {"X-Forwarded-User": "anna", "X-Forwarded-Groups": "staff,editors"}
    got = await world.client.get(world.url(), **headers)
    assert got.status == 200
    assert got.headers["vary"] == "cookie, authorization, x-forwarded-user, Origin"
    (entry,) = world.arcgis.journal.to("City")
    assert not {"x-forwarded-user", "x-forwarded-groups"} & entry.headers.keys()
    assert is_quiet(await world.client.get(world.url(), X_Forwarded_User="bert"))
    assert is_quiet(await world.client.get(world.url()))
    assert [line["user"] for line in await world.logged("request", 3)] == ["anna", "bert", ""]


async def test_whoever_is_no_trusted_proxy_names_nobody(door: Door) -> None:
    world = await door("required", NAMED, {"server": {"trustedProxies": ["10.0.0.0/8"]}})
    headers = {"X-Forwarded-User": "anna", "X-Forwarded-For": "10.0.0.7"}
    assert is_quiet(await world.client.get(world.url(), **headers))
    (line,) = await world.logged("request")
    assert "trustedProxies" in line["note"]
    assert line["user"] == ""


@pytest.mark.parametrize(
    "value",
    ["anna, admin", "admin,", "an\tna", "a" * 300, "\u202eanna", "an\u00adna", "\u200b"],
)
async def test_a_hostile_name_is_refused(door: Door, value: str) -> None:
    world = await door("required", NAMED, LOOPBACK)
    assert is_quiet(await world.client.get(world.url(), X_Forwarded_User=value))


@pytest.mark.parametrize(
    ("second", "status"),
    [("X-Forwarded-User", 403), ("x-forwarded-user", 403), ("X_Forwarded_User", 200), ("x_forwarded-user", 200)],
)
async def test_a_name_that_comes_twice_is_refused_and_one_in_disguise_not_heard(
    door: Door, second: str, status: int
) -> None:
    world = await door("required", NAMED, LOOPBACK)
    target = f"/proxy?{world.url()}"
    got = await raw(
        world,
        f"GET {target} HTTP/1.1\r\nHost: maps\r\nReferer: {PAGE}\r\nX-Forwarded-User: anna\r\n{second}: nobody\r\n"
        "Connection: close\r\n\r\n",
    )
    assert got.startswith(f"HTTP/1.1 {status} ".encode())


async def raw(world: World, request: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", world.service.public.port)
    writer.write(request.encode())
    try:
        return await asyncio.wait_for(reader.read(), 5)
    finally:
        writer.close()

"""Which pages a browser may sign in from, and for what."""

import time

import pytest

from tests.live.conftest import PAGE
from tests.live.users.conftest import AUDIENCE, ISSUER, Door, LoginService, is_quiet, with_token

ORIGIN = "https://maps.example.com"


@pytest.mark.parametrize("preflight", [True, False])
@pytest.mark.parametrize(
    ("cookie", "listed", "origin", "credentials"),
    [
        (True, [ORIGIN], ORIGIN, True),
        (True, ["*", ORIGIN], ORIGIN, True),
        (True, ["*"], "https://evil.example", False),
        (True, ["https://*.example.com"], ORIGIN, True),
        (False, [ORIGIN], ORIGIN, False),
    ],
)
async def test_cookies_are_let_along_for_listed_pages_alone(
    door: Door, login: LoginService, *, preflight: bool, cookie: bool, listed: list[str], origin: str, credentials: bool
) -> None:
    source = {"source": "jwt", "issuer": ISSUER, "audience": AUDIENCE, "jwksUrl": login.url}
    world = await door("required", source | ({"cookie": "session"} if cookie else {}), {"allowedReferers": listed})
    got = await world.client.get(
        world.url(),
        "OPTIONS" if preflight else "GET",
        Origin=origin,
        Referer=f"{origin}/",
        Access_Control_Request_Method="GET",
    )
    assert got.headers["access-control-allow-origin"] == origin
    assert got.headers.get("access-control-allow-credentials") == ("true" if credentials else None)


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_a_page_that_is_not_listed_gets_no_cookies(door: Door, method: str) -> None:
    world = await door()
    got = await world.client.get(world.url(), method, Origin="https://evil.example")
    assert got.status == 403
    assert "access-control-allow-credentials" not in got.headers


EDIT = "Secure/City/FeatureServer/0/applyEdits?f=json"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Referer": ""}, 403),
        ({"Referer": "https://evil.example/"}, 403),
        ({"Referer": "", "Origin": ORIGIN}, 200),
        ({"Referer": PAGE}, 200),
    ],
)
async def test_a_change_by_cookie_needs_a_listed_page(
    door: Door, login: LoginService, headers: dict[str, str], status: int
) -> None:
    """Even where programs and any page may read."""
    top = {"allowedReferers": ["*", ORIGIN], "allowMissingReferer": True}
    world = await door(top=top, access="edit")
    for method in ("GET", "POST"):
        got = await world.client.get(world.url(EDIT), method, Cookie=f"session={login.token()}", **headers)
        assert got.status == status, method
        assert status == 200 or is_quiet(got), method
    read = await world.client.get(world.url(), Cookie=f"session={login.token()}", **headers)
    assert read.status == 200


async def test_a_change_with_a_token_of_the_programs_own_needs_no_page(door: Door, login: LoginService) -> None:
    world = await door(top={"allowMissingReferer": True}, access="edit")
    got = await world.client.get(world.url(EDIT), "POST", Authorization=f"Bearer {login.token()}", Referer="")
    assert got.status == 200


async def test_limits_are_each_users_own(door: Door, login: LoginService) -> None:
    world = await door(rateLimit=2)
    for user in ("anna", "bert"):
        token = login.token(preferred_username=user)
        assert [(await with_token(world, token)).status for _ in range(3)] == [200, 200, 429]
    # a new token of the same user is no new allowance
    assert (await with_token(world, login.token(iat=int(time.time()) - 5))).status == 429

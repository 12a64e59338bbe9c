"""The front door on real sockets: a login service with its keys, tokens that PyJWT signed, browsers and forgers."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization

from proxy.core.target import parse_url
from proxy.errors import NotAllowed, TokenUnavailable
from proxy.identity import Reach, Route
from proxy.model import JwtUsers
from proxy.runtime import routes
from proxy.traffic import Incoming
from proxy.upstream.fetch import Fetch
from proxy.upstream.transport import UpstreamTransport
from proxy.users.identify import Users
from tests.live.conftest import PAGE, Build, Got, World, config
from tests.unit.users.issuer import by_hand, jwk, jwks, private

ISSUER, AUDIENCE = "https://login.example.com/realms/city", "maps"
RSA, NEW = private("RSA-2048"), private("RSA-2048", 1)


class LoginService:
    """Serves its keys and signs tokens."""

    def __init__(self) -> None:
        self.keys, self.asked, self.port, self.status = jwks(jwk(RSA)), list[str](), 0, 200

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.port = self.runner.addresses[0][1]

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.Response(body=self.keys, status=self.status, content_type="application/jwk-set+json")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/certs"

    def token(self, *, key: Any = RSA, algorithm: str = "RS256", kid: str = "k1", **more: Any) -> str:
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "1234", "preferred_username": "anna", "exp": now + 300}
        payload = {name: value for name, value in (usual | more).items() if value is not None}
        return jwt.encode(payload, key, algorithm, {"kid": kid})


@pytest.fixture
async def login() -> AsyncIterator[LoginService]:
    service = LoginService()
    await service.start()
    yield service
    await service.runner.cleanup()


Door = Callable[..., Awaitable[World]]


@pytest.fixture
def door(build: Build, arcgis: Any, login: LoginService) -> Door:
    """A proxy whose one rule is for `users`; `source` adds to the settings of the front door."""

    async def start(
        users: Any = "required",
        source: dict[str, Any] | None = None,
        top: dict[str, Any] | None = None,
        **rule: Any,
    ) -> World:
        document = config(arcgis.url, users=users, **rule)
        jwt_source = {
            "source": "jwt",
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwksUrl": login.url,
            "cookie": "session",
        }
        document["users"] = source or jwt_source
        for name, value in (top or {}).items():
            document[name] = {**document[name], **value} if isinstance(value, dict) else value
        world: World = await build(document)
        return world

    return start


async def with_token(world: World, token: str, path: str = "Secure/City/MapServer?f=json", **headers: str) -> Got:
    world.secrets |= {part for part in (token, token.rpartition(".")[2]) if len(part) > 20}
    return await world.client.get(world.url(path), Cookie=f"other=1; session={token}", **headers)


async def logged(world: World, count: int) -> list[dict[str, Any]]:
    """The lines of requests, once the writer has come to so many."""
    async with asyncio.timeout(5):
        while True:
            found = [json.loads(line) for line in world.log.getvalue().splitlines()]
            if len(found := [line for line in found if line["event"] == "request"]) >= count:
                return found
            await asyncio.sleep(0.02)


def is_quiet(got: Got) -> bool:
    """Whether no SDK opens its sign-in dialog at this."""
    error = got.json["error"]
    assert got.status == error["code"] == 403
    return bool((error["subcode"], error["messageCode"]) == (1, "SB_0008"))


async def test_a_login_in_a_cookie_opens_pictures_too(door: Door, login: LoginService) -> None:
    world = await door(userHeader="X-Map-User")
    token = login.token(preferred_username="J\u00f6rg")
    picture = "Secure/City/MapServer/export?bbox=0,0,1,1&size=10,10&format=png&f=image"
    for path in ("Secure/City/MapServer?f=json", picture):
        got = await with_token(world, token, path)
        assert got.status == 200
        assert got.headers["cache-control"].startswith("private")
        assert got.headers["vary"] == "cookie, authorization, Origin"
    assert got.body.startswith(b"\x89PNG")
    assert login.asked == ["/certs"]
    for entry in world.arcgis.journal.to("City"):
        assert "cookie" not in entry.headers
        assert token not in str(entry)
        assert entry.headers["x-map-user"] == "J%C3%B6rg"
    assert [line["user"] for line in await logged(world, 2)] == ["J\u00f6rg"] * 2


async def test_a_login_in_the_header(door: Door, login: LoginService) -> None:
    world = await door()
    token = login.token()
    world.secrets.add(token)
    got = await world.client.get(world.url(), Authorization=f"Bearer {token}")
    assert got.status == 200
    (entry,) = world.arcgis.journal.to("City")
    assert entry.credential != "bearer"
    assert token not in str(entry)


async def test_without_a_login_nothing_is_asked_upstream(door: Door) -> None:
    world = await door()
    got = await world.client.get(world.url())
    assert is_quiet(got)
    assert "sign in" in got.json["error"]["message"]
    assert not [entry for entry in world.arcgis.journal if "City" in entry.path]
    (line,) = await logged(world, 1)
    assert (line["outcome"], line["user"]) == ("user", "")
    assert "no login came" in line["note"]


def forged(login: LoginService) -> dict[str, str]:
    """Tokens that must open nothing, each with what the log says."""
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "admin", "exp": now + 300}
    public = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signing = by_hand({"alg": "HS256", "kid": "k1"}, good).rpartition(".")[0]
    mac = base64.urlsafe_b64encode(hmac.digest(public, signing.encode(), hashlib.sha256)).rstrip(b"=").decode()
    evil = {"jku": "http://127.0.0.1:1/keys", "x5u": "http://127.0.0.1:1/x", "jwk": jwk(NEW), "kid": "k1"}
    return {
        login.token(exp=now - 61): "(exp)",
        login.token(exp=None): "malformed",
        login.token(nbf=now + 90): "(nbf)",
        login.token(iat=now + 90): "(iat)",
        login.token(aud="other"): "(aud)",
        login.token(iss="https://login.example.com/realms/other"): "(iss)",
        login.token(key=NEW): "the signature is not the key's",
        jwt.encode(good, NEW, "RS256", evil): "the signature is not the key's",
        login.token(key=NEW, kid="k9"): "(kid)",
        f"{signing}.{mac}": "algorithm",
        by_hand({"alg": "none", "kid": "k1"}, good): "algorithm",
        by_hand({"alg": "none"}, good, b""): "is none",
        by_hand({"alg": "RS256", "kid": "k1", "crit": ["exp"]}, good): "malformed",
        jwt.encode(good, RSA, "RS256", {"kid": "k1", "typ": "logout+jwt"}): "(typ)",
        login.token(preferred_username="an\u202ena"): "no name",
        "not-a-token": "is none",
        "A" * 17_000: "too long",
    }


async def test_forged_and_ended_tokens_are_all_refused_alike(door: Door, login: LoginService) -> None:
    world = await door()
    tokens = forged(login)
    answers = set()
    for token in tokens:
        got = await with_token(world, token)
        assert is_quiet(got)
        error = got.json["error"]
        answers.add((error["message"], *error["details"][:-1]))  # the last one is the request id
    assert len(answers) == 1
    for line, why in zip(await logged(world, len(tokens)), tokens.values(), strict=True):
        assert (line["user"], line["status"]) == ("", 403)
        assert why in line["note"]
    assert not [entry for entry in world.arcgis.journal if "City" in entry.path]
    assert login.asked == ["/certs"]


async def test_the_clocks_may_differ_by_a_minute(door: Door, login: LoginService) -> None:
    world = await door()
    now = int(time.time())
    for token in (login.token(exp=now - 30), login.token(nbf=now + 30, iat=now + 30)):
        assert (await with_token(world, token)).status == 200


@pytest.mark.parametrize(
    ("users", "payload", "status"),
    [
        (["anna"], {}, 200),
        (["group:editors"], {"groups": ["editors"]}, 200),
        (["group:editors"], {"roles": ["editors"]}, 200),
        (["bert"], {}, 403),
        (["group:editors"], {"preferred_username": "editors"}, 403),
        (["user:anna"], {"preferred_username": "bert", "groups": ["anna"]}, 403),
    ],
)
async def test_a_rule_is_for_those_it_names(
    door: Door, login: LoginService, users: list[str], payload: dict[str, Any], status: int
) -> None:
    world = await door(users)
    got = await with_token(world, login.token(**payload))
    assert got.status == status
    if status == 403:
        assert is_quiet(got)
        (line,) = await logged(world, 1)
        assert line["user"] == payload.get("preferred_username", "anna")


async def test_where_a_rule_is_for_anyone_a_login_that_has_ended_does_no_harm(door: Door, login: LoginService) -> None:
    world = await door(None)
    got = await with_token(world, login.token(exp=1))
    assert got.status == 200
    assert login.asked == []
    assert (await logged(world, 1))[0]["user"] == ""


async def test_rest_info_is_for_users_as_the_rest_is(door: Door, login: LoginService) -> None:
    world = await door()
    assert is_quiet(await world.client.get(f"{world.arcgis.url}/rest/info?f=json"))
    world.secrets.add(token := login.token())
    got = await world.client.get(f"{world.arcgis.url}/rest/info?f=json", Cookie=f"session={token}")
    assert got.json["authInfo"] == {"isTokenBasedSecurity": False}


# --- pages ---------------------------------------------------------------------------------------------------------
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


async def test_a_page_that_is_not_listed_gets_no_cookies(door: Door) -> None:
    world = await door()
    for method in ("GET", "OPTIONS"):
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
        assert got.status == status
        assert status == 200 or is_quiet(got)
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


# --- forwarded -----------------------------------------------------------------------------------------------------
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
    assert [line["user"] for line in await logged(world, 3)] == ["anna", "bert", ""]


async def test_whoever_is_no_trusted_proxy_names_nobody(door: Door) -> None:
    world = await door("required", NAMED, {"server": {"trustedProxies": ["10.0.0.0/8"]}})
    headers = {"X-Forwarded-User": "anna", "X-Forwarded-For": "10.0.0.7"}
    assert is_quiet(await world.client.get(world.url(), **headers))
    (line,) = await logged(world, 1)
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


# --- the keys ------------------------------------------------------------------------------------------------------
class Clocked:
    """The front door with a clock of the test's own, in front of a real login service."""

    def __init__(self, login: LoginService) -> None:
        self.came_back = asyncio.Event()
        self.now, self.said, self.transport = 0.0, list[str](), UpstreamTransport(set)
        self.policy = JwtUsers(ISSUER, AUDIENCE, parse_url(login.url), Route(reach=Reach.LOOPBACK), "session")
        self.users = Users(Fetch(self.transport), lambda: self.now, time.time, observe=self.tell)

    def tell(self, event: str, url: str, why: str) -> None:
        self.said.append(f"{event}: {why}")
        if len(self.said) == 3:
            self.came_back.set()

    async def name(self, token: str) -> str:
        headers = {"cookie": f"session={token}"}
        incoming = Incoming("GET", "/proxy", None, headers, "", None)
        user = await self.users.identify(self.policy, incoming)
        assert user is not None
        return user.name


@pytest.fixture
async def clocked(login: LoginService) -> AsyncIterator[Clocked]:
    made = Clocked(login)
    yield made
    await made.users.close()
    await made.transport.close()


async def test_keys_are_rotated_in_and_out(clocked: Clocked, login: LoginService) -> None:
    assert await clocked.name(login.token()) == "anna"
    login.keys = jwks(jwk(RSA), jwk(NEW, "k2"))
    with pytest.raises(NotAllowed):  # asked a moment ago: whoever makes names up cannot make us ask
        await clocked.name(login.token(key=NEW, kid="k2"))
    clocked.now = 31
    assert await clocked.name(login.token(key=NEW, kid="k2")) == "anna"
    assert await clocked.name(login.token()) == "anna"
    login.keys, clocked.now = jwks(jwk(NEW, "k2")), 4000
    assert await clocked.name(login.token(key=NEW, kid="k2")) == "anna"
    with pytest.raises(NotAllowed):
        await clocked.name(login.token())
    assert len(login.asked) == 3


async def test_the_last_keys_serve_while_the_service_is_gone(clocked: Clocked, login: LoginService) -> None:
    assert await clocked.name(login.token()) == "anna"
    await login.runner.cleanup()
    clocked.now = 4000
    assert await clocked.name(login.token()) == "anna"
    with pytest.raises(NotAllowed):
        await clocked.name(login.token(key=NEW, kid="k2"))
    await login.start()
    clocked.now = 5000
    assert await clocked.name(login.token()) == "anna"
    await asyncio.wait_for(clocked.came_back.wait(), 5)  # nobody waited for a service that was known to be down
    assert [event.partition(":")[0] for event in clocked.said] == ["available", "unavailable", "available"]


@pytest.mark.parametrize(
    ("status", "keys"), [(200, b" " * 300_000), (200, b"<html>"), (302, jwks(jwk(RSA))), (500, b"")]
)
async def test_what_is_no_key_set_opens_nothing(
    clocked: Clocked, login: LoginService, status: int, keys: bytes
) -> None:
    login.status, login.keys = status, keys
    with pytest.raises(TokenUnavailable):
        await clocked.name(login.token())
    assert len(clocked.said) == 1


async def test_a_login_service_that_is_down_is_no_refusal(door: Door, login: LoginService) -> None:
    await login.runner.cleanup()
    world = await door()
    got = await with_token(world, login.token())
    assert got.status == 503
    assert int(got.headers["retry-after"]) >= 1
    assert (await logged(world, 1))[0]["outcome"] == "keys_unavailable"


# --- what changes, and what lies beside -----------------------------------------------------------------------------
async def test_answers_for_users_are_private_without_a_credential_too(door: Door, login: LoginService) -> None:
    world = await door(credential=None)
    got = await with_token(world, login.token(), "Public/City/MapServer?f=json")
    assert got.status == 200
    assert got.headers["cache-control"].startswith("private")


async def test_rest_info_is_for_anyone_where_one_rule_is(build: Build, login: LoginService, arcgis: Any) -> None:
    document = config(arcgis.url)
    site = document["serverUrls"][0]["url"]
    document["users"] = {"source": "jwt", "issuer": ISSUER, "audience": AUDIENCE, "jwksUrl": login.url}
    for rules in (["Secure", "Public"], ["Public", "Secure"]):
        document["serverUrls"] = [
            {"url": f"{site}/{name}", "credential": "city", **({"users": "required"} if name == "Secure" else {})}
            for name in rules
        ]
        world = await build(document)
        assert (await world.client.get(f"{arcgis.url}/rest/info?f=json")).status == 200
        assert is_quiet(await world.client.get(world.url()))


async def test_a_reload_keeps_the_keys_of_the_service_that_stays(door: Door, login: LoginService) -> None:
    world = await door()
    token = login.token()
    running = world.service.current.runtime.configuration
    assert isinstance(running.users, JwtUsers)
    assert running.users.route in routes(running)  # whose connections stay
    other = replace(running, users=replace(running.users, keys=parse_url(f"{login.url}/other")))
    for configuration in (running, running, other, running):
        await world.service.apply(configuration)
        assert (await with_token(world, token)).status == 200
    assert login.asked == ["/certs", "/certs/other", "/certs"]

"""Who is signed in with a token of the login service, on real sockets."""

import base64
import hashlib
import hmac
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from tests.live.conftest import Build, config
from tests.live.users.conftest import AUDIENCE, ISSUER, NEW, RSA, Door, LoginService, is_quiet, with_token
from tests.unit.users.issuer import by_hand, jwk


async def test_a_login_in_a_cookie_opens_pictures_too(door: Door, login: LoginService) -> None:
    world = await door(userHeader="X-Map-User")
    token = login.token(preferred_username="J\u00f6rg")
    picture = "Secure/City/MapServer/export?bbox=0,0,1,1&size=10,10&format=png&f=image"
    for path in ("Secure/City/MapServer?f=json", picture):
        got = await with_token(world, token, path)
        assert got.status == 200, path
        assert got.headers["cache-control"].startswith("private"), path
        assert got.headers["vary"] == "cookie, authorization, Origin", path
    assert got.body.startswith(b"\x89PNG")
    assert login.asked == ["/certs"]
    for entry in world.arcgis.journal.to("City"):
        assert "cookie" not in entry.headers
        assert token not in str(entry)
        assert entry.headers["x-map-user"] == "J%C3%B6rg"
    assert [line["user"] for line in await world.logged("request", 2)] == ["J\u00f6rg"] * 2


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
    (line,) = await world.logged("request")
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
    for line, why in zip(await world.logged("request", len(tokens)), tokens.values(), strict=True):
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
        (line,) = await world.logged("request")
        assert line["user"] == payload.get("preferred_username", "anna")


async def test_where_a_rule_is_for_anyone_a_login_that_has_ended_does_no_harm(door: Door, login: LoginService) -> None:
    world = await door(None)
    got = await with_token(world, login.token(exp=1))
    assert got.status == 200
    assert login.asked == []
    assert (await world.logged("request"))[0]["user"] == ""


async def test_rest_info_is_for_users_as_the_rest_is(door: Door, login: LoginService) -> None:
    world = await door()
    assert is_quiet(await world.client.get(f"{world.arcgis.url}/rest/info?f=json"))
    world.secrets.add(token := login.token())
    got = await world.client.get(f"{world.arcgis.url}/rest/info?f=json", Cookie=f"session={token}")
    assert got.json["authInfo"] == {"isTokenBasedSecurity": False}


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

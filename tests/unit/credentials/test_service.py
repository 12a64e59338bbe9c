"""proxy.credentials.service: what every credential that becomes tokens asks, and hears, in the same way."""

import asyncio
import html
import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, quote, quote_plus

import pytest

from proxy.core.target import parse_url
from proxy.credentials.binding import is_online
from proxy.credentials.discover import Discovery
from proxy.credentials.service import TokenService, binding
from proxy.errors import (
    CredentialMisconfigured,
    CredentialRefused,
    NotAllowed,
    ProxyError,
    TokenRejected,
    TokenUnavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from proxy.identity import HttpLogin, Identity, Route, Scheme
from proxy.secret import Secret
from proxy.traffic import Answer
from proxy.urls import Scope
from tests.unit.credentials.sites import error, issued, reply
from tests.unit.credentials.world import PASSWORD, REFERER, Tokens, World, audience, server
from tests.unit.fetcher import WALL

PORTAL = server("https://portal.example.com/portal")
GENERATE = f"{PORTAL}/sharing/rest/generateToken"
ENDPOINT = parse_url("https://gis.example.com/arcgis/tokens/generateToken")


async def test_a_form_is_encoded_whatever_is_in_it() -> None:
    world = World({ENDPOINT.url: issued()})
    odd = 'a b&c=d+e%41"\\é\u5730\r\n;'
    await world.service().post(ENDPOINT, {"username": odd}, {"password": Secret(odd)}, referer="")
    (call,) = world.calls
    assert call.form == {"f": "json", "username": odd, "password": odd, "expiration": "60"}
    assert parse_qs(call.body.decode("ascii"))["password"] == [odd]
    assert call.target.query is None
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "referer" not in call.headers


async def test_each_place_is_reached_by_its_own_route() -> None:
    routes = {"gis.example.com": Route(max_connections=1), "portal.example.com": Route(max_connections=2)}
    world = World({ENDPOINT.url: issued(), GENERATE: issued()})
    service = TokenService(
        world, Discovery(world, world.clock), world.clock, world.wall_clock, lambda t: routes[t.origin.host], 60
    )
    await service.post(ENDPOINT, {}, {}, referer=REFERER)
    await service.exchange(PORTAL, audience(), None)
    assert {call.target.origin.host for call in world.calls} == routes.keys()
    assert all(call.route == routes[call.target.origin.host] for call in world.calls)


@pytest.mark.parametrize(
    ("failure", "raised", "slug"),
    [
        (UpstreamFailed("The server could not be reached.", slug="unreachable"), TokenUnavailable, "unreachable"),
        (UpstreamTimeout("The server did not answer in time."), UpstreamTimeout, "upstream_timeout"),
        (NotAllowed("The address …", "List it.", slug="address"), CredentialMisconfigured, "address"),
        (NotAllowed("The server denies …", slug="denied"), CredentialMisconfigured, "denied"),
        (CredentialRefused("The web server refuses …"), CredentialRefused, "credential_refused"),
        (CredentialMisconfigured("The web server offers …"), CredentialMisconfigured, "credential_misconfigured"),
    ],
)
async def test_a_question_that_finds_nobody(failure: ProxyError, raised: type[ProxyError], slug: str) -> None:
    world = World({ENDPOINT.url: failure})
    with pytest.raises(raised) as caught:
        await world.service().post(ENDPOINT, {}, {"password": Secret(PASSWORD)}, referer="")
    assert (type(caught.value), caught.value.slug) == (raised, slug)
    if raised is TokenUnavailable:
        assert caught.value.message == "The token service could not be reached."
        assert caught.value.retry_after == 1
    if slug == "denied":
        assert "denies" in caught.value.message


@pytest.mark.parametrize(
    ("document", "seconds"),
    [
        ({"token": "t", "expires": int((WALL + 1800) * 1000)}, 1800),
        ({"token": "t", "expires": int((WALL + 9999) * 1000)}, 3660),
        ({"token": "t"}, 3600),
        ({"access_token": "t", "expires_in": 60}, 60),
        ({"token": "t", "expires": str(int((WALL + 1800) * 1000)), "ssl": True}, 1800),
    ],
)
def test_a_token_lives_as_long_as_its_service_says(document: object, seconds: float) -> None:
    world = World(now=7.0)
    world_wall_is_later = reply(document)
    token = replace(world.service(), wall_clock=lambda: WALL).read(world_wall_is_later, audience(), None)
    assert token.obtained_at == 7.0
    assert token.expires_at == pytest.approx(7.0 + seconds)
    assert token.audience == audience()


@pytest.mark.parametrize("held", [None, "portal token"])
async def test_an_exchange_that_is_refused_speaks_of_the_server_and_not_of_the_login(held: str | None) -> None:
    world = World({GENERATE: reply(error(400, "No such server."))})
    token = await Tokens(held).get(audience(str(PORTAL))) if held else None
    with pytest.raises(CredentialMisconfigured) as caught:
        await world.service().exchange(PORTAL, audience(), token)
    assert caught.value.slug == "not_federated"
    assert caught.value.message.startswith("The portal gives no token for this server.")
    assert ("token" in world.calls[-1].form) is (held is not None)


async def test_a_rejected_token_is_the_callers_to_drop() -> None:
    world = World({GENERATE: reply(error(498, "Invalid token."))})
    with pytest.raises(TokenRejected):
        await world.service().exchange(PORTAL, audience(), await Tokens("old").get(audience()))


async def test_a_portal_that_is_down_is_asked_for_nothing_more() -> None:
    down = UpstreamFailed("The server could not be reached.", slug="unreachable")
    world = World({f"{PORTAL}/rest/info": down, GENERATE: issued()})
    with pytest.raises(TokenUnavailable) as caught:
        await world.service().exchange(PORTAL, audience(), None)
    assert caught.value.slug == "unreachable"
    assert world.to("generateToken") == []


async def test_arcgis_onlines_token_is_used_as_it_is_and_lives_no_longer() -> None:
    world = World()
    online, tokens = server("https://www.arcgis.com"), Tokens("online")
    there = audience("https://services.arcgis.com/Org1")
    token = await world.service().through_portal(online, there, tokens)
    assert (token.value, token.audience) == (Secret("online"), there)
    assert (token.obtained_at, token.expires_at) == (0.0, 3600.0)
    assert world.calls == []


async def test_a_chain_of_two_at_most() -> None:
    world = World({GENERATE: reply(error(498))})
    tokens = Tokens("one", "two", "three")
    with pytest.raises(TokenUnavailable) as caught:
        await world.service().through_portal(PORTAL, audience(), tokens)
    assert caught.value.retry_after == 30
    assert len(tokens.asked) == len(tokens.rejected) == 2


def test_a_token_is_bound_to_the_referer_or_to_our_address() -> None:
    assert binding(audience(referer="https://a/")) == {"client": "referer", "referer": "https://a/"}
    assert binding(audience(referer="")) == {"client": "requestip"}


@pytest.mark.parametrize(
    ("url", "is_so"),
    [
        ("https://www.arcgis.com/", True),
        ("https://arcgis.com/", True),
        ("https://services1.ARCGIS.com/", True),
        ("http://www.arcgis.com/", False),
        ("https://notarcgis.com/", False),
        ("https://arcgis.com.example/", False),
        ("https://arcgis.com.evil.example/", False),
        ("https://www-arcgis.com/", False),
    ],
)
def test_what_is_arcgis_online(url: str, is_so: bool) -> None:
    assert is_online(parse_url(url).origin) is is_so


SECRETS = [
    *("simple-canary", PASSWORD, 'with "quotes" \\ canary'),
    *("<canary>&amp;", "canary\u2028\U0001f5fa", "caf\xe9 canary"),
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("is_ascii", [True, False])
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_what_a_service_says_with_the_secret_in_it_is_not_repeated(secret: str, is_ascii: bool, status: int) -> None:
    body = json.dumps(error(400, f"No: {secret}!", [secret]), ensure_ascii=is_ascii).encode()
    with pytest.raises(ProxyError) as caught:
        World().service().read(Answer(status, {}, body), audience(), Secret(secret))
    said = caught.value.message + "".join(caught.value.details)
    assert "canary" not in said
    assert "p+w" not in said


def _lower(form: str) -> str:
    return re.sub("%..", lambda match: match[0].lower(), form)


ECHOES: dict[str, Callable[[str], str]] = {
    "percent": quote_plus,
    "percent, lower case": lambda text: _lower(quote_plus(text)),  # .NET's UrlEncode
    "percent twice": lambda text: quote(quote_plus(text)),
    "percent twice, lower case": lambda text: _lower(quote(_lower(quote_plus(text)))),
    "HTML": html.escape,
    "HTML by numbers": lambda text: "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text),
    "HTML by hexadecimal numbers": lambda text: "".join(c if c.isalnum() else f"&#x{ord(c):X};" for c in text),
    "Basic": lambda text: b64encode(f"u:{text}".encode()).decode(),
    "JSON in JSON": lambda text: json.dumps(text).replace("/", "\\/"),
}


@pytest.mark.parametrize("form", ECHOES)
@pytest.mark.parametrize("kind", ["sent", "header", "login"])
def test_no_secret_is_repeated_in_another_form(form: str, kind: str) -> None:
    secret = "p&ss/W ord+canary%é'x"
    endpoint = parse_url("https://portal.example.com/t")
    login = HttpLogin(Scheme.BASIC, "u", Secret(secret if kind == "login" else "another"))
    headers = (("x-api-key", Secret(secret if kind == "header" else "another")),)
    identity = Identity("city", Scope("https", "portal.example.com"), headers, login)
    service = replace(World().service(), routes=lambda target: Route(identity=identity if target == endpoint else None))
    words = ECHOES[form](secret)
    sent = Secret(secret if kind == "sent" else "other-secret")
    answer = reply(error(400, f"Bad login with {words}"))
    for body in (answer.body, answer.body.replace(b"/", b"\\/")):
        with pytest.raises(ProxyError) as caught:
            service.read(Answer(200, {}, body), audience(), sent, at=endpoint)
        assert words[:8] not in caught.value.message + "".join(caught.value.details)


@pytest.mark.parametrize("body", ["p\xe9s", '{"error": {"code": 400, "message": "No: p\xe9s"}}'])
def test_a_short_one_in_an_old_charset_is_not_either(body: str) -> None:
    for charset in ("latin-1", "utf-8"):
        with pytest.raises(ProxyError) as caught:
            World().service().read(Answer(200, {}, body.encode(charset)), audience(), Secret("p\xe9s"))
        assert "No:" not in caught.value.message, charset


def test_what_it_says_without_the_secret_is() -> None:
    with pytest.raises(CredentialRefused, match="Unable to generate token"):
        World().service().read(reply(error(400, "Unable to generate token.")), audience(), Secret(PASSWORD))


async def test_fifty_questions_at_once_are_fifty_answers() -> None:
    world = World({ENDPOINT.url: lambda call: issued(call.form["n"])})
    service = world.service()
    answers = await asyncio.gather(*(service.post(ENDPOINT, {"n": str(n)}, {}, referer="") for n in range(50)))
    assert [service.read(each, audience(), None).value for each in answers] == [Secret(str(n)) for n in range(50)]

"""proxy.credentials.oauth: an app's login, in Esri's words and not in those of RFC 6749."""

from dataclasses import replace

import pytest

from proxy.errors import (
    CredentialMisconfigured,
    CredentialRefused,
    ProxyError,
    TokenUnavailable,
)
from proxy.secret import Secret
from proxy.traffic import Answer
from proxy.urls import Scope
from tests.unit.credentials.logins import APP_TOKEN, EXCHANGE, OAUTH, PORTAL, SECRET, app
from tests.unit.credentials.sites import SITE, error, issued, reply
from tests.unit.credentials.world import NO_TOKENS, REFERER, Script, Tokens, World, audience, server

ONLINE = "https://www.arcgis.com"
ONLINE_OAUTH = f"{ONLINE}/sharing/rest/oauth2"


def said(seconds: object = 7200, token: str = "app-token-1") -> Answer:
    return reply({"access_token": token, "expires_in": seconds})


@pytest.mark.parametrize("end", ["", "/", "//"])
async def test_the_form_goes_to_the_base_with_token_appended(end: str) -> None:
    world = World({APP_TOKEN: said()})
    token = await app(world, OAUTH + end).fetch(audience(PORTAL), NO_TOKENS)
    (call,) = world.calls
    assert (call.method, call.target.url) == ("POST", APP_TOKEN)  # nothing of it in the URL
    assert call.form == {
        "f": "json",
        "client_id": "client 1",
        "client_secret": SECRET,
        "grant_type": "client_credentials",
        "expiration": "120",
    }
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert call.headers["referer"] == REFERER
    assert token.value == Secret("app-token-1")
    assert token.audience == audience(PORTAL)
    assert token.is_renewable


@pytest.mark.parametrize(
    ("seconds", "asked", "life"),
    [
        (7200, 120, 7200),
        (1800, 120, 1800),
        (1800.5, 120, 1800.5),
        (90, 120, 90),  # seconds, though 120 were minutes
        (1_209_600, 120, 7200),  # never longer than asked for
        (None, 120, 7200),
        ("1800", 120, 7200),
        (0, 120, 7200),
        (-1, 120, 7200),
        (True, 120, 7200),
        (float("nan"), 120, 7200),
        (10**400, 120, 7200),
        (7200, 1, 60),
    ],
)
async def test_expires_in_is_seconds_and_expiration_minutes(seconds: object, asked: int, life: float) -> None:
    world = World({APP_TOKEN: said(seconds)}, now=50.0)
    token = await app(world, expiration=asked).fetch(audience(PORTAL), NO_TOKENS)
    assert token.expires_at - token.obtained_at == pytest.approx(life)


# The bodies of the wire reference, §1.6 (ArcGIS REST JS)
INVALID_ID = {
    "error": {
        "code": 400,
        "error": "invalid_client_id",
        "error_description": "Invalid client_id",
        "message": "Invalid client_id",
        "details": [],
    }
}
INVALID_SECRET = {
    "error": {
        "code": 400,
        "error": "invalid_request",
        "error_description": "Invalid client_secret",
        "message": "Invalid client_secret",
        "details": [],
    }
}


@pytest.mark.parametrize(
    ("body", "words"), [(INVALID_ID, "Invalid client_id"), (INVALID_SECRET, "Invalid client_secret")]
)
async def test_what_arcgis_says_of_a_wrong_app_is_a_refusal_in_its_words(body: object, words: str) -> None:
    world = World({APP_TOKEN: reply(body)})
    with pytest.raises(CredentialRefused) as caught:
        await app(world).fetch(audience(PORTAL), NO_TOKENS)
    assert caught.value.message == (
        f"The token service refuses the proxy's client id or client secret. It says: {words}"
    )
    assert "proxy.yaml" in caught.value.details[0]
    assert len(world.calls) == 1


@pytest.mark.parametrize(
    ("script", "raised"),
    [
        (reply(INVALID_ID, 400), CredentialRefused),
        (reply({"error": "invalid_client", "error_description": "no"}, 401), CredentialRefused),  # RFC 6749's own
        (reply(error(498)), CredentialRefused),
        (reply(error(499)), CredentialRefused),
        (reply({"access_token": ""}), TokenUnavailable),
        (reply({"access_token": "two words"}), TokenUnavailable),
        (reply({"access_token": ["a" * 20]}), TokenUnavailable),
        (reply({"access_token": "a" * 20}, 500), TokenUnavailable),
        (Answer(200, {}, b"a" * 64), TokenUnavailable),  # text is no token here
        (Answer(404, {}, b""), TokenUnavailable),
    ],
)
async def test_what_such_a_service_says_has_one_meaning(script: Script, raised: type[ProxyError]) -> None:
    world = World({APP_TOKEN: script})
    with pytest.raises(raised) as caught:
        await app(world).fetch(audience(PORTAL), NO_TOKENS)
    assert type(caught.value) is raised
    assert len(world.calls) == 1
    assert "canary" not in str(caught.value.args) + str(caught.value.details)


@pytest.mark.parametrize("echo", [SECRET, "canary+s3cret%2B%26%3D%C3%A9", "canary%20s3cret%2B%26%3D%C3%A9"])
@pytest.mark.parametrize("where", ["message", "details"])
async def test_a_secret_that_the_service_repeats_is_not_passed_on(echo: str, where: str) -> None:
    world = World({APP_TOKEN: reply(error(400, **{"message": "No.", where: f"Invalid: {echo}"}))})
    with pytest.raises(CredentialRefused) as caught:
        await app(world).fetch(audience(PORTAL), NO_TOKENS)
    assert "canary" not in caught.value.message + "".join(caught.value.details)


async def test_a_federated_servers_token_is_exchanged_for_the_apps() -> None:
    world = World({EXCHANGE: issued("server-token")})
    tokens = Tokens("app-token-1")
    token = await app(world).fetch(audience(SITE), tokens)
    assert token.value == Secret("server-token")
    assert token.audience == audience(SITE)
    assert tokens.asked == [audience(PORTAL)]  # the store has the app's own token: it is not logged in twice
    form = world.calls[-1].form
    assert (form["token"], form["serverUrl"], form["request"]) == ("app-token-1", SITE, "getToken")
    assert (form["client"], form["referer"], form["expiration"]) == ("referer", REFERER, "120")
    assert "client_secret" not in form
    assert world.to("oauth2/token") == []


@pytest.mark.parametrize(
    "named",
    [
        "https://evil.example/sharing/rest/generateToken",
        "http://portal.example.com/portal/sharing/rest/generateToken",
        "https://portal.example.com:7443/portal/sharing/rest/generateToken",
        "https://portal.example.com.evil.example/generateToken",
        "https://portal.example.com@evil.example/generateToken",
        "//evil.example/generateToken",
    ],
)
async def test_a_portal_that_names_a_foreign_token_service_is_not_followed_there(named: str) -> None:
    info = reply(
        {"currentVersion": 11, "authInfo": {"tokenServicesUrl": named}, "owningSystemUrl": "https://evil.example"}
    )
    world = World(
        {f"{PORTAL}/sharing/rest/info": info, f"{PORTAL}/rest/info": info, EXCHANGE: issued(), named: issued()}
    )
    await app(world).fetch(audience(SITE), Tokens("app-token-1"))
    assert {str(call.target.origin) for call in world.calls} == {"https://portal.example.com"}


async def test_what_the_server_says_of_its_own_portal_does_not_move_the_secret() -> None:
    """The portal is the operator's word; a server's `rest/info` is a hint at best."""
    info = reply({"currentVersion": 11, "owningSystemUrl": "https://evil.example/portal"})
    world = World({f"{SITE}/rest/info": info, EXCHANGE: issued(), APP_TOKEN: said()})
    await app(world).fetch(audience(SITE), Tokens("app-token-1"))
    await app(world).fetch(audience(PORTAL), NO_TOKENS)
    assert {str(call.target.origin) for call in world.calls} == {"https://portal.example.com"}


@pytest.mark.parametrize(
    "url",
    ["https://services.arcgis.com/Org1", "https://tiles.arcgis.com/tiles/Org1", "https://city.maps.arcgis.com", ONLINE],
)
async def test_arcgis_onlines_servers_take_its_token_as_it_is(url: str) -> None:
    world = World({f"{ONLINE_OAUTH}/token": said()})
    token = await app(world, ONLINE_OAUTH, ONLINE).fetch(audience(url), NO_TOKENS)
    assert token.value == Secret("app-token-1")
    assert token.audience == audience(url)
    assert [call.target.path for call in world.calls] == ["/sharing/rest/oauth2/token"]


@pytest.mark.parametrize(
    "url", ["https://evilarcgis.com/x", "https://arcgis.com.evil.example/x", "http://services.arcgis.com/x", SITE]
)
async def test_what_only_sounds_like_arcgis_online_gets_no_token_of_it(url: str) -> None:
    world = World({f"{ONLINE}/sharing/rest/generateToken": issued("exchanged")})
    tokens = Tokens("app-token-1")
    origin = server(url).origin
    online = app(world, ONLINE_OAUTH, ONLINE)
    listed = replace(online.credential, scopes=(Scope(origin.scheme, origin.host),))
    token = await replace(online, credential=listed).fetch(audience(url), tokens)
    assert token.value == Secret("exchanged")
    assert {str(call.target.origin) for call in world.calls} == {ONLINE}


def test_the_printed_provider_shows_no_secret_and_its_fingerprint_every_change() -> None:
    world = World()
    one = app(world)
    assert "canary" not in repr(one) + one.fingerprint()
    others = [
        app(world, expiration=121),
        app(world, endpoint=f"{OAUTH}2"),
        app(world, portal="https://portal.example.com/other"),
        app(world, secret="another"),
    ]
    assert len({one.fingerprint(), *(other.fingerprint() for other in others)}) == 5
    assert app(World()).fingerprint() == one.fingerprint()


@pytest.mark.parametrize("answer", [Answer(302, {"location": "https://h/"}, b""), Answer(404, {}, b"<html>")])
async def test_an_apps_own_setting_is_named(answer: Answer) -> None:
    world = World({APP_TOKEN: answer})
    with pytest.raises((CredentialMisconfigured, TokenUnavailable)) as caught:
        await app(world).fetch(audience(PORTAL), NO_TOKENS)
    assert "oauth2Endpoint" in caught.value.details[0]

"""proxy.credentials.arcgis: where a password goes, what is sent there, and where it never goes."""

import pytest

from proxy.errors import CredentialMisconfigured, CredentialRefused, ProxyError, TokenUnavailable, UpstreamFailed
from proxy.secret import Secret
from proxy.traffic import Answer
from tests.unit.credentials.sites import (
    GENERATE,
    INFO,
    PORTAL,
    PORTAL_GENERATE,
    PORTAL_INFO,
    SITE,
    error,
    federated,
    info,
    issued,
    reply,
)
from tests.unit.credentials.world import NO_TOKENS, PASSWORD, REFERER, Script, Tokens, World, audience
from tests.unit.fetcher import WALL


async def test_the_form_says_everything_once_and_encodes_it() -> None:
    world = World({INFO: info(), GENERATE: issued()})
    token = await world.provider(expiration=90).fetch(audience(), NO_TOKENS)
    (call,) = world.to("generateToken")
    assert (call.method, call.target.query) == ("POST", None)  # nothing of it in the URL
    assert call.headers["content-type"] == "application/x-www-form-urlencoded"
    assert call.headers["referer"] == REFERER
    assert call.timeout == 15
    assert call.form == {
        "f": "json",
        "username": "DOMAIN\\web map",
        "password": PASSWORD,
        "client": "referer",
        "referer": REFERER,
        "expiration": "90",
    }
    assert b"p%2Bw%2541%26%3D%23%C3%A9" in call.body
    assert token.value == Secret("issued-token")
    assert token.audience == audience()


@pytest.mark.parametrize(
    ("named", "asked"),
    [
        (f"{SITE}/tokens", ["/arcgis/tokens/generateToken"]),
        (f"{SITE}/tokens/", ["/arcgis/tokens/generateToken"]),
        (f"{SITE}/tokens/generateToken", ["/arcgis/tokens/generateToken"]),
        (f"{SITE}/security/tokens", ["/arcgis/security/tokens/generateToken"]),
        ("https://GIS.example.com:443/koop/rest/generateToken", ["/koop/rest/generateToken"]),
        (f"{SITE}/tokens/?f=html", ["/arcgis/tokens/generateToken"]),
    ],
)
async def test_the_token_service_is_the_one_the_server_names(named: str, asked: list[str]) -> None:
    world = World({INFO: info(named), **{f"https://gis.example.com{path}": issued() for path in asked}})
    await world.provider().fetch(audience(), NO_TOKENS)
    assert [call.target.path for call in world.calls if call.method == "POST"] == asked
    assert all(call.target.query is None for call in world.calls if call.method == "POST")


async def test_a_configured_token_service_is_asked_as_it_stands_and_nothing_is_discovered() -> None:
    world = World({"https://other.example.com/login/generateToken": issued()})
    provider = world.provider(token_service="https://other.example.com/login/generateToken")
    await provider.fetch(audience(), NO_TOKENS)
    assert [call.target.url for call in world.calls] == ["https://other.example.com/login/generateToken"]


@pytest.mark.parametrize("found", ["/tokens/generateToken", "/security/tokens/generateToken"])
async def test_a_server_that_names_none_is_asked_where_such_services_stand(found: str) -> None:
    world = World({SITE + found: issued()})
    await world.provider().fetch(audience(), NO_TOKENS)
    assert world.calls[-1].target.path == f"/arcgis{found}"


@pytest.mark.parametrize("status", [404, 405])
async def test_a_server_before_10_0_gives_its_token_as_text(status: int) -> None:
    world = World({INFO: info(), GENERATE: Answer(status, {}, b""), f"{SITE}/tokens": Answer(200, {}, b"a" * 64)})
    token = await world.provider().fetch(audience(), NO_TOKENS)
    assert token.value == Secret("a" * 64)
    form = world.calls[-1].form
    assert (form["request"], form["clientid"], form["password"]) == ("getToken", f"ref.{REFERER}", PASSWORD)


@pytest.mark.parametrize(
    "named",
    [
        "https://evil.example/tokens/",
        "http://gis.example.com/arcgis/tokens/",  # a step down
        "https://gis.example.com:6443/arcgis/tokens/",
        "https://gis.example.com.evil.example/arcgis/tokens/",
    ],
)
async def test_a_token_service_on_another_origin_gets_no_password(named: str) -> None:
    world = World({INFO: info(named), named: issued(), f"{named}generateToken": issued()})
    with pytest.raises(CredentialMisconfigured) as caught:
        await world.provider().fetch(audience(), NO_TOKENS)
    assert [call.method for call in world.calls] == ["GET"]
    assert "tokenServiceUri" in caught.value.details[0]
    assert "/tokens" not in caught.value.message  # the host alone


async def test_a_portal_on_another_origin_gets_no_password_either() -> None:
    world = World({INFO: federated("https://evil.example/portal")})
    with pytest.raises(CredentialMisconfigured, match=r"evil\.example") as caught:
        await world.provider().fetch(audience(), Tokens("portal token"))
    assert "portalUrl" in caught.value.details[0]
    assert [call.method for call in world.calls] == ["GET"]


async def test_the_configured_portals_origin_is_believed() -> None:
    world = World({INFO: info("https://p.example.com/portal/tokens"), "https://p.example.com/portal/tokens": issued()})
    await world.provider(portal="https://p.example.com/portal").fetch(audience(), NO_TOKENS)
    assert world.calls[-1].target.origin.host == "p.example.com"


async def test_a_federated_servers_token_is_exchanged_for_the_portals() -> None:
    world = World({INFO: federated(), PORTAL_INFO: info(PORTAL_GENERATE), PORTAL_GENERATE: issued("server-token")})
    tokens = Tokens("portal token & co")
    token = await world.provider().fetch(audience(), tokens)
    assert token.value == Secret("server-token")
    assert tokens.asked == [audience(PORTAL)]
    form = world.calls[-1].form
    assert (form["token"], form["serverUrl"], form["request"]) == ("portal token & co", SITE, "getToken")
    assert (form["client"], form["referer"]) == ("referer", REFERER)
    assert "password" not in form


async def test_a_portal_logs_in_with_the_password() -> None:
    world = World({PORTAL_INFO: info(PORTAL_GENERATE, owningSystemUrl=PORTAL), PORTAL_GENERATE: issued()})
    await world.provider().fetch(audience(PORTAL), NO_TOKENS)
    assert world.calls[-1].form["password"] == PASSWORD


async def test_a_configured_portal_stands_in_where_the_server_says_nothing() -> None:
    world = World({PORTAL_GENERATE: issued()})
    tokens = Tokens("portal token")
    await world.provider(portal=PORTAL).fetch(audience(), tokens)
    assert tokens.asked == [audience(PORTAL)]
    assert world.calls[-1].form["token"] == "portal token"


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        (reply(error(401, "Unauthorized", "Invalid credentials")), CredentialRefused),
        (reply(error(498)), CredentialRefused),  # of a login there is no token to drop
        (reply(error(405, details="HTTP GET is disabled")), CredentialMisconfigured),
    ],
)
async def test_what_such_a_service_says_has_one_meaning(said: Script, raised: type[ProxyError]) -> None:
    world = World({INFO: info(), GENERATE: said})
    with pytest.raises(raised) as caught:
        await world.provider().fetch(audience(), NO_TOKENS)
    assert type(caught.value) is raised
    assert len(world.to("generateToken")) == 1
    assert PASSWORD not in str(caught.value.args) + str(caught.value.details)


async def test_a_server_that_is_down_is_a_503_and_no_password_is_sent() -> None:
    world = World({INFO: UpstreamFailed("refused"), GENERATE: issued()})
    with pytest.raises(TokenUnavailable) as caught:
        await world.provider().fetch(audience(), NO_TOKENS)
    assert caught.value.retry_after == 1
    assert world.to("generateToken") == []


@pytest.mark.parametrize(
    "echo",
    [
        f"Wrong: {PASSWORD}",
        "x" * 195 + PASSWORD,  # what is cut off must not leave a part
        "Wrong: p%2Bw%2541%26%3D%23%C3%A9",
        "Wrong: p+w%41&amp;=#é",
    ],
)
@pytest.mark.parametrize("where", ["message", "details", "messages"])
async def test_a_password_that_the_service_repeats_is_not_passed_on(echo: str, where: str) -> None:
    body: dict[str, object] = {"status": "error", "messages": [echo]}
    if where != "messages":
        body = error(401, **{"message": "No.", where: echo})
    world = World({INFO: info(), GENERATE: reply(body)})
    with pytest.raises(ProxyError) as caught:
        await world.provider().fetch(audience(), NO_TOKENS)
    said = caught.value.message + "".join(caught.value.details)
    assert "p+w" not in said
    assert "p%2Bw" not in said


async def test_a_portal_token_that_the_exchange_repeats_is_not_passed_on() -> None:
    world = World({INFO: federated(), PORTAL_GENERATE: reply(error(400, "No: portal-token-1"))})
    with pytest.raises(CredentialMisconfigured) as caught:
        await world.provider().fetch(audience(), Tokens("portal-token-1"))
    assert "portal-token-1" not in caught.value.message


async def test_the_end_counts_by_the_services_own_clock_where_the_two_disagree() -> None:
    an_hour_behind = "Tue, 14 Nov 2023 21:13:20 GMT"
    expires = int((WALL - 3600 + 1800) * 1000)  # half an hour by its clock, past by ours
    world = World({INFO: info(), GENERATE: reply({"token": "t", "expires": expires}, headers={"date": an_hour_behind})})
    world.now = 50.0
    token = await world.provider().fetch(audience(), NO_TOKENS)
    assert (token.obtained_at, token.expires_at) == (50.0, 50.0 + 1800)


async def test_a_text_token_lives_as_long_as_the_server_says_of_its_short_ones() -> None:
    known = reply({"authInfo": {"tokenServicesUrl": f"{SITE}/tokens", "shortLivedTokenValidity": 20}})
    world = World({INFO: known, f"{SITE}/tokens": Answer(200, {}, b"a" * 64)})
    assert (await world.provider().fetch(audience(), NO_TOKENS)).expires_at == 20 * 60


def test_the_printed_provider_shows_no_password() -> None:
    assert PASSWORD not in repr(World().provider())


def test_the_fingerprint_changes_with_what_a_token_depends_on() -> None:
    world = World()
    same, other = world.provider(), world.provider(expiration=61)
    assert same.fingerprint() == world.provider().fingerprint() != other.fingerprint()

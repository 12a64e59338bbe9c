"""proxy.credentials.exchange: a server's token from a portal whose web server has let us in."""

import pytest

from proxy.credentials.exchange import ExchangeProvider
from proxy.errors import (
    CredentialMisconfigured,
    CredentialRefused,
    ProxyError,
)
from proxy.identity import ExchangeCredential, HttpLogin, Identity, Route, Scheme
from proxy.secret import Secret
from proxy.urls import Scope
from tests.unit.credentials.logins import EXCHANGE, PORTAL, exchange
from tests.unit.credentials.sites import SITE, error, issued, reply
from tests.unit.credentials.world import NO_TOKENS, PASSWORD, REFERER, SCOPES, Script, Tokens, World, audience, server


async def test_the_server_is_named_and_no_token_is_sent() -> None:
    world = World({EXCHANGE: issued("server-token")})
    token = await exchange(world).fetch(audience(SITE), NO_TOKENS)
    assert (token.value, token.audience) == (Secret("server-token"), audience(SITE))
    call = world.calls[-1]
    assert (call.method, call.target.url) == ("POST", EXCHANGE)
    assert call.form == {
        "f": "json",
        "serverUrl": SITE,
        "request": "getToken",
        "client": "referer",
        "referer": REFERER,
        "expiration": "60",
    }
    assert call.headers["referer"] == REFERER


async def test_no_store_is_asked_for_a_portals_token() -> None:
    tokens = Tokens("portal token")
    await exchange(World({EXCHANGE: issued()})).fetch(audience(SITE), tokens)
    assert (tokens.asked, tokens.rejected) == ([], [])


@pytest.mark.parametrize("code", [498, 499, "498"])
async def test_a_portal_that_wants_a_token_did_not_know_us(code: object) -> None:
    world = World({EXCHANGE: reply(error(code, "Invalid token."))})
    with pytest.raises(CredentialMisconfigured) as caught:
        await exchange(world).fetch(audience(SITE), NO_TOKENS)
    assert "its web server did not do the login" in caught.value.message
    assert "type arcgis" in caught.value.details[0]
    assert len(world.to("generateToken")) == 1


@pytest.mark.parametrize(
    ("script", "raised"),
    [
        (reply(error(400, "Server not found.")), CredentialMisconfigured),
        (reply(error(403, "No.")), CredentialMisconfigured),
        (CredentialRefused("The web server refuses the proxy's user name or password."), CredentialRefused),
        (CredentialMisconfigured("The web server does not take Basic."), CredentialMisconfigured),
    ],
)
async def test_what_such_a_service_says_has_one_meaning(script: Script, raised: type[ProxyError]) -> None:
    world = World({EXCHANGE: script})
    with pytest.raises(raised) as caught:
        await exchange(world).fetch(audience(SITE), NO_TOKENS)
    assert type(caught.value) is raised
    assert len(world.to("generateToken")) == 1


@pytest.mark.parametrize(
    "named", ["https://evil.example/generateToken", "http://portal.example.com/portal/sharing/rest/generateToken"]
)
async def test_the_login_is_made_at_the_portal_whatever_it_names(named: str) -> None:
    info = reply({"currentVersion": 11, "authInfo": {"tokenServicesUrl": named}})
    world = World({f"{PORTAL}/sharing/rest/info": info, EXCHANGE: issued(), named: issued()})
    await exchange(world).fetch(audience(SITE), NO_TOKENS)
    assert world.calls[-1].target.url == EXCHANGE
    assert {str(call.target.origin) for call in world.calls} == {"https://portal.example.com"}


async def test_a_token_service_on_the_portals_own_origin_is_believed_but_for_its_query() -> None:
    named = f"{PORTAL}/sharing/generateToken"
    info = reply({"currentVersion": 11, "authInfo": {"tokenServicesUrl": f"{named}?a=b"}})
    world = World({f"{PORTAL}/sharing/rest/info": info, named: issued()})
    await exchange(world).fetch(audience(SITE), NO_TOKENS)
    assert world.calls[-1].target.url == named


def test_the_fingerprint_changes_with_the_login_that_stands_in_the_route() -> None:
    def of(password: str = PASSWORD, header: str = "key", portal: str = PORTAL) -> str:
        login = HttpLogin(Scheme.NTLM, "webmap", Secret(password), "CITY")
        identity = Identity("city", Scope("https", "portal.example.com"), (("x-key", Secret(header)),), login)
        credential = ExchangeCredential("city", server(portal), service_route=Route(identity=identity), scopes=SCOPES)
        shown = ExchangeProvider(credential, World().service())
        assert PASSWORD not in repr(shown) + shown.fingerprint()
        return shown.fingerprint()

    assert of() == of()
    assert len({of(), of(password="another"), of(header="another"), of(portal=f"{PORTAL}2")}) == 4

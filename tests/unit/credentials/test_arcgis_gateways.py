"""Sites behind a login of their own, or that only a client names: who is given a password, and who is not."""

from dataclasses import replace

import pytest

from proxy.credentials.store import TokenStore
from proxy.errors import CredentialMisconfigured
from proxy.secret import Secret
from proxy.traffic import Answer
from tests.unit.credentials.sites import GENERATE, INFO, SITE, error, info, issued, reply
from tests.unit.credentials.world import NO_TOKENS, PASSWORD, Tokens, World, audience


@pytest.mark.parametrize(
    ("offered", "advised"),
    [("Basic realm=x, NTLM, Negotiate", "negotiate"), ('Basic realm=x, Digest nonce="a"', "digest"), ("ntlm", "ntlm")],
)
async def test_a_web_server_that_asks_for_a_login_gets_the_strongest_that_it_offers(offered: str, advised: str) -> None:
    world = World({INFO: Answer(401, {"www-authenticate": offered}, b"")})
    with pytest.raises(CredentialMisconfigured) as caught:
        await world.provider().fetch(audience(), NO_TOKENS)
    assert caught.value.slug == "web_login"
    assert caught.value.details == (f"Set the type of the credential to {advised}.",)
    assert len(world.calls) == 1  # and no password


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("headers", [{}, {"www-authenticate": 'ApiKey realm="gateway"'}])
async def test_a_gateway_that_says_nothing_gets_no_password_on_a_guess(status: int, headers: dict[str, str]) -> None:
    closed = Answer(status, headers, b'{"message": "Access denied"}')
    world = World({INFO: closed, f"{SITE}/sharing/rest/info": closed, f"{SITE}/services": closed})
    with pytest.raises(CredentialMisconfigured) as caught:
        await world.provider().fetch(audience(), NO_TOKENS)
    assert f"HTTP status {status}" in caught.value.message
    assert "does it want headers?" in caught.value.message
    assert "tokenServiceUri" in caught.value.details[0]
    assert {call.method for call in world.calls} == {"GET"}


async def test_a_gateway_is_asked_again_after_a_minute() -> None:
    world = World({INFO: [Answer(403, {}, b""), info(GENERATE)], GENERATE: issued()})
    provider = world.provider()
    with pytest.raises(CredentialMisconfigured):
        await provider.fetch(audience(), NO_TOKENS)
    world.now = 61.0
    assert (await provider.fetch(audience(), NO_TOKENS)).value == Secret("issued-token")


async def test_a_url_that_the_server_does_not_know_gets_no_password() -> None:
    lost = reply(error(400, "Invalid URL", ["Invalid URL"]))
    world = World({INFO: lost, f"{SITE}/sharing/rest/info": lost, f"{SITE}/tokens/generateToken": lost})
    with pytest.raises(CredentialMisconfigured) as caught:
        await world.provider().fetch(audience(), NO_TOKENS)
    assert caught.value.slug == "wrong_url"
    assert caught.value.details[0].startswith("Check the url")
    assert world.to("generateToken") == []


async def test_a_login_in_front_of_the_portal_is_said_with_what_to_write() -> None:
    portal = "https://portal.example.com/portal"
    world = World({INFO: info(None, owningSystemUrl=portal)})
    challenged = Answer(401, {"www-authenticate": 'Basic realm="x"'}, b"")
    world.scripts |= {f"{portal}/rest/info": challenged, f"{portal}/sharing/rest/info": challenged}
    store = TokenStore(world.clock, lambda: 0.5)
    store.replace_providers({"city": world.provider(portal=portal)})
    for _ in range(2):  # said, and said again
        with pytest.raises(CredentialMisconfigured) as caught:
            await store.get(audience())
        assert "in front of the portal asks for a login" in caught.value.message
        assert caught.value.details[0] == "Set the type of the credential to basic."
        assert f"portalUrl to {portal}" in caught.value.details[1]
    assert world.to("generateToken") == []


@pytest.mark.parametrize("portal", [None, "https://portal.example.com/portal"])
async def test_no_password_goes_to_a_site_that_only_a_client_names(portal: str | None) -> None:
    """Else /~mallory/tokens/generateToken on the listed host would get it."""
    world = World()
    tokens = Tokens("portal-token")
    with pytest.raises(CredentialMisconfigured) as caught:
        await world.provider(portal=portal).fetch(
            replace(audience("https://gis.example.com/~mallory"), is_guess=True), tokens
        )
    assert caught.value.slug == "no_site"
    assert (world.to("generateToken"), tokens.asked) == ([], [])
    assert not any(PASSWORD.encode() in call.body or b"password" in call.body for call in world.calls)


async def test_a_site_that_a_client_names_and_that_says_so_is_one() -> None:
    world = World({INFO: info(GENERATE), GENERATE: issued()})
    token = await world.provider().fetch(replace(audience(), is_guess=True), NO_TOKENS)
    assert token.value == Secret("issued-token")

"""What every credential that becomes tokens does alike: a login (arcgis, oauth) and an exchange at a portal."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from proxy.errors import (
    CredentialMisconfigured,
    NotAllowed,
    ProxyError,
    TokenUnavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from proxy.ports import TokenProvider
from proxy.secret import Secret
from proxy.traffic import Answer
from tests.unit.credentials.logins import APP_TOKEN, EXCHANGE, PORTAL, SECRET, app, exchange
from tests.unit.credentials.sites import GENERATE, SITE, error, issued, reply
from tests.unit.credentials.world import NO_TOKENS, PASSWORD, Script, Tokens, World, audience


@dataclass(frozen=True, slots=True)
class Kind:
    """How a provider is made, for which site it is asked, and where it asks."""

    make: Callable[[World], TokenProvider]
    site: str
    endpoint: str


LOGINS = {
    "arcgis": Kind(lambda world: world.provider(token_service=GENERATE), SITE, GENERATE),
    "oauth": Kind(app, PORTAL, APP_TOKEN),
    "exchange": Kind(exchange, SITE, EXCHANGE),
}
THROUGH_A_PORTAL: dict[str, Callable[[World], TokenProvider]] = {
    "arcgis": lambda world: world.provider(portal=PORTAL),
    "oauth": app,
}


@pytest.mark.parametrize("kind", LOGINS.values(), ids=LOGINS)
@pytest.mark.parametrize(
    ("script", "raised"),
    [
        (reply(error(500)), TokenUnavailable),
        (reply([]), TokenUnavailable),
        (Answer(200, {}, b"<html>Could not access any server machines.</html>"), TokenUnavailable),
        (Answer(500, {}, b""), TokenUnavailable),
        (Answer(302, {"location": "https://sso.example.com/"}, b""), CredentialMisconfigured),
        (NotAllowed("no", slug="address"), CredentialMisconfigured),
        (UpstreamFailed("The server could not be reached."), TokenUnavailable),
        (UpstreamTimeout("slow"), UpstreamTimeout),
    ],
)
async def test_each_answer_has_its_one_meaning_and_is_asked_for_once(
    kind: Kind, script: Script, raised: type[ProxyError]
) -> None:
    world = World({kind.endpoint: script})
    with pytest.raises(raised) as caught:
        await kind.make(world).fetch(audience(kind.site), NO_TOKENS)
    assert type(caught.value) is raised
    assert [call.target.url for call in world.calls if call.form] == [kind.endpoint]  # an exchange is discovered first
    said = str(caught.value.args) + str(caught.value.details)
    assert PASSWORD not in said
    assert SECRET not in said


@pytest.mark.parametrize("make", THROUGH_A_PORTAL.values(), ids=THROUGH_A_PORTAL)
async def test_a_portal_token_that_ended_is_dropped_and_the_exchange_tried_once_more(
    make: Callable[[World], TokenProvider],
) -> None:
    world = World({EXCHANGE: [reply(error(498, "Invalid token.")), issued("server-token")]})
    tokens = Tokens("old", "new")
    assert (await make(world).fetch(audience(SITE), tokens)).value == Secret("server-token")
    assert [token.value for token in tokens.rejected] == [Secret("old")]
    assert [call.form["token"] for call in world.to("generateToken")] == ["old", "new"]


@pytest.mark.parametrize("make", THROUGH_A_PORTAL.values(), ids=THROUGH_A_PORTAL)
async def test_a_portal_that_rejects_its_own_tokens_is_not_asked_for_ever(
    make: Callable[[World], TokenProvider],
) -> None:
    world, tokens = World({EXCHANGE: reply(error(498))}), Tokens("old", "new")
    with pytest.raises(TokenUnavailable):
        await make(world).fetch(audience(SITE), tokens)
    assert len(tokens.rejected) == len(world.to("generateToken")) == 2


@pytest.mark.parametrize("make", [*THROUGH_A_PORTAL.values(), LOGINS["exchange"].make])
async def test_a_server_that_is_not_the_portals_is_said_to_be_so(make: Callable[[World], TokenProvider]) -> None:
    world = World({EXCHANGE: reply(error(400, "Server not federated."))})
    with pytest.raises(CredentialMisconfigured) as caught:
        await make(world).fetch(audience(SITE), Tokens("portal-token"))
    assert caught.value.slug == "not_federated"
    assert "Server not federated." in caught.value.message
    assert "federated" in caught.value.details[0]


@pytest.mark.parametrize("make", [LOGINS["arcgis"].make, LOGINS["exchange"].make])
async def test_without_a_referer_the_token_is_bound_to_the_asking_address(
    make: Callable[[World], TokenProvider],
) -> None:
    world = World({GENERATE: issued(), EXCHANGE: issued()})
    await make(world).fetch(audience(SITE, referer=""), NO_TOKENS)
    (call,) = world.to("generateToken")
    assert call.form["client"] == "requestip"
    assert "referer" not in call.form.keys() | call.headers.keys()

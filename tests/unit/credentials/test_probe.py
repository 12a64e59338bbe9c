"""proxy.credentials.probe: whether a server hears header tokens, learned on a rule's own URL."""

from typing import Any

import pytest

from proxy.credentials.probe import Probe
from proxy.errors import NotAllowed, UpstreamFailed, UpstreamTimeout
from proxy.identity import Place
from proxy.secret import Secret
from proxy.traffic import Answer, Token
from tests.unit.core.rules import rule
from tests.unit.credentials.sites import error, reply
from tests.unit.credentials.world import REFERER, Script, World, audience

SECURE = "https://gis.example.com/arcgis/rest/services/Secure"


def token(site: str = "https://gis.example.com/arcgis", referer: str = REFERER) -> Token:
    return Token(Secret("canary-token"), audience(site, referer), 0.0, 3600.0)


async def tried(
    script: Script, url: str = SECURE, held: Token | None = None, **more: Any
) -> tuple[Place | None, World]:
    world = World({SECURE: script})
    more.setdefault("referer", REFERER)
    return await Probe(world).try_rule(rule(url, **more), held or token()), world


@pytest.mark.parametrize(
    ("said", "place"),
    [
        (reply({"services": []}), Place.HEADER),
        (reply(error(499, "Token Required")), Place.QUERY),
        (reply(error(499), status=499), Place.QUERY),
        (Answer(499, {}, b""), Place.QUERY),
        (reply(error(498)), None),
        (reply(error(403)), None),
        (Answer(200, {}, b"<html>Sign in</html>"), None),
        (Answer(302, {"location": "https://sso.example.com/"}, b""), None),
        (Answer(500, {}, b""), None),
        (UpstreamFailed("refused"), None),
        (UpstreamTimeout("slow"), None),
        (NotAllowed("no", slug="address"), None),
    ],
)
async def test_an_answer_tells_where_the_token_is_heard(said: Script, place: Place | None) -> None:
    learned, world = await tried(said)
    assert learned is place
    assert len(world.calls) == 1


async def test_it_asks_as_inject_auto_does_and_not_for_long() -> None:
    _, world = await tried(reply({}))
    (call,) = world.calls
    assert (call.method, call.target.url, call.timeout) == ("GET", f"{SECURE}?f=json", 5.0)
    assert call.headers["x-esri-authorization"] == "Bearer canary-token"
    assert call.headers["referer"] == REFERER


@pytest.mark.parametrize(
    ("url", "held", "more"),
    [
        ("https://other.example.com/arcgis/rest/services", token(), {}),
        ("https://gis.example.com:6443/arcgis/rest/services", token(), {}),
        ("https://gis.example.com/other/rest/services", token(), {}),
        (SECURE, token("https://gis.example.com/portal"), {}),  # a portal's token is none for its servers
        (SECURE, token(referer="https://else.example.com/"), {}),
        (SECURE, token(), {"referer": ""}),
    ],
)
async def test_a_token_is_shown_to_no_site_but_its_own(url: str, held: Token, more: dict[str, Any]) -> None:
    learned, world = await tried(reply({}), url, held, **more)
    assert learned is None
    assert world.calls == []


async def test_a_rule_for_both_schemes_is_asked_where_the_token_is_from() -> None:
    learned, world = await tried(reply({}), SECURE.removeprefix("https:"))
    assert learned is Place.HEADER
    assert world.calls[0].target.origin.scheme == "https"

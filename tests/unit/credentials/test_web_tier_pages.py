"""A login that is good, at pages that are not for it: they are told from a password that was changed."""

import asyncio

import pytest

from proxy.credentials.web_tier import WebTier
from proxy.errors import ProxyError
from proxy.identity import Route
from tests.unit.credentials.places import KEY, route
from tests.unit.credentials.site import Site
from tests.unit.credentials.wire import Wire, outgoing
from tests.until import until


def site_of(site: Site) -> tuple[Wire, WebTier]:
    wire = Wire(site)
    return wire, WebTier(wire, lambda: site.now)


async def ask(tier: WebTier, path: str, where: Route | None = None) -> str:
    """ "200", or the slug of what was raised."""
    try:
        reply = await tier.send(outgoing(f"https://gis.example.com{path}", route=where or route(x_api_key=KEY)))
    except ProxyError as error:
        return error.slug
    return str(reply.status)


async def test_what_the_login_may_not_see_stops_nothing_else() -> None:
    """Else anybody who knows one such page could keep the rule down with three requests a minute."""
    wire, tier = site_of(Site())
    assert await ask(tier, "/map") == "200"
    for n in range(10):
        assert await ask(tier, f"/forbidden/{n}?x=1") == "denied"
        assert await ask(tier, "/map") == "200"
    assert tier.snapshot()[0]["state"] == "good"
    assert all(sent.headers["x-api-key"] == KEY for sent in wire.sent)
    assert len(wire.closed) == len(wire.replies) - 11  # those that were passed on


async def test_a_page_that_was_denied_is_not_asked_for_again_at_once() -> None:
    site = Site()
    wire, tier = site_of(site)
    await ask(tier, "/map")
    assert await ask(tier, "/forbidden?f=json") == "denied"
    tries = len(wire.sent)
    for _ in range(3):
        assert await ask(tier, "/forbidden?f=html") == "denied"
    assert len(wire.sent) == tries
    site.now, site.forbidden = 61.0, "/nothing"
    assert await ask(tier, "/forbidden?f=json") == "200"


async def test_a_changed_password_is_found_out_with_one_more_try() -> None:
    site = Site()
    _, tier = site_of(site)
    for path in ("/map", "/other"):
        await ask(tier, path)
    site.password = "changed"
    outcomes = [await ask(tier, path) for path in ("/third", "/map", "/other", "/fourth")]
    assert outcomes == ["credential_refused"] * 4
    assert site.wrong == 2
    assert tier.snapshot()[0]["state"] == "held off"


async def test_a_page_for_everybody_does_not_show_that_the_password_is_right() -> None:
    site = Site()
    _, tier = site_of(site)
    for path in ("/public/a", "/public/b", "/public/c", "/public/d", "/public/e"):
        await ask(tier, path)
    for path in ("/map", "/other"):
        await ask(tier, path)
    site.password = "changed"
    outcomes = [await ask(tier, f"/{n}") for n in range(10)]
    assert outcomes == ["credential_refused"] * 10
    assert site.wrong <= 3


async def test_one_page_over_and_over_says_nothing_about_the_others() -> None:
    """Nor where there is none to ask again, since all the others are for everybody."""
    wire, tier = site_of(Site())
    await ask(tier, "/public")
    for _ in range(10):
        assert await ask(tier, "/forbidden/MapServer") == "credential_refused"
    assert [sent.target.path for sent in wire.sent if sent.authorization] == ["/public", "/forbidden/MapServer"]
    assert await ask(tier, "/public") == "200"


async def test_while_it_is_found_out_nobody_else_tries() -> None:
    site = Site()
    wire, tier = site_of(site)
    await ask(tier, "/map")
    site.password = "changed"
    wire.go = asyncio.Event()
    sent = len(wire.sent)
    first = [asyncio.ensure_future(ask(tier, f"/{n}")) for n in range(3)]  # these are on their way before it is known
    await until(lambda: len(wire.sent) == sent + 3)
    wire.go.set()
    for _ in range(50):
        if site.wrong < 3:
            await asyncio.sleep(0)
    wire.go.clear()  # nobody knows yet: it is being asked
    later = [asyncio.ensure_future(ask(tier, "/later")) for _ in range(20)]
    await asyncio.sleep(0.01)
    wire.go.set()
    assert set(await asyncio.gather(*first, *later)) == {"credential_refused"}
    assert "/later" not in [sent.target.path for sent in wire.sent]
    assert site.wrong == 4
    assert tier.snapshot()[0]["state"] == "held off"


async def test_many_that_are_denied_together_are_one_question() -> None:
    site = Site()
    wire, tier = site_of(site)
    await ask(tier, "/map")
    wire.go = asyncio.Event()
    sent = len(wire.sent)
    asking = [asyncio.ensure_future(ask(tier, f"/forbidden/{n}")) for n in range(20)]
    await until(lambda: len(wire.sent) == sent + 20)
    wire.go.set()
    assert set(await asyncio.gather(*asking)) == {"denied"}
    assert [sent.target.path for sent in wire.sent].count("/map") == 1 + 2  # without the login, and with it


@pytest.mark.parametrize("is_down", ["/map", "/"])
async def test_a_server_in_trouble_says_nothing_about_the_login(is_down: str) -> None:
    site = Site()
    _, tier = site_of(site)
    await ask(tier, "/map")
    site.is_down = is_down
    assert await ask(tier, "/forbidden") == ("credential_refused" if is_down == "/map" else "503")
    assert tier.snapshot()[0]["state"] == "good"

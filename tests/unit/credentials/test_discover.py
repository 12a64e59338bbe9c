"""proxy.credentials.discover: what a server says of its tokens, asked once, believed while it holds."""

import asyncio

import pytest

from proxy.core.target import parse_url
from proxy.credentials.discover import Discovery, ServerInfo
from proxy.errors import UpstreamFailed, UpstreamTimeout
from proxy.identity import Route
from proxy.traffic import Answer
from tests.unit.credentials.sites import reply
from tests.unit.credentials.world import Script, World, server
from tests.unit.fetcher import Call

SITE = server("https://gis.example.com/arcgis")
INFO = f"{SITE}/rest/info"
PORTAL_INFO = f"{SITE}/sharing/rest/info"
KNOWN = reply(
    {
        "currentVersion": 10.61,
        "fullVersion": "10.6.1",
        "owningSystemUrl": "https://gis.example.com/portal/",
        "authInfo": {
            "isTokenBasedSecurity": True,
            "tokenServicesUrl": f"{SITE}/tokens/",
            "shortLivedTokenValidity": 120,
        },
    }
)
HTML = Answer(200, {}, b"<html>Sign in</html>")
DOWN = Answer(503, {}, b"<html>Service Unavailable</html>")


def discovery(script: Script | None = None, **more: Script) -> tuple[World, Discovery]:
    world = World({INFO: script, **more} if script is not None else {})
    return world, Discovery(world, world.clock)


async def test_what_the_server_says_is_read() -> None:
    _, discover = discovery(KNOWN)
    assert await discover.info(SITE, Route()) == ServerInfo(
        current_version=10.61,
        full_version="10.6.1",
        token_services=parse_url(f"{SITE}/tokens/"),
        owning_system=server("https://gis.example.com/portal"),
        short_validity=7200.0,
        is_token_based=True,
    )


@pytest.mark.parametrize(
    "document",
    [
        {"authInfo": {"tokenServiceUrl": f"{SITE}/t"}},
        {"tokenServiceUrl": f"{SITE}/t"},
        {"authInfo": None, "tokenServiceUrl": f"{SITE}/t"},
    ],
)
async def test_the_token_service_has_more_than_one_name(document: object) -> None:
    _, discover = discovery(reply(document))
    assert (await discover.info(SITE, Route())).token_services == parse_url(f"{SITE}/t")


@pytest.mark.parametrize(
    "document",
    [
        {"currentVersion": "11", "fullVersion": 11, "owningSystemUrl": 5, "authInfo": []},
        {"currentVersion": True, "authInfo": {"tokenServicesUrl": "javascript:alert(1)"}},
        {"currentVersion": 10**400, "authInfo": {"shortLivedTokenValidity": 10**400}},
        {"currentVersion": float("nan"), "authInfo": {"shortLivedTokenValidity": float("inf")}},
        {"currentVersion": -1, "authInfo": {"shortLivedTokenValidity": -1, "tokenServicesUrl": "/tokens"}},
        {"fullVersion": "1" * 65, "authInfo": {"tokenServicesUrl": "https://user:pass@gis.example.com/"}},
    ],
)
async def test_odd_values_say_nothing(document: object) -> None:
    _, discover = discovery(reply(document))
    assert await discover.info(SITE, Route()) == ServerInfo()


async def test_a_portal_says_it_in_its_own_place() -> None:
    world, discover = discovery(Answer(404, {}, b""), **{PORTAL_INFO: reply({"tokenServiceUrl": f"{SITE}/t"})})
    assert (await discover.info(SITE, Route())).token_services == parse_url(f"{SITE}/t")
    assert [call.target.query for call in world.calls] == ["f=json", "f=json"]


async def test_an_answer_holds_for_an_hour() -> None:
    world, discover = discovery(KNOWN)
    for now, asked in [(0.0, 1), (3599.0, 1), (3601.0, 2)]:
        world.now = now
        await discover.info(SITE, Route())
        assert len(world.calls) == asked


@pytest.mark.parametrize("said", [HTML, Answer(404, {}, b""), reply({"error": {"code": 403}}), Answer(302, {}, b"")])
async def test_to_be_known_for_nothing_holds_for_a_minute(said: Answer) -> None:
    world, discover = discovery([said, KNOWN])
    assert await discover.info(SITE, Route()) == ServerInfo()
    world.now = 59.0
    assert await discover.info(SITE, Route()) == ServerInfo()
    world.now = 61.0
    assert (await discover.info(SITE, Route())).full_version == "10.6.1"


@pytest.mark.parametrize(
    "said", [DOWN, reply({"status": "error", "messages": ["Could not access any server machines."]})]
)
async def test_a_server_in_trouble_is_not_taken_for_one_without_a_token_service(said: Answer) -> None:
    world, discover = discovery([said, KNOWN])
    with pytest.raises(UpstreamFailed):
        await discover.info(SITE, Route())
    world.now = 3.0
    assert (await discover.info(SITE, Route())).full_version == "10.6.1"


@pytest.mark.parametrize("failure", [UpstreamFailed("refused", "It is down.", slug="refused"), UpstreamTimeout("slow")])
async def test_those_who_queue_behind_a_failure_share_it(failure: UpstreamFailed | UpstreamTimeout) -> None:
    world, discover = discovery(failure)
    asking = (discover.info(SITE, Route()) for _ in range(50))
    failures = await asyncio.gather(*asking, return_exceptions=True)
    assert len(world.calls) == 1
    assert {(type(each), each.slug, each.details) for each in failures if isinstance(each, type(failure))} == {
        (type(failure), failure.slug, failure.details)
    }
    assert len({id(each) for each in failures}) == 50  # each a value of its own: a traceback grows with each raise
    world.now = 3.0
    with pytest.raises(type(failure)):
        await discover.info(SITE, Route())
    assert len(world.calls) == 2


async def test_fifty_ask_once_and_the_first_one_leaving_leaves_the_others_an_answer() -> None:
    go = asyncio.Event()
    world = World({INFO: KNOWN}, go=go)
    discover = Discovery(world, world.clock)
    asking = [asyncio.ensure_future(discover.info(SITE, Route())) for _ in range(50)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    go.set()
    infos = await asyncio.gather(*asking[1:])
    assert {info.full_version for info in infos} == {"10.6.1"}
    assert len(world.calls) == 2  # the one that left took its question along


async def test_two_servers_do_not_wait_for_one_another() -> None:
    def by_host(call: Call) -> Answer:
        return reply({"fullVersion": call.target.origin.host})

    one, other = server("https://one.example.com/arcgis"), server("https://other.example.com/arcgis")
    world = World({f"{one}/rest/info": by_host, f"{other}/rest/info": by_host})
    discover = Discovery(world, world.clock)
    infos = await asyncio.gather(discover.info(one, Route()), discover.info(other, Route()))
    assert [info.full_version for info in infos] == ["one.example.com", "other.example.com"]

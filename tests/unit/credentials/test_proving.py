"""proxy.credentials.web_tier: on which pages a login is proven, and what several processes know together of one."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from proxy.credentials.web_tier import WebTier
from proxy.errors import ProxyError
from proxy.identity import HttpLogin, Identity, Route, Scheme
from proxy.model import Rule
from proxy.secret import Secret
from proxy.state.turns import Turns
from proxy.traffic import Reply, Topic, Word
from proxy.urls import Scope
from tests.unit.core.rules import rule
from tests.unit.credentials.places import BASIC
from tests.unit.credentials.site import Site
from tests.unit.credentials.wire import Sent, Wire, outgoing
from tests.unit.credentials.world import PASSWORD
from tests.until import until

HOST = "https://gis.example.com"
WORKERS = 3


def listed(*paths: str, login: HttpLogin = BASIC, host: str = HOST, scope: Scope | None = None) -> list[Rule]:
    """Rules on these URLs, all with one login."""
    where = scope or Scope("https", host.removeprefix("https://"))
    return [rule(f"{host}{path}", route=Route(identity=Identity("tier", where, (), login))) for path in paths]


@dataclass(slots=True)
class Proxies:
    """Several processes that tell one another, in front of one web server."""

    site: Site
    rules: list[Rule]
    count: int = 1
    tells: bool = False  # at once, as a supervisor does
    wire: Wire = field(init=False)
    tiers: list[WebTier] = field(init=False)

    def __post_init__(self) -> None:
        self.wire = Wire(self.site)
        commons = Turns(lambda: self.site.now)
        self.tiers = [
            WebTier(self.wire, lambda: self.site.now, commons=commons, rules=lambda: self.rules)
            for _ in range(self.count)
        ]
        if self.tells:
            commons.on_word = self._tell

    def _tell(self, topic: Topic, word: Word) -> None:
        for tier in self.tiers:
            tier.heard(topic, word)

    async def ask(self, path: str, worker: int = 0, host: str = HOST) -> str:
        """ "200", or the slug of what was raised."""
        try:
            reply = await self.tiers[worker % self.count].send(outgoing(f"{host}{path}", route=self.rules[0].route))
        except ProxyError as error:
            return error.slug
        return str(reply.status)

    @property
    def tried(self) -> list[str]:
        """The paths that were asked for with the login."""
        return [sent.target.path for sent in self.wire.sent if sent.authorization]

    def state(self, worker: int = 0) -> object:
        return self.tiers[worker].snapshot()[0]["state"]


async def test_a_client_that_is_first_and_asks_for_what_the_login_may_not_see_stops_nobody() -> None:
    """It need not know anything but one such page, and `Retry-After` would tell it when to be first again."""
    proxies = Proxies(Site(), listed("/arcgis/rest/services"))
    for n in range(10):
        assert await proxies.ask(f"/forbidden/{n}") == "denied"
        assert await proxies.ask("/map") == "200"
        proxies.site.now += 60.0
    assert proxies.state() == "good"


async def test_a_wrong_password_is_tried_on_the_rules_own_url_alone() -> None:
    proxies = Proxies(Site(password="another"), listed("/arcgis/rest/services"))
    assert [await proxies.ask(f"/{n}") for n in range(10)] == ["credential_refused"] * 10
    assert proxies.tried == ["/arcgis/rest/services"]
    assert proxies.wire.all_closed


async def test_an_own_url_that_is_for_everybody_says_nothing_and_the_next_is_asked() -> None:
    proxies = Proxies(Site(), listed("/public", "/arcgis/rest/services"))
    assert await proxies.ask("/forbidden") == "denied"
    assert proxies.tried[0] == "/arcgis/rest/services"


async def test_where_no_own_url_says_anything_a_clients_page_has_to() -> None:
    proxies = Proxies(Site(), listed("/public/a", "/public/b"))
    assert await proxies.ask("/map") == "200"
    assert proxies.tried == ["/map"]
    assert proxies.state() == "good"


async def test_where_no_own_url_says_anything_a_wrong_password_is_still_one_try() -> None:
    proxies = Proxies(Site(password="another"), listed("/public"))
    assert {await proxies.ask(f"/{n}") for n in range(10)} == {"credential_refused"}
    assert proxies.site.wrong == 1


async def test_an_own_url_that_is_for_everybody_is_asked_once_a_minute() -> None:
    proxies = Proxies(Site(), listed("/public", login=replace(BASIC, scheme=Scheme.DIGEST)))
    for _ in range(5):
        await proxies.ask("/public/a")
    assert [sent.target.path for sent in proxies.wire.sent].count("/public") == 1
    proxies.site.now += 60.0
    await proxies.ask("/public/a")
    assert [sent.target.path for sent in proxies.wire.sent].count("/public") == 2


async def test_each_rest_begins_with_the_next_page_for_rights_may_be_lacking_at_any() -> None:
    proxies = Proxies(Site(), listed("/forbidden/a", "/forbidden/b"))
    for rest in (60.0, 120.0):
        assert await proxies.ask("/map") == "credential_refused"
        proxies.site.now += rest
    assert await proxies.ask("/map") == "200"
    assert proxies.tried == ["/forbidden/a", "/forbidden/b", "/map"]


async def test_a_server_in_trouble_at_its_own_url_keeps_no_client_from_asking() -> None:
    proxies = Proxies(Site(is_down="/arcgis"), listed("/arcgis/rest/services"))
    assert await proxies.ask("/map") == "200"


async def test_a_page_that_proved_the_login_and_is_denied_since_proves_nothing_more() -> None:
    proxies = Proxies(Site(forbidden="/none"), listed("/arcgis"))
    assert await proxies.ask("/map") == "200"
    proxies.site.forbidden = "/arcgis"
    assert await proxies.ask("/arcgis") == "denied"
    assert await proxies.ask("/arcgis/rest") == "denied"
    assert await proxies.ask("/map") == "200"
    assert proxies.state() == "good"


async def test_a_domain_account_is_proven_where_the_file_says_and_not_where_a_client_asks() -> None:
    """The one account at all servers: what a client names under a wildcard comes last."""
    login = HttpLogin(Scheme.NTLM, "webmap", Secret(PASSWORD), "CITY")
    wild = listed("", login=login, host="https://*.example.com", scope=Scope("https", "example.com", wildcard=True))
    asked: list[str] = []

    def answer(sent: Sent) -> Reply:
        asked.append(sent.target.url)
        return Reply(200, {}, b"")

    tier = WebTier(Wire(answer), lambda: 0.0, rules=lambda: [*wild, *listed("/arcgis", login=login)])
    await tier.send(outgoing("https://other.example.com/map", route=wild[0].route))
    assert asked == [
        "https://gis.example.com/arcgis?f=json",
        "https://other.example.com/?f=json",
        "https://other.example.com/map",
    ]


async def test_other_logins_rules_are_not_asked() -> None:
    site = Site()
    other = replace(BASIC, username="somebody else")
    proxies = Proxies(site, [*listed("/mine"), *listed("/theirs", login=other)])
    await proxies.ask("/map")
    assert [sent.target.path for sent in proxies.wire.sent] == ["/mine", "/mine", "/map"]


@pytest.mark.parametrize("own", ["/arcgis/rest/services", "/public"])
async def test_a_changed_password_costs_each_process_one_try_and_one_more(own: str) -> None:
    """Whichever of them a client meets. Where no own URL tells, one page refused three times does, and it is three
    times in all."""
    proxies = Proxies(Site(), listed(own), WORKERS)
    for worker in range(WORKERS):
        assert await proxies.ask("/map", worker) == "200"
    proxies.site.password = "another"
    for n in range(30):
        assert await proxies.ask(f"/map?n={n}", n) == "credential_refused"
    assert proxies.site.wrong <= WORKERS + 1
    assert {proxies.state(worker) for worker in range(WORKERS)} == {"held off"}


async def test_a_doubt_that_one_process_took_away_troubles_no_other() -> None:
    """One page refused says nothing of the login where no other tells: it is doubted, and what passes next is known to
    all, so that two refusals here and two there are no changed password."""
    proxies = Proxies(Site(), listed("/public"), 2)
    for worker in (0, 1):
        assert await proxies.ask("/map", worker) == "200"
    for n in range(4):
        proxies.site.forbidden = "/map"
        assert [await proxies.ask("/map", n) for _ in range(2)] == ["credential_refused"] * 2
        proxies.site.forbidden = "/none"
        assert await proxies.ask("/map", n) == "200"
    assert {proxies.state(worker) for worker in (0, 1)} == {"good"}


async def test_where_one_process_proved_a_login_the_others_know() -> None:
    """Else whoever asks another for what the login may not see would have it doubted, and rest, for all."""
    proxies = Proxies(Site(), listed("/arcgis/rest/services"), WORKERS)
    for n in range(20):
        assert await proxies.ask(f"/forbidden/{n}", n) == "denied"
    assert {proxies.state(worker) for worker in range(WORKERS)} == {"good"}


async def test_a_rest_that_one_process_began_no_other_tries() -> None:
    """However many there are: one try that was refused, and one to be sure."""
    proxies = Proxies(Site(), listed("/arcgis/rest/services"), 16, tells=True)
    for worker in range(16):
        assert await proxies.ask("/map", worker) == "200"
    proxies.site.password = "another"
    for n in range(50):
        assert await proxies.ask("/map", n) == "credential_refused"
    assert proxies.site.wrong == 2


async def test_what_was_on_its_way_when_a_rest_began_does_not_end_it() -> None:
    proxies = Proxies(Site(), listed("/arcgis/rest/services"), 2, tells=True)
    for worker in (0, 1):
        assert await proxies.ask("/map", worker) == "200"
    go = proxies.wire.go = asyncio.Event()
    sent = len(proxies.wire.sent)
    late = asyncio.ensure_future(proxies.ask("/map", 1))
    await until(lambda: len(proxies.wire.sent) == sent + 1)
    proxies.site.password, proxies.wire.go = "another", None
    assert await proxies.ask("/map", 0) == "credential_refused"
    proxies.site.password = PASSWORD  # what it answers now was asked before
    go.set()
    assert await late == "200"
    assert await proxies.ask("/map", 1) == "credential_refused"

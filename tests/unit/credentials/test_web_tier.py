"""proxy.credentials.web_tier: who we are to whom, and how few wrong passwords anybody sees."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from proxy.credentials.challenges import challenged
from proxy.credentials.web_tier import WebTier
from proxy.errors import (
    CredentialMisconfigured,
    CredentialRefused,
    ProxyError,
    TokenUnavailable,
    UpstreamFailed,
    UpstreamTimeout,
)
from proxy.identity import HttpLogin, Identity, Route, Scheme
from proxy.secret import Secret
from proxy.traffic import Reply
from proxy.urls import Scope
from tests.unit.credentials.virtual import run
from tests.unit.credentials.world import PASSWORD, Sent, Wire, outgoing, read, streamed

KEY = "canary-gateway-key"
BASIC = HttpLogin(Scheme.BASIC, "web map", Secret(PASSWORD))
HERE = Scope("https", "gis.example.com")
NO = {"www-authenticate": 'Basic realm="x"'}


def route(login: HttpLogin | None = BASIC, scope: Scope = HERE, **headers: str) -> Route:
    secrets = tuple((name.replace("_", "-"), Secret(value)) for name, value in headers.items())
    return Route(identity=Identity("tier", scope, secrets, login))


@dataclass(slots=True)
class Place:
    """A web tier, a server behind it that lets in or does not, and a clock."""

    lets_in: bool = True
    status: int = 200
    says: str = NO["www-authenticate"]
    now: float = 0.0

    def __call__(self, sent: Sent) -> Reply:
        if self.lets_in:
            return Reply(self.status, {}, b"map")
        return Reply(401, {"www-authenticate": self.says} if self.says else {}, b"no")


def tier_of(place: Place) -> tuple[Wire, WebTier, list[tuple[str, str, str]]]:
    wire, events = Wire(place), list[tuple[str, str, str]]()
    return wire, WebTier(wire, lambda: place.now, lambda *event: events.append(event)), events


async def refusal(tier: WebTier, where: Route, kind: type[ProxyError] = CredentialRefused) -> ProxyError:
    with pytest.raises(kind) as caught:
        await tier.send(outgoing(route=where))
    assert type(caught.value) is kind
    return caught.value


async def test_nobody_is_nobody() -> None:
    wire, tier, events = tier_of(Place())
    sent = outgoing(body=b"x", headers={"accept": "*/*"})
    await tier.send(sent)
    assert (wire.sent[0].headers, wire.sent[0].body) == ({"accept": "*/*"}, b"x")
    assert (events, tier.snapshot()) == ([], [])


async def test_headers_go_with_every_request_and_a_401_is_for_others_to_read() -> None:
    wire, tier, events = tier_of(Place(lets_in=False))
    where = route(None, x_api_key=KEY, authorization="Gateway abc")
    for _ in range(3):
        assert (await tier.send(outgoing(route=where, headers={"accept": "*/*"}))).status == 401
    expected = {"accept": "*/*", "x-api-key": KEY, "authorization": "Gateway abc"}
    assert [sent.headers for sent in wire.sent] == [expected] * 3
    assert (events, tier.snapshot()) == ([], [])


async def test_basic_needs_no_challenge_and_sends_bodies_once() -> None:
    wire, tier, _ = tier_of(Place())
    where = route(x_api_key=KEY)
    assert await read(await tier.send(outgoing(stream=streamed(b"a", b"b"), route=where))) == b"map"
    (sent,) = wire.sent
    assert sent.body == b"ab"
    assert sent.headers["authorization"] == "Basic " + b64encode(f"web map:{PASSWORD}".encode()).decode()
    assert sent.headers["x-api-key"] == KEY


@pytest.mark.parametrize(
    "url",
    [
        "http://gis.example.com/a",  # a step down
        "https://gis.example.com:8443/a",
        "https://example.com/a",
        "https://www.gis.example.com/a",
        "https://gis.example.com.evil.example/a",
        "https://evilgis.example.com/a",
        "https://gis.example.co/a",
        "https://gis.example.com./a",
        "https://127.0.0.1/a",
    ],
)
@pytest.mark.parametrize("login", [None, *(replace(BASIC, scheme=scheme) for scheme in Scheme)])
async def test_another_origin_is_shown_nothing(login: HttpLogin | None, url: str) -> None:
    wire, tier, _ = tier_of(Place())
    with pytest.raises(CredentialMisconfigured) as caught:
        await tier.send(outgoing(url, route=route(login, x_api_key=KEY)))
    assert caught.value.slug == "foreign_credential"
    assert (wire.sent, wire.lanes) == ([], [])


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        (Scope(None, "h"), ["http://h/", "https://h/"], ["https://h:80/", "http://h:443/", "https://h:8443/"]),
        (Scope(None, "h", port=8080), ["http://h:8080/", "https://h:8080/"], ["http://h/", "https://h/"]),
        (
            Scope("https", "example.com", wildcard=True),
            ["https://a.example.com/", "https://b.example.com/"],
            ["https://example.com/", "https://a.b.example.com/", "http://a.example.com/", "https://aexample.com/"],
        ),
    ],
)
async def test_what_a_scope_covers(scope: Scope, inside: list[str], outside: list[str]) -> None:
    wire, tier, _ = tier_of(Place())
    for url in inside:
        await tier.send(outgoing(url, route=route(scope=scope)))
    for url in outside:
        with pytest.raises(CredentialMisconfigured):
            await tier.send(outgoing(url, route=route(scope=scope)))
    assert len(wire.sent) == len(inside)


async def test_only_one_of_twenty_goes_out_until_the_login_is_proven() -> None:
    wire, tier, events = tier_of(Place())
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(20)]
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(wire.sent) == 1
    wire.go.set()
    replies = await asyncio.gather(*asking)
    assert [reply.status for reply in replies] == [200] * 20
    assert events == [("obtained", "tier", "https://gis.example.com")]
    assert wire.most > 1  # the others did not queue for one another


async def test_a_proven_login_goes_with_twenty_at_once() -> None:
    wire, tier, _ = tier_of(Place())
    await tier.send(outgoing(route=route()))
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(20)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert wire.most == 20
    wire.go.set()
    await asyncio.gather(*asking)


async def test_twenty_with_a_wrong_password_are_one_try() -> None:
    wire, tier, events = tier_of(Place(lets_in=False))
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(20)]
    for _ in range(50):
        await asyncio.sleep(0)
    wire.go.set()
    failures = await asyncio.gather(*asking, return_exceptions=True)
    assert len(wire.sent) == 1
    assert {type(failure) for failure in failures} == {CredentialRefused}
    assert len({id(failure) for failure in failures}) == 20
    assert events == [("refused", "tier", "https://gis.example.com")]
    assert wire.all_closed


async def test_the_first_one_leaving_lets_the_next_one_try() -> None:
    wire, tier, _ = tier_of(Place())
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(5)]
    await asyncio.sleep(0.01)
    asking[0].cancel()
    asking[2].cancel()  # one of those who wait
    await asyncio.sleep(0.01)
    assert len(wire.sent) == 2
    wire.go.set()
    done = await asyncio.gather(*asking, return_exceptions=True)
    assert [isinstance(each, Reply) for each in done] == [False, True, False, True, True]


@pytest.mark.parametrize("error", [UpstreamFailed("reset"), UpstreamTimeout("slow"), TokenUnavailable("down")])
async def test_an_outage_is_neither_a_proof_nor_a_refusal(error: ProxyError) -> None:
    place = Place()

    def answer(sent: Sent) -> Reply:
        if len(wire.sent) <= 3:
            raise error
        return place(sent)

    wire = Wire(answer)
    tier = WebTier(wire, lambda: 0.0)
    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            await tier.send(outgoing(route=route()))
        assert caught.value is error
    assert tier.snapshot()[0]["state"] == "none"
    assert (await tier.send(outgoing(route=route()))).status == 200


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_server_in_trouble_proves_no_password(status: int) -> None:
    """A balancer whose servers start anew answers so to anybody. Were that a proof, twenty wrong passwords would go
    out at once as soon as they are up."""
    place = Place(status=status)
    wire, tier, _ = tier_of(place)
    assert (await tier.send(outgoing(route=route()))).status == status
    place.lets_in = False
    wire.sent.clear()
    await asyncio.gather(*(tier.send(outgoing(route=route())) for _ in range(20)), return_exceptions=True)
    assert len(wire.sent) == 1


def test_those_who_wait_for_a_first_login_that_hangs_are_told_in_time() -> None:
    async def main() -> None:
        wire, tier, _ = tier_of(Place())
        wire.go = asyncio.Event()
        where = replace(route(), connect_timeout=2.0, header_timeout=3.0)
        asking = [asyncio.ensure_future(tier.send(outgoing(route=where))) for _ in range(3)]
        loop = asyncio.get_running_loop()
        began = loop.time()
        failures = await asyncio.gather(*asking[1:], return_exceptions=True)
        assert {type(failure) for failure in failures} == {UpstreamTimeout}
        assert loop.time() - began == pytest.approx(5.0)
        wire.go.set()
        assert (await asking[0]).status == 200

    run(main())


async def test_a_refused_login_rests_a_minute_then_twice_as_long_up_to_an_hour() -> None:
    place = Place(lets_in=False)
    wire, tier, _ = tier_of(place)
    rests = []
    for tries in range(1, 9):
        await refusal(tier, route())
        assert len(wire.sent) == tries
        held = await refusal(tier, route())
        assert held.retry_after is not None
        rests.append(held.retry_after)
        place.now += held.retry_after - 0.1
        await refusal(tier, route())
        assert len(wire.sent) == tries  # not a moment earlier
        place.now += 0.2
    assert [round(rest) for rest in rests] == [60, 120, 240, 480, 960, 1920, 3600, 3600]


async def test_a_login_that_works_again_is_good_at_once() -> None:
    place = Place(lets_in=False)
    _, tier, events = tier_of(place)
    await refusal(tier, route())
    place.now, place.lets_in = 61.0, True
    assert (await tier.send(outgoing(route=route()))).status == 200
    assert [event for event, _, _ in events] == ["refused", "obtained"]
    place.lets_in = False
    await refusal(tier, route())
    assert (await refusal(tier, route())).retry_after is None  # it was tried, and not held off


async def test_three_refusals_in_a_row_are_a_changed_password() -> None:
    place = Place()
    wire, tier, _ = tier_of(place)
    await tier.send(outgoing(route=route()))
    place.lets_in = False
    for _ in range(10):
        await refusal(tier, route())
    assert len(wire.sent) == 4
    assert tier.snapshot()[0]["state"] == "held off"


async def test_one_service_that_is_not_for_us_does_not_end_the_login() -> None:
    place = Place()
    wire, tier, _ = tier_of(place)
    for _ in range(10):
        place.lets_in = True
        await tier.send(outgoing(route=route()))
        place.lets_in = False
        await refusal(tier, route())
        await refusal(tier, route())
    assert len(wire.sent) == 30
    assert tier.snapshot()[0]["state"] == "good"


async def test_after_one_refusal_a_proven_login_goes_alone_again() -> None:
    place = Place()
    wire, tier, _ = tier_of(place)
    await tier.send(outgoing(route=route()))
    place.lets_in = False
    await refusal(tier, route())
    failures = await asyncio.gather(*(tier.send(outgoing(route=route())) for _ in range(20)), return_exceptions=True)
    assert {type(failure) for failure in failures} == {CredentialRefused}
    assert len(wire.sent) == 1 + 3


async def test_refusals_that_come_together_are_one_refusal_and_not_an_hour() -> None:
    """The password is changed while a map's twenty pictures are under way. The rest is a minute: what was sent before
    it began says nothing new, and the operator who corrects the password should not wait an hour for the server."""
    place = Place()
    wire, tier, _ = tier_of(place)
    await tier.send(outgoing(route=route()))
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(20)]
    await asyncio.sleep(0.01)
    place.lets_in = False
    wire.go.set()
    await asyncio.gather(*asking, return_exceptions=True)
    held = await refusal(tier, route())
    assert held.retry_after == pytest.approx(60.0)


async def test_logins_and_origins_stand_each_for_itself() -> None:
    place = Place()
    wire, tier, _ = tier_of(place)
    wild = Scope("https", "example.com", wildcard=True)
    other = replace(BASIC, password=Secret("another"))
    place.lets_in = False
    with pytest.raises(CredentialRefused):
        await tier.send(outgoing("https://a.example.com/", route=route(scope=wild)))
    place.lets_in = True
    assert (await tier.send(outgoing("https://b.example.com/", route=route(scope=wild)))).status == 200
    # a corrected password is another login, and is tried at once
    assert (await tier.send(outgoing("https://a.example.com/", route=route(other, wild)))).status == 200
    with pytest.raises(CredentialRefused):
        await tier.send(outgoing("https://a.example.com/", route=route(scope=wild)))
    assert len(wire.sent) == 3
    assert len(tier.snapshot()) == 3


async def test_rules_of_one_server_share_their_login_whatever_else_differs() -> None:
    """The account locks after a few wrong passwords of anybody's."""
    wire, tier, _ = tier_of(Place(lets_in=False))
    other = Route(identity=Identity("other", Scope(None, "gis.example.com"), (), BASIC))
    for where in (route(), replace(route(), max_connections=1), replace(route(), ca_bundle="ca.pem"), other):
        await refusal(tier, where)
    await refusal(tier, route(x_api_key=KEY))
    assert len(wire.sent) == 1


WILD = Scope("https", "example.com", wildcard=True)


@pytest.mark.parametrize("scheme", [Scheme.NTLM, Scheme.NEGOTIATE])
async def test_a_domain_account_is_one_at_all_its_servers(scheme: Scheme) -> None:
    place = Place(lets_in=False, says="NTLM")
    wire, tier, _ = tier_of(place)
    login = HttpLogin(scheme, "webmap", Secret(PASSWORD), "CITY")
    with pytest.raises(CredentialRefused):
        await tier.send(outgoing("https://a.example.com/", route=route(login, WILD)))
    tries = len(wire.sent)
    for again in (login, replace(login, username="WebMap", scheme=Scheme.NTLM)):
        with pytest.raises(CredentialRefused) as caught:
            await tier.send(outgoing("https://b.example.com/", route=route(again, WILD)))
        assert caught.value.retry_after == 60.0
    assert len(wire.sent) == tries


async def test_a_machines_own_ticket_has_no_password_that_could_lock_it() -> None:
    wire, tier, _ = tier_of(Place(lets_in=False, says='Basic realm="x"'))
    ticket = HttpLogin(Scheme.NEGOTIATE, "", Secret(""))
    for host in ("a", "b"):
        with pytest.raises(CredentialMisconfigured):
            await tier.send(outgoing(f"https://{host}.example.com/", route=route(ticket, WILD)))
    assert len(wire.sent) == 2


@pytest.mark.parametrize(
    ("configured", "says", "named", "advised"),
    [
        (Scheme.BASIC, "NTLM, Negotiate", "NTLM, Negotiate", "negotiate"),
        (Scheme.BASIC, 'Digest nonce="a"', "Digest", "digest"),
        (Scheme.BASIC, "NTLM", "NTLM", "ntlm"),
        (Scheme.BASIC, 'Digest nonce="a", NTLM', "Digest, NTLM", "ntlm"),
        (Scheme.DIGEST, 'Basic realm="x"', "Basic", "basic"),
        (Scheme.DIGEST, "bAsIc realm=x, nEgOtIaTe, Bearer", "Basic, Negotiate", "negotiate"),
        (Scheme.NTLM, 'Basic realm="x", Digest nonce="a"', "Basic, Digest", "digest"),
        (Scheme.NEGOTIATE, 'Basic realm="x"', "Basic", "basic"),
    ],
)
async def test_a_scheme_that_is_not_offered_is_said_with_those_that_are_and_the_strongest_advised(
    configured: Scheme, says: str, named: str, advised: str
) -> None:
    wire, tier, _ = tier_of(Place(lets_in=False, says=says))
    error = await refusal(tier, route(replace(BASIC, scheme=configured)), CredentialMisconfigured)
    assert error.message == f"The web server does not take {configured.value}; it offers {named}."
    assert error.details[0] == f"Set the type of the credential to {advised}."
    assert error.slug == "web_login"
    tries = len(wire.sent)
    held = await refusal(tier, route(replace(BASIC, scheme=configured)), CredentialMisconfigured)
    assert (held.message, held.retry_after) == (error.message, 60.0)
    assert len(wire.sent) == tries


async def test_without_a_user_a_server_that_takes_only_ntlm_is_said_to() -> None:
    """The machine's own ticket is of no use there, and there is no user name or password that could be refused."""
    _, tier, _ = tier_of(Place(lets_in=False, says="NTLM"))
    ticket = HttpLogin(Scheme.NEGOTIATE, "", Secret(""))
    error = await refusal(tier, route(ticket), CredentialMisconfigured)
    assert "NTLM" in error.message
    assert error.slug == "web_login"


@pytest.mark.parametrize("says", ["", "Bearer", 'Basic realm="x"', "garbage;"])
async def test_what_is_offered_or_nothing_at_all_is_a_refusal(says: str) -> None:
    _, tier, _ = tier_of(Place(lets_in=False, says=says))
    error = await refusal(tier, route())
    assert "user name or password" in error.message
    assert error.slug == "credential_refused"


def reply_of(says: str) -> Reply:
    return Reply(401, {"www-authenticate": says} if says else {}, b"")


@pytest.mark.parametrize(
    ("says", "with_headers", "kind"),
    [
        ('Basic realm="x"', False, CredentialMisconfigured),
        ('Basic realm="x"', True, CredentialMisconfigured),
        ("Negotiate, NTLM", False, CredentialMisconfigured),
        ("", True, CredentialRefused),
        ("ApiKey", True, CredentialRefused),
        ("", False, type(None)),
        ('Bearer error="invalid_token"', False, type(None)),
    ],
)
def test_what_a_401_means_where_no_login_is_configured(says: str, with_headers: bool, kind: type[object]) -> None:
    error = challenged(reply_of(says), with_headers=with_headers)
    assert type(error) is kind
    if error is not None:
        assert error.details


async def test_the_status_page_shows_each_login_and_no_secret() -> None:
    place = Place()
    _, tier, _ = tier_of(place)
    await tier.send(outgoing(route=route(x_api_key=KEY)))
    place.lets_in = False
    await refusal(tier, route(replace(BASIC, username="other")))
    good, held = tier.snapshot()
    assert good == {
        "credential": "tier",
        "server": "https://gis.example.com",
        "state": "good",
        "secondsLeft": None,
        "place": "Basic",
        "problem": None,
    }
    assert held["state"] == "held off"
    assert "user name or password" in str(held["problem"])
    place.now = 61.0
    assert tier.snapshot()[1]["state"] == "none"
    shown = str(tier.snapshot())
    assert not any(secret in shown for secret in (KEY, PASSWORD, "web map"))


@pytest.mark.parametrize("scheme", Scheme)
@pytest.mark.parametrize(
    "says", [*("Negotiate", "NTLM", "Bearer", ""), f'Basic realm="{KEY} p+w"', 'Digest realm="a", nonce="b"']
)
async def test_no_message_holds_a_secret_or_the_servers_words(scheme: Scheme, says: str) -> None:
    _, tier, events = tier_of(Place(lets_in=False, says=says))
    where = route(replace(BASIC, scheme=scheme, domain="CITY"), x_api_key=KEY)
    raised: list[BaseException] = []
    for _ in range(3):
        try:
            await tier.send(outgoing(route=where))
        except ProxyError as error:
            raised.append(error)
    assert len(raised) == 3
    said = str([(error, error.args, vars(error)) for error in raised]) + str(events) + str(tier.snapshot())
    assert not any(secret in said for secret in (KEY, PASSWORD, "p+w", "web map", "CITY"))
    assert all(
        error.__context__ is None or error.__suppress_context__ or "p+w" not in str(error.__context__)
        for error in raised
    )


async def test_every_answer_that_is_not_passed_on_is_closed() -> None:
    for says in ("Negotiate", 'Basic realm="x"', 'Digest realm="a", nonce="b"', "NTLM", ""):
        for scheme in Scheme:
            wire, tier, _ = tier_of(Place(lets_in=False, says=says))
            with pytest.raises(ProxyError):
                await tier.send(outgoing(route=route(replace(BASIC, scheme=scheme))))
            assert wire.all_closed, (says, scheme)
            assert not [lane for lane in wire.lanes if lane.is_taken], (says, scheme)


@pytest.mark.parametrize("change", [lambda place: None, lambda place: setattr(place, "now", 10.0**9)])
async def test_a_login_is_proven_for_good(change: Callable[[Place], None]) -> None:
    place = Place()
    wire, tier, _ = tier_of(place)
    await tier.send(outgoing(route=route()))
    change(place)
    wire.go = asyncio.Event()
    asking = [asyncio.ensure_future(tier.send(outgoing(route=route()))) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert len(wire.sent) == 4
    wire.go.set()
    await asyncio.gather(*asking)


@dataclass(slots=True)
class Site:
    """A web server with Basic: some paths are for everybody, some not for our user."""

    password: str = PASSWORD
    public: str = "/public"
    forbidden: str = "/forbidden"
    is_down: str = "/none"
    wrong: int = 0
    now: float = 0.0

    def __call__(self, sent: Sent) -> Reply:
        path = sent.target.path
        if path.startswith(self.is_down):
            return Reply(503, {}, b"")
        if path.startswith(self.public):
            return Reply(200, {}, b"map")
        if not sent.authorization:
            return Reply(401, dict(NO), b"")
        is_right = sent.authorization == "Basic " + b64encode(f"web map:{self.password}".encode()).decode()
        self.wrong += not is_right
        return Reply(200, {}, b"map") if is_right and not path.startswith(self.forbidden) else Reply(401, dict(NO), b"")


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
    assert wire.all_closed or len(wire.closed) == len(wire.replies) - 11  # those that were passed on


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
    first = [asyncio.ensure_future(ask(tier, f"/{n}")) for n in range(3)]  # these are on their way before it is known
    await asyncio.sleep(0.01)
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
    asking = [asyncio.ensure_future(ask(tier, f"/forbidden/{n}")) for n in range(20)]
    await asyncio.sleep(0.01)
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

"""proxy.credentials.web_tier: who we are to whom, and how few wrong passwords anybody sees."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

import pytest

from proxy.credentials.challenges import challenged
from proxy.errors import CredentialMisconfigured, CredentialRefused, ProxyError
from proxy.identity import HttpLogin, Scheme
from proxy.secret import Secret
from proxy.traffic import Reply
from proxy.urls import Scope
from tests.unit.credentials.places import BASIC, KEY, Place, refusal, route, tier_of
from tests.unit.credentials.wire import outgoing, read, streamed
from tests.unit.credentials.world import PASSWORD
from tests.until import until


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
        "triesAgainIn": None,
        "place": "Basic",
        "problem": None,
    }
    assert (held["state"], held["triesAgainIn"]) == ("held off", 60)
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
    await until(lambda: len(wire.sent) >= 4)
    await asyncio.sleep(0.01)
    assert len(wire.sent) == 4
    wire.go.set()
    await asyncio.gather(*asking)

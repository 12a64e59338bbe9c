"""proxy.credentials.digest: few challenges, and never a wrong password twice."""

import asyncio

import pytest

from proxy.credentials.digest import DigestSession
from proxy.credentials.web_tier import WebTier
from proxy.errors import CredentialRefused, ProxyError, UpstreamFailed
from proxy.identity import HttpLogin, Identity, Route, Scheme
from proxy.secret import Secret
from proxy.traffic import Reply
from proxy.urls import Scope
from tests.unit.credentials.digest_server import DigestServer
from tests.unit.credentials.wire import Sent, Wire, outgoing, read, streamed
from tests.unit.credentials.world import PASSWORD

LOGIN = HttpLogin(Scheme.DIGEST, "web map", Secret(PASSWORD))


def session(server: DigestServer) -> tuple[Wire, DigestSession]:
    wire = Wire(server)
    return wire, DigestSession(LOGIN, wire)


async def test_one_challenge_and_then_none() -> None:
    server = DigestServer()
    wire, digest = session(server)
    for n in range(5):
        reply = await digest.send(outgoing(f"https://gis.example.com/a?n={n}&b=%7B%7D"))
        assert await read(reply) == b"map"
        reply.close()
    assert [sent.authorization[:6] for sent in wire.sent] == ["", *["Digest"] * 5]
    assert server.counts == [1, 2, 3, 4, 5]
    assert (server.wrong, server.problems) == (0, [])
    assert wire.all_closed


async def test_every_answer_is_made_with_a_number_of_its_own() -> None:
    server = DigestServer()
    wire, digest = session(server)
    for _ in range(20):
        await digest.send(outgoing())
    assert len({sent.authorization.partition("cnonce=")[2] for sent in wire.sent[1:]}) == 20


async def test_a_body_goes_up_again_with_the_answer() -> None:
    server = DigestServer()
    wire, digest = session(server)
    await digest.send(outgoing(body=b"f=json", headers={"content-type": "application/x-www-form-urlencoded"}))
    assert [(sent.method, sent.body) for sent in wire.sent] == [("POST", b"f=json")] * 2


async def test_a_wrong_password_is_tried_once_for_each_time_it_is_asked_for() -> None:
    server = DigestServer(password="another")
    wire, digest = session(server)
    for times in (1, 2, 3):
        assert (await digest.send(outgoing())).status == 401
        assert server.wrong == times
    assert len(wire.sent) == 6


async def test_a_nonce_that_ended_is_renewed_and_nobody_sees_it() -> None:
    server = DigestServer(life=2)
    wire, digest = session(server)
    for _ in range(6):
        assert (await digest.send(outgoing())).status == 200
    assert server.counts == [1, 2, 1, 2, 1, 2]
    assert server.wrong == 0
    assert len(wire.sent) == 1 + 6 + 2


async def test_a_server_for_which_every_nonce_is_stale_is_not_asked_for_ever() -> None:
    server = DigestServer(life=0)
    wire, digest = session(server)
    for _ in range(3):
        wire.sent.clear()
        assert (await digest.send(outgoing())).status == 401
        assert len(wire.sent) == 2


async def test_a_changed_password_is_no_stale_nonce() -> None:
    server = DigestServer()
    _, digest = session(server)
    await digest.send(outgoing())
    server.password = "changed"
    assert (await digest.send(outgoing())).status == 401
    assert server.wrong == 1


async def test_the_next_nonce_is_followed() -> None:
    server = DigestServer(next_nonce="second")
    wire, digest = session(server)
    await digest.send(outgoing())
    server.next_nonce = "third"
    for _ in range(3):
        assert (await digest.send(outgoing())).status == 200
    assert server.counts == [1, 1, 1, 2]
    assert len(wire.sent) == 5  # one challenge in all


@pytest.mark.parametrize(
    "info",
    ["", "nextnonce", "nextnonce=unquoted", 'nextnonce="', 'xnextnonce="no"', 'nextnonce=""', 'nextnonce="a\\"b"'],
)
async def test_an_odd_authentication_info_says_nothing(info: str) -> None:
    server = DigestServer()

    def answer(sent: Sent) -> Reply:
        reply = server(sent)
        return Reply(reply.status, {**reply.headers, "authentication-info": info}, reply.body)

    digest = DigestSession(LOGIN, Wire(answer))
    for _ in range(3):
        assert (await digest.send(outgoing())).status == 200
    assert server.counts == [1, 2, 3]


async def test_many_at_once_after_a_nonce_ended_are_each_answered() -> None:
    server = DigestServer()
    _, digest = session(server)
    await digest.send(outgoing())
    server.nonce = "second"
    replies = await asyncio.gather(*(digest.send(outgoing()) for _ in range(20)))
    assert {reply.status for reply in replies} == {200}
    assert server.wrong == 0


async def test_no_number_of_a_nonce_is_used_twice() -> None:
    """RFC 7616 §3.4: `nc` counts the requests with this nonce. Many may be told of one new nonce; a server that looks
    for replays refuses the second request with the same number."""
    server = DigestServer()
    _, digest = session(server)
    await digest.send(outgoing())
    server.nonce = "second"  # told to all whose old one has ended
    await asyncio.gather(*(digest.send(outgoing()) for _ in range(20)))
    assert server.problems == []
    assert sorted(server.counts) == [1, *range(1, 21)]


@pytest.mark.parametrize("is_known", [False, True])
async def test_a_stream_goes_up_once_after_a_question_by_head(is_known: bool) -> None:
    server = DigestServer()
    wire, digest = session(server)
    if is_known:
        await digest.send(outgoing())
        server.nonce = "ended meanwhile"
    wire.sent.clear()
    reply = await digest.send(outgoing(stream=streamed(b"a" * 10, b"b" * 10), headers={"content-type": "text/plain"}))
    assert reply.status == 200
    *asked, last = wire.sent
    assert [(sent.method, sent.body) for sent in asked] == [("HEAD", b"")]
    assert "content-type" not in asked[0].headers
    assert (last.method, last.body, last.headers["content-type"]) == ("POST", b"a" * 10 + b"b" * 10, "text/plain")
    assert (server.wrong, server.problems) == (0, [])


async def test_a_stream_with_a_wrong_password_is_refused_and_not_sent_for_nothing_more_than_once() -> None:
    server = DigestServer(password="another")
    _, digest = session(server)
    reply = await digest.send(outgoing(stream=streamed(b"a")))
    assert reply.status == 401
    assert server.wrong == 1


async def test_a_stream_whose_nonce_ends_between_the_question_and_the_body_says_so() -> None:
    server = DigestServer(life=1)
    _, digest = session(server)
    await digest.send(outgoing())
    server.life = 2  # the question is its second use, the body its third
    with pytest.raises(UpstreamFailed) as caught:
        await digest.send(outgoing(stream=streamed(b"a")))
    assert caught.value.slug == "not_replayable"
    assert (await digest.send(outgoing())).status == 200
    assert server.wrong == 0


def _tier(server: DigestServer) -> tuple[Wire, WebTier, Route]:
    wire = Wire(server)
    route = Route(identity=Identity("tier", Scope("https", "gis.example.com"), (), LOGIN))
    return wire, WebTier(wire, lambda: 0.0), route


async def test_uploads_with_a_password_that_was_changed_are_refused_and_then_rest() -> None:
    """Each upload is preceded by a HEAD, and each such HEAD is a wrong password: after three the login has to rest."""
    server = DigestServer()
    _, tier, route = _tier(server)
    await tier.send(outgoing(route=route))
    server.password = "changed"
    raised: list[ProxyError] = []
    for _ in range(10):
        with pytest.raises(ProxyError) as caught:
            await tier.send(outgoing(stream=streamed(b"a"), route=route))
        raised.append(caught.value)
    assert server.wrong <= 3
    assert {type(error) for error in raised} == {CredentialRefused}


async def test_what_nobody_had_to_sign_in_for_proves_no_password() -> None:
    """Only /secured asks for a login. Were the public page a proof, twenty wrong passwords would go out at once."""
    server = DigestServer(password="another", guarded="/secured")
    _, tier, route = _tier(server)
    assert (await tier.send(outgoing("https://gis.example.com/public", route=route))).status == 200
    secured = (tier.send(outgoing("https://gis.example.com/secured", route=route)) for _ in range(20))
    await asyncio.gather(*secured, return_exceptions=True)
    assert server.wrong <= 3


@pytest.mark.parametrize("realm", ["ArcGIS", "Gel\xe4nde", "\u5730\u56f3"])
async def test_a_realm_in_any_language_is_hashed_and_sent_as_it_came(realm: str) -> None:
    """Web servers send the bytes of their configuration file, UTF-8 as a rule (Apache: AuthName), and hash them."""
    server = DigestServer(realm=realm.encode())
    _, digest = session(server)
    assert (await digest.send(outgoing())).status == 200
    assert (server.wrong, server.problems) == (0, [])


async def test_a_challenge_that_cannot_be_answered_is_the_last_word() -> None:
    wire = Wire(lambda sent: Reply(401, {"www-authenticate": 'Digest nonce="a", qop=auth-int, Basic realm="x"'}, b""))
    digest = DigestSession(LOGIN, wire)
    assert (await digest.send(outgoing())).status == 401
    assert len(wire.sent) == 1
    assert "authorization" not in wire.sent[0].headers


async def test_neither_the_password_nor_what_is_left_open_stays_behind() -> None:
    server = DigestServer(life=1)
    wire, digest = session(server)
    for _ in range(3):
        (await digest.send(outgoing())).close()
    assert wire.all_closed
    assert all(PASSWORD not in str(sent) for sent in wire.sent)


async def test_a_failure_on_the_way_is_passed_on_and_leaves_nothing_broken() -> None:
    server = DigestServer()
    fails = True

    def answer(sent: Sent) -> Reply:
        if fails and sent.authorization:
            raise UpstreamFailed("reset")
        return server(sent)

    digest = DigestSession(LOGIN, Wire(answer))
    with pytest.raises(UpstreamFailed):
        await digest.send(outgoing())
    fails = False
    assert (await digest.send(outgoing())).status == 200
    assert server.wrong == 0

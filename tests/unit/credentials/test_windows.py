"""proxy.credentials.windows: NTLM against pyspnego's own acceptor, each connection with a login of its own."""

import asyncio
import hashlib
import os
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from spnego.channel_bindings import GssChannelBindings

from proxy.credentials.challenges import NO_TICKET
from proxy.credentials.web_tier import WebTier
from proxy.errors import CredentialMisconfigured, CredentialRefused, UpstreamFailed
from proxy.identity import HttpLogin, Identity, Route, Scheme
from proxy.secret import Secret
from proxy.traffic import Reply
from proxy.urls import Scope
from tests.unit.credentials.acceptor import FIRST, LAST, LOGIN, WRONG, Acceptor, all_is_given_back, ask, message, start
from tests.unit.credentials.wire import Sent, Wire, outgoing, read, streamed
from tests.unit.credentials.world import PASSWORD

pytestmark = pytest.mark.usefixtures("ntlm_accounts")


async def test_three_legs_on_one_lane() -> None:
    acceptor = Acceptor()
    wire, session = start(acceptor)
    reply = await session.send(outgoing())
    assert [message(sent) for sent in wire.sent] == [b"", FIRST, LAST]
    assert [(sent.lane, sent.connection, sent.method) for sent in wire.sent] == [(1, 1, "GET")] * 3
    assert acceptor.users == {(1, 1): "CITY\\webmap"}
    assert wire.lanes[0].releases == 0  # its answer is still on the way
    assert await read(reply) == b"map"
    assert all_is_given_back(wire)


async def test_a_second_request_on_the_signed_in_lane_goes_without_legs() -> None:
    acceptor = Acceptor()
    wire, session = start(acceptor)
    for _ in range(5):
        assert await ask(session) == 200
    assert [message(sent) for sent in wire.sent] == [b"", FIRST, LAST, b"", b"", b"", b""]
    assert (len(wire.lanes), acceptor.good) == (1, 1)


async def test_what_a_signed_in_lane_lets_pass_proves_no_password() -> None:
    """It goes on with yesterday's."""
    acceptor = Acceptor()
    _, session = start(acceptor)
    assert await ask(session) == 200
    Path(os.environ["NTLM_USER_FILE"]).write_text("CITY:webmap:another\n", encoding="utf-8")
    assert await ask(session) == 200
    reply = await session.prove(outgoing())
    reply.close()
    assert (reply.status, acceptor.wrong) == (401, 1)


async def test_a_page_for_everybody_proves_nothing() -> None:
    wire, session = start(lambda sent: Reply(200, {}, b"map"))
    reply = await session.prove(outgoing())
    assert (reply.status, reply.is_signed_in, len(wire.sent)) == (200, False, 1)


async def test_two_at_once_are_two_lanes_each_signed_in_for_itself() -> None:
    acceptor = Acceptor()
    wire, session = start(acceptor)
    replies = await asyncio.gather(*(session.send(outgoing()) for _ in range(5)))
    assert {reply.status for reply in replies} == {200}
    assert len(wire.lanes) == acceptor.good == 5
    for reply in replies:
        reply.close()
    assert all_is_given_back(wire)


@pytest.mark.parametrize("is_stream", [False, True])
async def test_a_body_goes_up_once_when_the_lane_is_signed_in(is_stream: bool) -> None:
    wire, session = start()
    given_ = {"content-type": "text/plain"}
    stream = streamed(b"bo", b"dy") if is_stream else None
    sent = outgoing(body=b"" if is_stream else b"body", stream=stream, headers=given_)
    assert (await session.send(sent)).status == 200
    *asked, last = wire.sent
    assert [(each.method, message(each), each.body) for each in asked] == [
        ("HEAD", b"", b""),
        ("HEAD", FIRST, b""),
        ("HEAD", LAST, b""),
    ]
    assert all("content-type" not in each.headers for each in asked)
    assert (last.method, last.body, last.authorization) == ("POST", b"body", "")
    assert last.headers["content-type"] == "text/plain"


async def test_on_a_signed_in_lane_a_body_needs_no_question_but_a_stream_does() -> None:
    wire, session = start()
    await ask(session)
    wire.sent.clear()
    (await session.send(outgoing(body=b"body"))).close()
    assert [(sent.method, sent.body) for sent in wire.sent] == [("POST", b"body")]
    wire.sent.clear()
    await session.send(outgoing(stream=streamed(b"body")))
    assert [(sent.method, sent.body) for sent in wire.sent] == [("HEAD", b""), ("POST", b"body")]


async def test_where_the_connection_was_lost_the_body_goes_with_the_last_leg_only() -> None:
    acceptor = Acceptor()
    wire, session = start(acceptor)
    await ask(session)
    wire.lanes[0].is_open = False
    wire.sent.clear()
    assert (await session.send(outgoing(body=b"body"))).status == 200
    assert [(message(sent), sent.body) for sent in wire.sent] == [(b"", b"body"), (FIRST, b""), (LAST, b"body")]
    assert acceptor.good == 2


async def test_a_wrong_password_is_refused_after_one_try() -> None:
    acceptor = Acceptor()
    wire, session = start(acceptor, WRONG)
    assert await ask(session) == 401
    assert [message(sent) for sent in wire.sent] == [b"", FIRST, LAST]
    assert (acceptor.wrong, acceptor.good) == (1, 0)
    assert all_is_given_back(wire)
    assert wire.all_closed


@pytest.mark.parametrize("login", [LOGIN, WRONG])
async def test_a_server_that_hangs_up_when_it_asks_for_a_login_costs_no_second_try(login: HttpLogin) -> None:
    """The answer to a request without a login often ends its connection (IIS and Java filters do): that the legs then
    begin on another is no reason to say the password twice."""
    acceptor = Acceptor(closes=lambda sent, status: status == 401 and not sent.authorization)
    wire, session = start(acceptor, login)
    status = await ask(session)
    assert (status, acceptor.good, acceptor.wrong) == ((200, 1, 0) if login is LOGIN else (401, 0, 1))
    assert all_is_given_back(wire)


async def test_a_server_that_hangs_up_between_the_legs_is_tried_once_more() -> None:
    hung_up = 0

    def closes(sent: Sent, status: int) -> bool:
        nonlocal hung_up
        hung_up += message(sent) == FIRST
        return message(sent) == FIRST and hung_up == 1

    acceptor = Acceptor(closes=closes)
    wire, session = start(acceptor)
    assert await ask(session) == 200
    assert acceptor.good == 1
    assert all_is_given_back(wire)


async def test_a_server_that_always_hangs_up_between_the_legs_is_not_tried_for_ever() -> None:
    acceptor = Acceptor(closes=lambda sent, status: message(sent) == FIRST)
    wire, session = start(acceptor)
    assert await ask(session) == 401
    assert len(wire.sent) == 5
    assert acceptor.wrong <= 2


async def test_a_server_that_hangs_up_after_the_question_gets_the_login_with_the_body() -> None:
    acceptor = Acceptor(closes=lambda sent, status: sent.method == "HEAD" and status == 200)
    wire, session = start(acceptor)
    assert (await session.send(outgoing(body=b"body"))).status == 200
    assert [sent.body for sent in wire.sent if sent.body] == [b"body"]


async def test_a_stream_that_the_server_then_refuses_says_that_it_is_to_be_sent_again() -> None:
    def answer(sent: Sent) -> Reply:
        if sent.method == "HEAD" and not sent.authorization:
            return Reply(200, {}, b"")  # heads are for everybody
        return Reply(401, {"www-authenticate": "NTLM"}, b"")

    wire, session = start(answer)
    with pytest.raises(UpstreamFailed) as caught:
        await session.send(outgoing(stream=streamed(b"body")))
    assert caught.value.slug == "not_replayable"
    assert all_is_given_back(wire)
    assert wire.all_closed


@pytest.mark.parametrize("offers", ["Negotiate", "Negotiate, NTLM", "NTLM, Negotiate", "Basic realm=x, NTLM"])
async def test_ntlm_may_be_offered_in_other_words(offers: str) -> None:
    acceptor = Acceptor(offers=offers)
    wire, session = start(acceptor)
    assert await ask(session) == 200
    scheme = "Negotiate" if offers == "Negotiate" else "NTLM"
    assert {sent.authorization.partition(" ")[0] for sent in wire.sent[1:]} == {scheme}


@pytest.mark.parametrize("login", [HttpLogin(Scheme.NTLM, "CITY\\webmap", Secret(PASSWORD)), LOGIN])
async def test_the_domain_may_stand_in_the_user_name(login: HttpLogin) -> None:
    _, session = start(login=login)
    assert await ask(session) == 200


def _certificate(authority: trustme.CA) -> bytes:
    pem = authority.issue_cert("gis.example.com").cert_chain_pems[0].bytes()
    return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)


async def test_the_login_is_bound_to_the_servers_certificate() -> None:
    """RFC 5929 §4.1: the hash is that of the signature, SHA-256 here. Another's certificate is a relayed login."""
    authority = trustme.CA()
    ours, theirs = _certificate(authority), _certificate(authority)

    def bound(certificate: bytes) -> GssChannelBindings:
        return GssChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha256(certificate).digest())

    for seen, status in ((ours, 200), (theirs, 401)):
        wire, session = start(Acceptor(bindings=bound(ours)))
        wire.certificate = seen
        assert await ask(session) == status


async def test_a_certificate_that_nobody_understands_binds_nothing() -> None:
    wire, session = start()
    wire.certificate = b"no certificate"
    assert await ask(session) == 200


def _tier(acceptor: Callable[[Sent], Reply], login: HttpLogin) -> tuple[Wire, WebTier, Route]:
    wire = Wire(acceptor)
    route = Route(identity=Identity("tier", Scope("https", "gis.example.com"), (), login))
    return wire, WebTier(wire, lambda: 0.0), route


async def test_twenty_with_a_wrong_password_are_one_login() -> None:
    acceptor = Acceptor()
    wire, tier, route = _tier(acceptor, WRONG)
    asking = (tier.send(outgoing(route=route)) for _ in range(20))
    failures = await asyncio.gather(*asking, return_exceptions=True)
    assert {type(failure) for failure in failures} == {CredentialRefused}
    assert acceptor.wrong == 1
    assert all_is_given_back(wire)
    said = str([(str(failure), vars(failure)) for failure in failures])
    assert not any(word in said for word in ("another", "webmap", "CITY"))


async def test_twenty_with_the_right_one_all_pass() -> None:
    acceptor = Acceptor()
    wire, tier, route = _tier(acceptor, LOGIN)
    replies = await asyncio.gather(*(tier.send(outgoing(route=route)) for _ in range(20)))
    assert {reply.status for reply in replies} == {200}
    for reply in replies:
        reply.close()
    assert len(wire.lanes) <= 20
    assert acceptor.wrong == 0


async def test_an_unknown_user_is_refused_too() -> None:
    acceptor = Acceptor()
    _, tier, route = _tier(acceptor, HttpLogin(Scheme.NTLM, "nobody", Secret(PASSWORD), "CITY"))
    with pytest.raises(CredentialRefused):
        await tier.send(outgoing(route=route))
    assert acceptor.wrong == 1


async def test_without_a_ticket_nothing_is_tried_and_nothing_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket may come any moment (kinit, a keytab), so each request looks for one."""
    monkeypatch.delenv("NTLM_USER_FILE")  # else the acceptor's users are the client's, too
    acceptor = Acceptor(offers="Negotiate, NTLM")
    wire, tier, route = _tier(acceptor, HttpLogin(Scheme.NEGOTIATE, "", Secret("")))
    for times in range(1, 4):
        with pytest.raises(CredentialMisconfigured) as caught:
            await tier.send(outgoing(route=route))
        assert (caught.value.slug, caught.value.retry_after) == (NO_TICKET, None)
        assert "KRB5_CLIENT_KTNAME" in caught.value.details[0]
        assert len(wire.sent) == times  # the question alone
    assert wire.all_closed
    assert not [lane for lane in wire.lanes if lane.is_taken]


async def test_no_request_shows_the_password() -> None:
    wire, session = start()
    await ask(session)
    forms = [PASSWORD.encode(), PASSWORD.encode("utf-16-le")]
    tokens = [b64decode(sent.authorization.partition(" ")[2]) for sent in wire.sent]
    assert len([token for token in tokens if token]) == 2  # the two messages of NTLM
    assert not any(form in token for token in tokens for form in forms)

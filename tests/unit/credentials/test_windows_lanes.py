"""A lane that a login was made on goes back once, whatever becomes of the answer, of a leg, or of the client."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Callable

import pytest
import spnego
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import CredentialRefused, ProxyError, UpstreamFailed
from proxy.identity import HttpLogin
from proxy.traffic import Reply
from tests.unit.credentials.acceptor import LAST, LOGIN, WRONG, Acceptor, all_is_given_back, ask, message, start
from tests.unit.credentials.wire import Sent, breaking_off, outgoing, read
from tests.unit.credentials.world import PASSWORD

pytestmark = pytest.mark.usefixtures("ntlm_accounts")

_SECOND = b"NTLMSSP\0\2\0\0\0"


async def _end(reply: Reply) -> None:
    await read(reply)


async def _close(reply: Reply) -> None:
    reply.close()


async def _close_twice(reply: Reply) -> None:
    reply.close()
    reply.close()


async def _end_and_close(reply: Reply) -> None:
    await read(reply)
    reply.close()


async def _leave_in_the_middle(reply: Reply) -> None:
    assert not isinstance(reply.body, bytes)
    async for _ in reply.body:
        break
    reply.close()


@pytest.mark.parametrize("end", [_end, _close, _close_twice, _end_and_close, _leave_in_the_middle])
@pytest.mark.parametrize("login", [LOGIN, WRONG])
async def test_the_lane_goes_back_once_however_the_answer_ends(
    end: Callable[[Reply], "asyncio.Future[None]"], login: HttpLogin
) -> None:
    wire, session = start(login=login)
    reply = await session.send(outgoing())
    assert wire.lanes[0].is_taken
    await end(reply)
    assert all_is_given_back(wire)


@pytest.mark.parametrize("end", [_end, _close])
async def test_closing_again_does_not_give_back_the_lane_that_somebody_else_has_by_then(
    end: Callable[[Reply], "asyncio.Future[None]"],
) -> None:
    """The web edge closes every reply once more at its end, after it has waited for the client. Meanwhile the lane may
    be the next request's: given back under its hands, a third one would send between the legs of its login."""
    wire, session = start()
    first = await session.send(outgoing())
    await end(first)
    second = await session.send(outgoing())
    assert wire.lanes[0].is_taken
    first.close()
    assert wire.lanes[0].is_taken
    assert wire.idle == []
    second.close()
    assert wire.idle == wire.lanes


@pytest.mark.parametrize("leg", range(3))
@pytest.mark.parametrize("error", [UpstreamFailed("reset"), asyncio.CancelledError(), OSError("odd")])
async def test_the_lane_goes_back_where_a_leg_fails(leg: int, error: BaseException) -> None:
    acceptor = Acceptor()

    def answer(sent: Sent) -> Reply:
        if len(wire.sent) == leg + 1:
            raise error
        return acceptor(sent)

    wire, session = start(answer)
    with pytest.raises(type(error)):
        await session.send(outgoing())
    assert all_is_given_back(wire)
    assert wire.all_closed
    assert await ask(session) == 200  # and the next one is none the worse


@pytest.mark.parametrize("leg", range(2))
async def test_the_lane_goes_back_where_the_page_of_a_challenge_breaks_off(leg: int) -> None:
    acceptor = Acceptor()

    def answer(sent: Sent) -> Reply:
        reply = acceptor(sent)
        return Reply(reply.status, reply.headers, breaking_off(b"Access")) if len(wire.sent) == leg + 1 else reply

    wire, session = start(answer)
    with pytest.raises(UpstreamFailed):
        await session.send(outgoing())
    assert all_is_given_back(wire)
    assert wire.all_closed


async def test_the_lane_goes_back_where_the_answer_breaks_off() -> None:
    acceptor = Acceptor()

    def answer(sent: Sent) -> Reply:
        reply = acceptor(sent)
        return reply if reply.status == 401 else Reply(200, {}, breaking_off(b"ma"))

    wire, session = start(answer)
    reply = await session.send(outgoing())
    with pytest.raises(UpstreamFailed):
        await read(reply)
    assert all_is_given_back(wire)
    reply.close()
    assert wire.all_closed


async def test_the_page_of_a_challenge_is_read_but_not_for_ever() -> None:
    acceptor = Acceptor()
    pieces = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal pieces
        while True:
            pieces += 1
            yield b"x" * 65536

    def answer(sent: Sent) -> Reply:
        reply = acceptor(sent)
        return Reply(401, reply.headers, endless()) if reply.status == 401 else reply

    wire, session = start(answer)
    assert await ask(session) == 200
    assert pieces <= 2 * 17
    assert wire.all_closed


@pytest.mark.parametrize("says", ["NTLM abc", "NTLM TlRMTVNTUAAC", "NTLM QUJD", "NTLM TlRMTVNTUAABAAAA"])
async def test_a_malformed_challenge_ends_the_login(says: str) -> None:
    wire, session = start(lambda sent: Reply(401, {"www-authenticate": says if sent.authorization else "NTLM"}, b""))
    with pytest.raises((UpstreamFailed, CredentialRefused)):
        await ask(session)
    assert all_is_given_back(wire)
    assert wire.all_closed
    assert len(wire.sent) <= 3


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=200), begins=st.sampled_from([b"", _SECOND, _SECOND + b"\0" * 40]))
@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
def test_no_challenge_is_an_error_of_ours(scheme: str, junk: bytes, begins: bytes) -> None:
    says = f"{scheme} {b64encode(begins + junk).decode()}"

    async def main() -> None:
        def answer(sent: Sent) -> Reply:
            return Reply(401, {"www-authenticate": says if sent.authorization else scheme}, b"")

        wire, session = start(answer)
        said = ""
        try:
            (await session.send(outgoing())).close()
        except ProxyError as error:
            said = str(error.args)
        assert PASSWORD not in said
        assert all_is_given_back(wire)
        assert len(wire.sent) <= 6

    asyncio.run(main())


async def test_a_login_without_end_is_ended() -> None:
    acceptor = Acceptor()

    def answer(sent: Sent) -> Reply:
        reply = acceptor(sent)
        if message(sent) == LAST:  # as if the last were the first
            acceptor.users.clear()
            return acceptor(Sent(9, len(wire.sent), "GET", sent.target, first, b""))
        return reply

    wire, session = start(answer)
    first = {"authorization": "NTLM " + b64encode(spnego.client("a", "b", protocol="ntlm").step() or b"").decode()}
    assert await ask(session) == 401
    assert len(wire.sent) == 3
    assert all_is_given_back(wire)

"""Tokens over any course of events: one acquisition at a time, no dead token given out, no account tried to death."""

import asyncio
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.core import lifetime
from proxy.core.lifetime import Slot
from proxy.credentials.store import TokenStore
from proxy.errors import CredentialRefused, ProxyError, TokenUnavailable
from proxy.identity import Place
from proxy.ports import TokenSource
from proxy.secret import Secret
from proxy.traffic import Audience, Token
from proxy.urls import Origin, Server

AUDIENCE = Audience("c", Server(Origin("https", "h", 443), "/arcgis"), "")
LIVES = st.sampled_from([1.0, 2.0, 15.0, 60.0, 600.0, 3600.0, 86400.0]) | st.floats(1.0, 1e6)


@dataclass
class Service:
    """The outside world: a clock, and a token service that answers when it is told to."""

    now: float = 0.0
    pending: list[asyncio.Future[Token]] = field(default_factory=list)
    started: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def fingerprint(self) -> str:
        return "same"

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        answer: asyncio.Future[Token] = asyncio.get_running_loop().create_future()
        self.pending.append(answer)
        self.started.append(self.now)
        return await answer


class Tokens(RuleBasedStateMachine):
    """Clients that ask, leave and are rejected; a service that issues, refuses and fails; time that passes."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.service = Service()
        self.store = TokenStore(self.service.clock, lambda: 0.5)
        self.store.replace_providers({"c": self.service})
        self.waiting: list[asyncio.Task[Token]] = []
        self.given: list[Token] = []
        self.dropped: set[int] = set()  # rejected, and not kept for the time of a hold-off
        self.refusals = 0
        self.rest_until = 0.0  # by the credential's refusals

    def spin(self) -> None:
        for _ in range(8):
            self.loop.run_until_complete(asyncio.sleep(0))

    @rule()
    def ask(self) -> None:
        started, had_pending = len(self.service.started), bool(self.service.pending)
        asking = self.loop.create_task(self.store.get(AUDIENCE))
        self.spin()
        if len(self.service.started) > started:
            assert not had_pending
            assert self.service.now >= self.rest_until, "a refused credential was tried before its rest was over"
        if not asking.done():
            self.waiting.append(asking)
        elif asking.exception() is None:
            self.check(asking.result())
        else:
            assert isinstance(asking.exception(), ProxyError)

    def check(self, token: Token) -> None:
        assert self.service.now < token.expires_at, "an ended token was given out"
        assert id(token) not in self.dropped, "a rejected token was given out again"
        self.given.append(token)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 9.0, 31.0, 61.0, 600.0, 3601.0]))
    def time_passes(self, seconds: float) -> None:
        self.service.now += seconds

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def somebody_leaves(self, data: st.DataObject) -> None:
        leaving = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        leaving.cancel()
        self.spin()
        assert leaving.cancelled()

    @precondition(lambda self: self.service.pending)
    @rule(seconds=LIVES)
    def the_service_issues(self, seconds: float) -> None:
        now = self.service.now
        token = Token(Secret("t"), AUDIENCE, now, now + seconds)
        self.refusals = 0
        self.rest_until = 0.0
        self.service.pending.pop().set_result(token)
        for waited in self.settled():
            assert waited.result() is token

    @precondition(lambda self: self.service.pending)
    @rule()
    def the_service_refuses(self) -> None:
        self.refusals += 1
        self.rest_until = self.service.now + min(3600.0, 60.0 * 2 ** (self.refusals - 1))
        self.service.pending.pop().set_exception(CredentialRefused("no"))
        for waited in self.settled():
            assert isinstance(waited.exception(), CredentialRefused)

    @precondition(lambda self: self.service.pending)
    @rule()
    def the_service_fails(self) -> None:
        self.service.pending.pop().set_exception(TokenUnavailable("down"))
        for waited in self.settled():
            assert isinstance(waited.exception(), TokenUnavailable)

    def settled(self) -> list[asyncio.Task[Token]]:
        self.spin()
        done, self.waiting = self.waiting, []
        assert all(waited.done() for waited in done), "somebody waits for nothing"
        self.given += [waited.result() for waited in done if waited.exception() is None]
        return done

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def a_server_rejects(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(self.given))
        (held,) = self.store._held.values()
        current, was_held = held.slot.token, self.service.now < held.slot.held_until
        self.store.reject(token)
        if current is not token:
            assert held.slot.token is current, "a late word about an old token dropped the new one"
        elif held.slot.token is None:
            assert not was_held
            self.dropped.add(id(token))

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def a_server_accepts(self, data: st.DataObject) -> None:
        self.store.accepted(data.draw(st.sampled_from(self.given)), Place.HEADER)

    @invariant()
    def one_acquisition_at_a_time(self) -> None:
        assert len(self.service.pending) <= 1

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        assert self.service.pending or not self.waiting

    def teardown(self) -> None:
        for waited in self.waiting:
            waited.cancel()
        self.loop.run_until_complete(self.store.close())
        self.spin()
        self.loop.close()


TestTokens = Tokens.TestCase
TestTokens.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.floats(0, 1e9), LIVES, st.floats(0, 1))
def test_a_token_is_renewed_in_its_second_half_and_before_it_is_useless(
    at: float, seconds: float, jitter: float
) -> None:
    token = Token(Secret("t"), AUDIENCE, at, at + seconds)
    half = at + (token.expires_at - at) / 2
    tick = 1e-6
    assert half - tick <= lifetime.renewal_at(token, jitter) <= lifetime.usable_until(token) <= token.expires_at


@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.from_regex(r"-?[0-9. ]{1,40}"),
    st.floats(60, 1_300_000),
    st.none() | st.floats(60, 1e6),
    st.floats(0, 4e9),
)
def test_any_end_is_between_a_second_and_what_was_asked_for(
    expires: object, requested: float, short_validity: float | None, wall_now: float
) -> None:
    seconds = lifetime.life(expires, wall_now=wall_now, requested=requested, short_validity=short_validity)
    assert 1 <= seconds <= requested + 60


@given(st.lists(st.tuples(st.floats(0, 70), st.booleans()), max_size=60))
def test_a_server_that_rejects_every_token_causes_no_storm_of_logins(steps: list[tuple[float, bool]]) -> None:
    """Whatever the pace, and even where some other service takes the tokens: logins stay few."""
    slot, now, logins = Slot(), 0.0, 0
    for pause, passes in steps:
        now += pause
        do = lifetime.decide(slot, now)
        if do is lifetime.Do.FETCH:
            logins += 1
            slot = lifetime.fetched(slot, Token(Secret("t"), AUDIENCE, now, now + 3600), 0.5)
        token = slot.token
        if token is not None and do is not lifetime.Do.HOLD_OFF:
            slot = lifetime.accepted(slot, token) if passes else slot
            slot = lifetime.rejected(slot, token, now)
    assert logins <= 6 + now / 10

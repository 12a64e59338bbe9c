"""proxy.core.lifetime: use, renew, wait or hold off."""

import pytest

from proxy.core.lifetime import (
    Do,
    Failure,
    Slot,
    accepted,
    decide,
    failed,
    fetched,
    following,
    life,
    rejected,
    renewal_at,
    usable_until,
)
from proxy.secret import Secret
from proxy.traffic import Audience, Token
from proxy.urls import Origin, Server

AUDIENCE = Audience("c", Server(Origin("https", "h", 443), "/arcgis"), "")


def token(obtained_at: float = 0.0, seconds: float = 3600.0) -> Token:
    return Token(Secret("x"), AUDIENCE, obtained_at, obtained_at + seconds)


@pytest.mark.parametrize(
    ("seconds", "earliest", "latest"),
    [(3600, 3270, 3330), (600, 468, 492), (60, 46, 51), (20, 10, 11), (2, 1, 1), (86400, 86070, 86130)],
)
def test_renewal_is_ahead_of_the_end_by_a_share_of_the_life(seconds: float, earliest: float, latest: float) -> None:
    for jitter in (0.0, 0.5, 1.0):
        assert earliest <= renewal_at(token(seconds=seconds), jitter) <= latest


def test_a_token_knows_the_last_ones_that_have_not_ended() -> None:
    held = None
    for number in range(6):
        new = Token(Secret(f"t{number}"), AUDIENCE, number * 10.0, number * 10.0 + 35)
        held = following(new, held, new.obtained_at)
    assert held is not None
    assert [each.value for each in held.before] == [Secret("t4"), Secret("t3"), Secret("t2")]
    assert not any(each.before for each in held.before)
    after = following(Token(Secret("t6"), AUDIENCE, 66.0, 100.0), held, 66.0)
    assert [each.value for each in after.before] == [Secret("t5"), Secret("t4")]
    assert following(Token(Secret("t6"), AUDIENCE, 70.0, 100.0), after, 101.0).before == ()


def test_the_same_text_again_is_no_earlier_token() -> None:
    held = Token(Secret("t"), AUDIENCE, 0.0, 100.0)
    assert following(Token(Secret("t"), AUDIENCE, 1.0, 100.0), held, 1.0).before == ()


def test_a_token_is_used_renewed_and_then_fetched() -> None:
    slot = fetched(Slot(), token(), 0.5)
    assert decide(slot, 0.0) is Do.USE
    assert decide(slot, 3310.0) is Do.USE_AND_RENEW
    assert decide(slot, 3596.0) is Do.FETCH  # five seconds early: it would end on its way
    assert usable_until(token(seconds=2.0)) == pytest.approx(1.8)
    assert decide(Slot(), 0.0) is Do.FETCH


def test_a_refused_credential_rests_twice_as_long_each_time() -> None:
    slot, now, waits = Slot(), 0.0, []
    for _ in range(9):
        slot = failed(slot, Failure.REFUSED, now)
        waits.append(slot.held_until - now)
        assert decide(slot, slot.held_until - 0.1) is Do.HOLD_OFF
        now = slot.held_until
        assert decide(slot, now) is Do.FETCH
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_an_unavailable_service_is_asked_again_soon() -> None:
    slot = Slot()
    waits = []
    for _ in range(7):
        slot = failed(slot, Failure.UNAVAILABLE, 0.0)
        waits.append(slot.held_until)
    assert waits == [1, 2, 4, 8, 16, 30, 30]


def test_a_living_token_serves_while_renewals_fail() -> None:
    slot = failed(fetched(Slot(), token(), 0.5), Failure.UNAVAILABLE, 3400.0)
    assert decide(slot, 3400.5) is Do.USE
    assert decide(slot, 3402.0) is Do.USE_AND_RENEW
    assert decide(slot, 3400.0 + 1.0) is Do.USE_AND_RENEW


def test_a_late_rejection_of_an_old_token_leaves_the_new_one() -> None:
    old, new = token(), token(100.0)
    slot = fetched(fetched(Slot(), old, 0.5), new, 0.5)
    assert rejected(slot, old, 101.0) is slot
    assert rejected(slot, new, 200.0).token is None


def test_two_young_tokens_rejected_in_a_row_hold_the_server_off() -> None:
    first, second = token(0.0), token(1.0)
    slot = rejected(fetched(Slot(), first, 0.5), first, 0.5)
    assert decide(slot, 0.5) is Do.FETCH
    slot = rejected(fetched(slot, second, 0.5), second, 1.5)
    assert slot.token is second  # kept, for whatever still takes it
    assert slot.held_until == 61.5
    assert decide(slot, 2.0) is Do.USE


def test_a_token_that_passed_may_be_revoked_by_hand_more_often() -> None:
    slot = Slot()
    for number in range(4):
        held = token(float(number))
        slot = rejected(accepted(fetched(slot, held, 0.5), held), held, number + 0.5)
        assert decide(slot, number + 0.5) is Do.FETCH


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        (1_000_003_600_000, 3600),  # epoch milliseconds, by the book
        (1_000_003_600, 3600),  # in seconds
        ("1000003600000", 3600),  # as text
        (None, 3600),
        ("never", 3600),
        (True, 3600),
        (0, 600),
        (-5, 600),
        (1000, 600),  # past: believed, it would be a login a second
        (1_000_900_000_000_000, 600),  # beyond the year 9999
        (1_000_086_400_000, 3660),  # longer than asked for
    ],
)
def test_an_end_is_taken_sanely(expires: object, seconds: float) -> None:
    assert life(expires, wall_now=1_000_000_000.0, requested=3600.0) == seconds


def test_without_an_end_the_servers_own_short_life_counts() -> None:
    assert life(None, wall_now=0.0, requested=3600.0, short_validity=900.0) == 900


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        (10**400, 3600),  # JSON has numbers that no float holds
        (float("nan"), 3600),
        (float("inf"), 3600),
        ("--5", 3600),
        (" " * 40 + "5", 600),
        (" 1000003600000\n", 3600),
        ("1000003600000.0", 3600),
        ("9" * 33, 3600),
        (["1000003600000"], 3600),
        (3600, 600),  # how long, not when
        ("60", 600),
        (253_402_300_799_000, 3660),  # the last second of the year 9999
        (1_000_000_000_400, 1),  # less than a second is a second
    ],
)
def test_an_odd_end_is_neither_a_crash_nor_a_login_a_second(expires: object, seconds: float) -> None:
    assert life(expires, wall_now=1_000_000_000.0, requested=3600.0) == seconds


def test_an_outage_in_between_does_not_give_a_refused_credential_its_tries_back() -> None:
    slot = failed(Slot(), Failure.REFUSED, 0.0)
    slot = failed(slot, Failure.UNAVAILABLE, 60.0)
    assert slot.held_until == 61.0
    slot = failed(slot, Failure.REFUSED, 61.0)
    assert slot.held_until == 61.0 + 120.0
    assert failed(fetched(slot, token(), 0.5), Failure.REFUSED, 0.0).held_until == 60.0


def test_a_token_that_lived_clears_what_is_remembered_of_rejections() -> None:
    bad, good, newer, newest = token(0.0), token(1.0), token(3000.0), token(3001.0)
    slot = fetched(rejected(fetched(Slot(), bad, 0.5), bad, 0.5), good, 0.5)
    slot = fetched(slot, newer, 0.5)  # renewed ahead: nobody rejected `good`
    slot = rejected(slot, newer, 3000.5)
    assert decide(slot, 3000.5) is Do.FETCH
    assert rejected(fetched(slot, newest, 0.5), newest, 3001.5).held_until > 3001.5


def test_the_hold_off_of_a_server_that_rejects_every_token_grows() -> None:
    slot, now, waits = Slot(), 0.0, []
    for _ in range(3):
        while now >= slot.held_until:
            held = token(now)
            slot = rejected(fetched(slot, held, 0.5), held, now)
        waits.append(slot.held_until - now)
        now = slot.held_until
    assert waits == [60, 120, 240]

"""Use, renew, wait or hold off: what to do about one token, and what an outcome changes. Pure: the time is given.

Sources of the figures: JS SDK 2 min and REST JS 5 min margins fail on 1-minute tokens, so the margin is a share of
the life; ArcGIS Server's built-in store locks an account after five refused passwords, so a refused one rests.
"""

import enum
import re
from dataclasses import dataclass, replace
from typing import Final

from proxy.traffic import Token

_REFUSED_FIRST, _REFUSED_MOST = 60.0, 3600.0
_UNAVAILABLE_FIRST, _UNAVAILABLE_MOST = 1.0, 30.0
_EARLY_END: Final = 5.0  # a token that ends while it travels is one that has ended
_MOST_BEFORE: Final = 3
_YOUNG: Final = 10.0  # seconds; a token rejected younger than this was never good
# So many young tokens rejected in a row, and renewing stops for a while: two where no request has ever passed with
# one; five where the server takes our tokens elsewhere, since somebody may be revoking them by hand.
_UNPROVEN_LIMIT, _PROVEN_LIMIT = 2, 5
_MIN_LIFE, _UNTOLD_LIFE = 1.0, 600.0
_MAX_SANE_EPOCH_MS: Final = 253_402_300_800_000  # year 10000
_SECONDS_NOT_MS: Final = 100_000_000_000  # an epoch below this is in seconds
_DIGITS: Final = re.compile(r"-?[0-9]{1,32}(?:\.[0-9]{1,32})?")


class Failure(enum.Enum):
    """Why an acquisition failed, as far as it matters for when to try again."""

    REFUSED = "refused"  # the credential itself
    UNAVAILABLE = "unavailable"


class Do(enum.Enum):
    """What to do for somebody who asks for a token."""

    USE = "use"
    USE_AND_RENEW = "use_and_renew"
    FETCH = "fetch"
    HOLD_OFF = "hold_off"


@dataclass(frozen=True, slots=True)
class Slot:
    """Everything known about one audience's token."""

    token: Token | None = None
    renew_at: float = 0.0
    held_until: float = 0.0
    failures: int = 0  # in a row, of the kind that `failure` names
    failure: Failure | None = None
    refusals: int = 0  # since the last token: an outage in between does not give the account its five tries back
    young_rejections: int = 0
    proven: bool = False  # a request has passed with this token


def decide(slot: Slot, now: float) -> Do:
    """A living token is used even while renewals fail; nothing is fetched before a hold-off ends."""
    token = slot.token
    if token is not None and now < slot.renew_at and now < token.expires_at - _EARLY_END:
        return Do.USE  # as nearly always
    held = now < slot.held_until
    if token is not None and now < usable_until(token):
        return Do.USE if now < slot.renew_at or held else Do.USE_AND_RENEW
    return Do.HOLD_OFF if held else Do.FETCH


def usable_until(token: Token) -> float:
    """Five seconds before the end, or a tenth of a short life."""
    return token.expires_at - min(_EARLY_END, (token.expires_at - token.obtained_at) / 10)


def renewal_at(token: Token, jitter: float) -> float:
    """When to renew: max(10 s, min(5 min, 20 % of life)) before the end, but never in the first half of the life.

    `jitter` in 0..1 moves it by ±10 % of that margin, so that replicas do not log in together.
    """
    life = token.expires_at - token.obtained_at
    margin = max(10.0, min(300.0, 0.2 * life)) * (0.9 + 0.2 * jitter)
    return token.expires_at - min(margin, life / 2)


def following(token: Token, old: Token | None, now: float) -> Token:
    """`token`, which knows those before it that have not ended: what a server wrote with one of them is good for
    whoever reads it."""
    if old is None:
        return token
    earlier = (replace(old, before=()), *old.before)
    living = [each for each in earlier if now < each.expires_at and each.value != token.value]
    return replace(token, before=tuple(living[:_MOST_BEFORE])) if living else token


def fetched(slot: Slot, token: Token, jitter: float) -> Slot:
    """A new token. Rejections are remembered until one has lived: a server that rejects every token would else
    have us log in for each request."""
    old = slot.token
    has_lived = old is not None and slot.failure is not Failure.REFUSED and token.obtained_at - old.obtained_at > _YOUNG
    return replace(
        slot,
        token=token,
        renew_at=renewal_at(token, jitter),
        failures=0,
        failure=None,
        refusals=0,
        young_rejections=0 if has_lived else slot.young_rejections,
        proven=False,
    )


def failed(slot: Slot, failure: Failure, now: float) -> Slot:
    """A failed acquisition: the next waits twice as long as the one before."""
    if failure is Failure.REFUSED:
        refusals = failures = slot.refusals + 1
        first, most = _REFUSED_FIRST, _REFUSED_MOST
    else:
        refusals, failures = slot.refusals, slot.failures + 1 if slot.failure is failure else 1
        first, most = _UNAVAILABLE_FIRST, _UNAVAILABLE_MOST
    wait = _doubled(first, most, failures - 1)
    return replace(slot, failures=failures, failure=failure, refusals=refusals, held_until=now + wait)


def refusal_rest(refusals: int) -> float:
    """Seconds for which a password rests that was refused so many times in a row."""
    return _doubled(_REFUSED_FIRST, _REFUSED_MOST, max(refusals, 1) - 1)


def withdrawn(slot: Slot, now: float) -> Slot:
    """Others found the token rejected: it goes, and that is no rejection of ours to be counted."""
    return slot if now < slot.held_until else replace(slot, token=None, proven=False)


def accepted(slot: Slot, token: Token) -> Slot:
    """A request passed with `token`."""
    return replace(slot, proven=True) if slot.token is token and not slot.proven else slot


def rejected(slot: Slot, token: Token, now: float) -> Slot:
    """An upstream rejected `token`. Only this very token goes: a late word about an old one must not drop the new.

    Where young tokens are rejected again and again the token stays, for whatever still takes it, and nothing is
    renewed for a growing time: a server that rejects every token must not have us log in for each request.
    """
    if slot.token is not token or now < slot.held_until:
        return slot
    dropped = replace(slot, token=None, proven=False)
    if not token.is_renewable:
        if slot.proven:
            return slot  # the server takes it elsewhere
        rejections = slot.young_rejections + 1
        wait = refusal_rest(rejections)
        return replace(dropped, young_rejections=rejections, held_until=now + wait, failure=Failure.REFUSED)
    if now - token.obtained_at > _YOUNG:
        return replace(dropped, young_rejections=0 if slot.proven else slot.young_rejections)
    rejections = slot.young_rejections + 1
    over = rejections - (_PROVEN_LIMIT if slot.proven else _UNPROVEN_LIMIT)
    if over < 0:
        return replace(dropped, young_rejections=rejections)
    wait = refusal_rest(over + 1)
    return replace(slot, young_rejections=rejections, held_until=now + wait, failure=Failure.REFUSED)


def life(expires: object, *, wall_now: float, requested: float, short_validity: float | None = None) -> float:
    """Seconds that a new token lives. `expires` as the token service gave it: epoch milliseconds by the book, seen
    as seconds, as a string, or missing. `wall_now` is the service's own clock where it told it; `requested` and
    `short_validity` are seconds."""
    stated = _number(expires)
    if stated is None:
        return max(_MIN_LIFE, min(requested, short_validity or requested))
    left = (stated if stated < _SECONDS_NOT_MS else stated / 1000) - wall_now
    if left <= 0 or stated >= _MAX_SANE_EPOCH_MS:
        # A clock that disagrees, or no time at all. Believing it would be a login a second; should the token really
        # be dead, the server says so, and twice is enough to be held off.
        return max(_MIN_LIFE, min(requested, short_validity or _UNTOLD_LIFE))
    return max(_MIN_LIFE, min(left, requested + 60))


def _doubled(first: float, most: float, times: int) -> float:
    return min(most, first * 2.0 ** min(times, 20))  # 20: what is far above `most` need not be reckoned


def _number(value: object) -> float | None:
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = float(value)
    # JSON has numbers that no float holds, and Python's reader takes NaN and Infinity: neither is below
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < 2**1000 else None
    return value if isinstance(value, float) and abs(value) < 2.0**1000 else None

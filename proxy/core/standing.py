"""How a login at a web server stands: proven, doubted or resting. Pure: the time is given.

A directory locks an account after a few wrong passwords (Windows domains after five to ten), and a map asks for
dozens of pictures at once: so the first request goes alone, and what was refused rests for a growing time.
"""

from dataclasses import dataclass, replace
from typing import Final

_FIRST, _MOST = 60.0, 3600.0  # seconds of rest
# A login that has worked may be refused for one service alone, and the server says it the same way: three in a row, and
# not one that passed in between, are a changed password.
_PROVEN_LIMIT: Final = 3


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one login at one origin."""

    is_proven: bool = False  # a request has passed with it
    refusals: int = 0  # in a row
    rests: int = 0  # in a row
    held_until: float = 0.0
    proof: str = ""  # the page of a rule's own that has shown it, where one has


def is_resting(standing: Standing, now: float) -> bool:
    """Whether nothing is to be sent with this login."""
    return now < standing.held_until


def goes_alone(standing: Standing) -> bool:
    """Whether only one request at a time may go out with it: many would be as many wrong passwords."""
    return not standing.is_proven or standing.refusals > 0


def passed(standing: Standing, proof: str = "") -> Standing:
    """A request passed with this login; `proof` is the page, where it is a rule's own."""
    return Standing(is_proven=True, proof=proof or standing.proof)


def denied(standing: Standing, page: str) -> Standing:
    """The login is good, and not for this page: whatever is refused there says nothing about the login."""
    return Standing(is_proven=True, proof="" if page == standing.proof else standing.proof)


def refused(standing: Standing, now: float, *, is_certain: bool = False) -> Standing:
    """The server refused the login; `is_certain`: elsewhere too, where it took it before. What was on its way when a
    rest began says nothing new: twenty pictures are one changed password."""
    if is_resting(standing, now):
        return standing
    refusals = standing.refusals + 1
    if standing.is_proven and refusals < _PROVEN_LIMIT and not is_certain:
        return replace(standing, refusals=refusals)
    wait = min(_MOST, _FIRST * 2 ** min(standing.rests, 20))
    return Standing(rests=standing.rests + 1, held_until=now + wait)

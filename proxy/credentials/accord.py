"""What several proxies know together of one login at a web server: one tries it, the others believe the outcome.

Decides nothing about a login; `core.standing` does.
"""

from typing import Final

from proxy.core import standing
from proxy.core.standing import Standing
from proxy.credentials.words import error_of, fields_of, seconds_in
from proxy.errors import ProxyError
from proxy.ports import Commons
from proxy.traffic import Topic, Turn, Word

_GOOD: Final = 300.0  # seconds in which nobody has to begin alone
_DOUBT: Final = 3600.0  # seconds; as long as a directory may count wrong passwords
_MOST_RESTS, _MOST_REFUSALS = 64.0, 64.0
_MOST_WORDS: Final = 3  # one after another, before a turn is ours: who says more is not waited for


class Accord:
    """Of one login. Between `begin` and `end` nobody else tries it, here or elsewhere."""

    def __init__(self, commons: Commons | None, topic: Topic) -> None:
        self._commons, self._topic = commons, topic
        self._turn: Turn | None = None
        self._mark = ""  # of the word that was heard or said last
        self._before = Standing()

    async def begin(self, now: Standing, clock: float) -> tuple[Standing, ProxyError | None]:
        """How the login stands with what others found out meanwhile, and their reason where it rests."""
        self._turn, error = None, None
        for _ in range(_MOST_WORDS):
            if self._commons is None:
                break
            found = await self._commons.turn(self._topic, but=self._mark)
            if isinstance(found, Turn):
                self._turn = found
                break
            self._mark = found.mark  # we go on from what they know, and then it is our turn
            now, error = _heard(found, now, clock)
        self._before = now
        return now, error

    async def end(self, now: Standing, clock: float, error: ProxyError | None) -> None:
        """What the others may believe; nothing where nothing came out."""
        turn, self._turn = self._turn, None
        if self._commons is None or turn is None:
            return
        if now == self._before:
            await self._commons.release(self._topic, turn)
            return
        self._mark = turn.mark
        if standing.is_resting(now, clock):
            says = {**(fields_of(error) if error is not None else {}), "rests": now.rests}
            await self._commons.settle(self._topic, turn, says, now.held_until - clock)
        elif standing.goes_alone(now):
            # Each of them would count for itself, and the directory counts them all
            await self._commons.settle(self._topic, turn, {"refusals": now.refusals}, _DOUBT)
        else:
            await self._commons.settle(self._topic, turn, {"good": True, "proof": now.proof}, _GOOD)


def _heard(word: Word, now: Standing, clock: float) -> tuple[Standing, ProxyError | None]:
    if word.says.get("good") is True:
        proof = word.says.get("proof")
        return standing.passed(now, proof if isinstance(proof, str) else ""), None
    refusals = int(seconds_in(word.says, "refusals", _MOST_REFUSALS))
    if refusals:
        return Standing(is_proven=True, refusals=max(now.refusals, refusals), proof=now.proof), None
    error = error_of(word)
    rests = int(seconds_in(word.says, "rests", _MOST_RESTS))
    return Standing(rests=max(rests, 1), held_until=clock + (error.retry_after or 0.0)), error

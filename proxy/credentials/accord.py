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
_MOST_RESTS: Final = 64.0


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
        if self._commons is not None:
            found = await self._commons.turn(self._topic, but=self._mark)
            if isinstance(found, Word):
                self._mark = found.mark
                now, error = _heard(found, now, clock)
            else:
                self._turn = found
        self._before = now
        return now, error

    async def end(self, now: Standing, clock: float, error: ProxyError | None) -> None:
        """What the others may believe; nothing where nothing came out."""
        turn, self._turn = self._turn, None
        if self._commons is None or turn is None:
            return
        if standing.is_resting(now, clock) and error is not None and not standing.is_resting(self._before, clock):
            self._mark = turn.mark
            says = {**fields_of(error), "rests": now.rests}
            await self._commons.settle(self._topic, turn, says, now.held_until - clock)
        elif not standing.goes_alone(now) and standing.goes_alone(self._before):
            self._mark = turn.mark
            await self._commons.settle(self._topic, turn, {"good": True}, _GOOD)
        else:
            await self._commons.release(self._topic, turn)


def _heard(word: Word, now: Standing, clock: float) -> tuple[Standing, ProxyError | None]:
    if word.says.get("good") is True:
        return standing.passed(now), None
    error = error_of(word)
    rests = int(seconds_in(word.says, "rests", _MOST_RESTS))
    return Standing(rests=max(rests, 1), held_until=clock + (error.retry_after or 0.0)), error

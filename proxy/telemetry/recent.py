"""The last refusals and failures, for the status page: in words, with what to do. Holds no query and no client."""

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from proxy.ports import Clock
from proxy.telemetry.redaction import redact
from proxy.telemetry.requests import WELL
from proxy.traffic import Exchange

_MOST: Final = 20  # kinds of trouble
_LONGEST: Final = 300  # characters


@dataclass(slots=True)
class _Trouble:
    """One reason at one rule."""

    times: int
    last_at: float
    exchange: Exchange


class Recent:
    """One process's. The same reason at the same rule is one row, however often it comes, and where there are too many
    a refusal goes before what failed: nobody outside can push that off the list."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._troubles: OrderedDict[tuple[str, str], _Trouble] = OrderedDict()  # the newest last

    def record(self, exchange: Exchange) -> None:
        """Keeps what did not go well."""
        if exchange.outcome in WELL:
            return
        key = exchange.outcome, exchange.rule
        known = self._troubles.pop(key, None)
        times = known.times + 1 if known is not None else 1
        self._troubles[key] = _Trouble(times, self._clock(), exchange)
        if len(self._troubles) > _MOST:
            refused = (each for each, trouble in self._troubles.items() if _is_refusal(trouble.exchange.status))
            del self._troubles[next(refused, next(iter(self._troubles)))]

    def rows(self) -> list[dict[str, object]]:
        """The newest first."""
        now = self._clock()
        return [_row(trouble, now) for trouble in reversed(self._troubles.values())]


def merged_recent(lists: Iterable[Iterable[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Several processes' rows as one list."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted((row for rows in lists for row in rows), key=itemgetter("secondsAgo")):
        newer = found.setdefault((row["outcome"], row["rule"]), {**row, "times": 0})
        newer["times"] += row["times"]
    rows = list(found.values())
    while len(rows) > _MOST:
        rows.pop(max((at for at, row in enumerate(rows) if _is_refusal(row["status"])), default=-1))
    return rows


def _row(trouble: _Trouble, now: float) -> dict[str, object]:
    exchange = trouble.exchange
    return {
        "outcome": exchange.outcome,
        "rule": exchange.rule,
        "status": exchange.status,
        "times": trouble.times,
        "secondsAgo": round(now - trouble.last_at),
        "target": _shown(exchange.target),
        "what": _shown(exchange.note),
        "advice": _shown(exchange.advice),
    }


def _is_refusal(status: int) -> bool:
    """Anyone can bring one about."""
    return status < 500


def _shown(text: str) -> str:
    return redact(text[: 16 * _LONGEST])[0][:_LONGEST]

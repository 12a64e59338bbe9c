"""How near the clients of a rule are to its rate limit, in figures and in words. Counts nothing and names no client."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.model import Rate, Rule
from proxy.state.allowance import Windows, is_near, period_of


@dataclass(frozen=True, slots=True)
class Window:
    """One client's. `wait` is in seconds, for one who was refused and would be again."""

    used: int
    wait: float = 0.0


def usage(windows: Windows, rules: Iterable[Rule]) -> list[dict[str, object]]:
    """A row for each rule with a limit. Looks at who was near the edge or passed lately, not at everybody: there may
    be a hundred thousand clients, and this blocks those that are served."""
    limits = {(rule.name, f"{rule.rate.requests}/{period_of(rule.rate)}"): rule.rate for rule in rules if rule.rate}
    found: dict[tuple[str, str], list[Window]] = {limit: [] for limit in limits}
    for key, wait in windows.watched():
        name, _, allowed = key.rsplit(" ", 2)
        if (name, allowed) in found:
            used = windows.used(key, period_of(limits[name, allowed]))
            found[name, allowed].append(Window(used, wait))
    return [_row(limit[0], rate, found[limit]) for limit, rate in limits.items()]


def _row(rule: str, rate: Rate, clients: Sequence[Window]) -> dict[str, object]:
    """What the status page shows: the fullest client, and how many are near the edge."""
    refused = [each for each in clients if each.wait > 0]
    near = [each for each in clients if each.wait > 0 or is_near(each.used, rate.requests)]
    used = rate.requests if refused else max((each.used for each in clients), default=0)
    state = "refusing" if refused else "near" if near else "good"
    return {
        "rule": rule,
        "requests": rate.requests,
        "periodSeconds": period_of(rate),
        "used": used,
        "usedPercent": 100 * used // rate.requests,
        "state": state,
        "clientsNear": len(near),
        "clientsRefused": len(refused),
        "what": _what(near, refused, rate),
        "advice": _ADVICE[state],
    }


def _what(near: Sequence[Window], refused: Sequence[Window], rate: Rate) -> str:
    if refused:
        soonest = min(each.wait for each in refused)
        return f"{_clients(len(refused))} refused; the next request passes in {_span(soonest)}."
    if any(each.used >= rate.requests for each in near):
        return "A client has used all of it; its next request is refused."
    return f"{_clients(len(near))} near the limit." if near else ""


def _clients(count: int) -> str:
    return "1 client is" if count == 1 else f"{count} clients are"


def _span(seconds: float) -> str:
    return f"{max(1, math.ceil(seconds))} s" if seconds <= 120 else f"{math.ceil(seconds / 60)} min"


_ADVICE: Final = {
    "good": "",
    "near": "Beyond it pictures stay empty: if an ordinary map takes so much, raise rateLimit.",
    "refusing": "If an ordinary map takes so much, raise rateLimit. The log names the client (outcome rate_limited): "
    "if that is a proxy in front, list it in trustedProxies, or all behind it count as one.",
}

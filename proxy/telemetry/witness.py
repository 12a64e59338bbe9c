"""Is told what happens in a process, and tells it to all who keep it: log, metrics, traces, status page. Decides
nothing."""

import time
from typing import TYPE_CHECKING

from proxy.telemetry.lines import Hit
from proxy.telemetry.log import AccessLog, state_change
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.recent import Recent
from proxy.traffic import Exchange

if TYPE_CHECKING:
    from proxy.telemetry.spans import Tracing


class Witness:
    """One process's."""

    def __init__(self, metrics: Metrics, tracing: "Tracing | None") -> None:
        self._metrics, self._tracing = metrics, tracing
        self._access_log = AccessLog()
        self.recent = Recent()
        self.keys_problem: str | None = None  # why logins cannot be checked

    def request(self, exchange: Exchange) -> None:
        """A request has ended."""
        ended_at = time.monotonic()
        if self._tracing is not None:
            self._tracing.finish(exchange)
        self._metrics.record(exchange, ended_at)
        self.recent.record(exchange)
        self._access_log(exchange, ended_at)

    def hit(self, hit: Hit) -> None:
        """A request was answered from the cache, in the turn in which it came."""
        self._metrics.record_hit(hit)
        self._access_log.hit(hit)

    def login(self, event: str, credential: str, where: str, why: str = "") -> None:
        """What became of a token, or of a login at a web server."""
        self._metrics.token_event(event, credential)
        if event in ("refused", "unavailable"):
            state_change(f"credential_{event}", credential=credential, server=where, **({"why": why} if why else {}))

    def login_keys(self, event: str, url: str, why: str) -> None:
        """What became of the keys that users' logins are checked with."""
        self.keys_problem = why if event == "unavailable" else None
        state_change(f"login_keys_{event}", url=url, why=why)


def store_changed(is_up: bool, why: str, address: str) -> None:
    """The store that replicas share came or went."""
    if is_up:
        state_change("shared_state_reached", store=address)
    else:
        state_change("shared_state_lost", store=address, why=why)

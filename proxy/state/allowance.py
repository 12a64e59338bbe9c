"""Rate limits: at most N requests per period, rule and client (never called a token here)."""

import math
import time
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from proxy.errors import RateLimited
from proxy.model import Rate, Rule


class Allowance:
    """Counts in this process. A moving window: exactly `requests` pass in any period, with no burst at its edges.

    The counts are keyed by rule and rate, so a reload that leaves the rate alone keeps them.
    """

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._items: dict[Rate, RateLimitItemPerSecond] = {}

    def take(self, rule: Rule, client: str) -> None:
        """Takes one request of the client's allowance. Raises RateLimited with the seconds until the next passes."""
        rate = rule.rate
        if rate is None:
            return
        item = self._items.get(rate)
        if item is None:
            item = self._items[rate] = RateLimitItemPerSecond(rate.requests, max(1, round(rate.period)))
        key = (rule.name, client_key(client))
        if self._limiter.hit(item, *key):
            return
        reset = self._limiter.get_window_stats(item, *key).reset_time
        raise RateLimited(
            "Too many requests; the proxy's limit for this service is reached.",
            f"The limit is {rate.requests} requests in {round(rate.period)} seconds.",
            retry_after=max(1, math.ceil(reset - time.time())),
        )


def client_key(address: str) -> str:
    """One household is one client: IPv6 addresses count by their /64."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped is not None else f"{int(parsed) >> 64:x}/64"
    return address

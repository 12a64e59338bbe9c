"""Users, their lock-out after five wrong passwords, and tokens that end, are bound to a referer or an address, and can
be revoked. Knows nothing of requests."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_LOCKED_FOR = 15 * 60.0
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Issued:
    """What is known about a token that was given out. Times are seconds of the simulator's clock."""

    user: str
    issuer: str  # "server" or "portal"
    ends_at: float
    referer: str | None = None
    address: str | None = None
    is_app: bool = False


@dataclass(slots=True)
class Accounts:
    """Passwords and tokens of one simulated site."""

    users: dict[str, str]
    clock_offset: float = 0.0
    issued: dict[str, Issued] = field(default_factory=dict)
    logins: int = 0  # good ones, apps' too
    refusals: int = 0
    exchanges: int = 0
    _failures: dict[str, int] = field(default_factory=dict)
    _locked_until: dict[str, float] = field(default_factory=dict)
    _all_tokens: set[str] = field(default_factory=set)

    def now(self) -> float:
        """The simulator's clock, seconds since 1970."""
        return time.time() + self.clock_offset

    @property
    def all_tokens(self) -> frozenset[str]:
        """Every token ever given out: what no client may ever see."""
        return frozenset(self._all_tokens)

    def log_in(self, user: str, password: str) -> bool:
        """Whether the password is right and the account not locked."""
        if self.now() < self._locked_until.get(user, 0.0):
            self.refusals += 1
            return False
        if is_same(self.users.get(user, "\0"), password):
            self._failures.pop(user, None)
            self.logins += 1
            return True
        self.refusals += 1
        failures = self._failures[user] = self._failures.get(user, 0) + 1
        if failures >= _TRIES:
            self._locked_until[user] = self.now() + _LOCKED_FOR
        return False

    def issue(
        self,
        user: str,
        issuer: str,
        seconds: float,
        referer: str | None,
        *,
        address: str | None = None,
        is_app: bool = False,
    ) -> tuple[str, int]:
        """A new token and its end in epoch milliseconds. Real ones end with dots, too."""
        ends_at = self.now() + seconds
        seed = f"{user}\0{issuer}\0{ends_at}\0{len(self._all_tokens)}".encode()
        token = urlsafe_b64encode(hashlib.sha512(seed).digest()).decode().rstrip("=") + ".."
        self.issued[token] = Issued(user, issuer, ends_at, referer, address, is_app)
        self._all_tokens.add(token)
        return token, int(ends_at * 1000)

    def find(
        self, token: str, issuer: str, referer: str | None, *, address: str | None = None, match: str = "prefix"
    ) -> Issued | None:
        """The token's record if it is good here: of this issuer, alive, and sent from where it is bound to."""
        found = self.issued.get(token)
        if found is None or found.issuer != issuer or self.now() >= found.ends_at:
            return None
        if found.referer is not None and not _is_from(referer or "", found.referer, match):
            return None
        if found.address is not None and found.address != address:
            return None
        return found

    def revoke(self, token: str) -> None:
        self.issued.pop(token, None)

    def revoke_all(self) -> int:
        """Every token is bad from now on, whatever end it was given."""
        count = len(self.issued)
        self.issued.clear()
        return count


def is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _is_from(referer: str, bound: str, match: str) -> bool:
    """How strictly servers compare is not documented: a prefix in practice, the whole page at Online's proxies."""
    match match:
        case "off":
            return True
        case "exact":
            return referer == bound
        case "origin":
            return urlsplit(referer)[:2] == urlsplit(bound)[:2]
        case _:
            return referer.startswith(bound)

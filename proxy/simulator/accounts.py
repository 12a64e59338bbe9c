"""Users, their lock-out after five wrong passwords, and tokens that end, are bound to a referer, and can be revoked."""

import hashlib
import hmac
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

_LOCKED_FOR = 15 * 60.0
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Issued:
    """What is known about a token that was given out. Times are seconds of the simulator's clock."""

    user: str
    issuer: str  # "server" or "portal"
    ends_at: float
    referer: str | None


@dataclass(slots=True)
class Accounts:
    """Passwords and tokens of one simulated site."""

    users: dict[str, str]
    clock_offset: float = 0.0
    issued: dict[str, Issued] = field(default_factory=dict)
    logins: int = 0  # good ones
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
        if hmac.compare_digest(self.users.get(user, "\0").encode(), password.encode()):
            self._failures.pop(user, None)
            self.logins += 1
            return True
        self.refusals += 1
        failures = self._failures[user] = self._failures.get(user, 0) + 1
        if failures >= _TRIES:
            self._locked_until[user] = self.now() + _LOCKED_FOR
        return False

    def issue(self, user: str, issuer: str, seconds: float, referer: str | None) -> tuple[str, int]:
        """A new token and its end in epoch milliseconds. Real ones end with dots, too."""
        ends_at = self.now() + seconds
        seed = f"{user}\0{issuer}\0{ends_at}\0{len(self._all_tokens)}".encode()
        token = urlsafe_b64encode(hashlib.sha512(seed).digest()).decode().rstrip("=") + ".."
        self.issued[token] = Issued(user, issuer, ends_at, referer)
        self._all_tokens.add(token)
        return token, int(ends_at * 1000)

    def find(self, token: str, issuer: str, referer: str | None) -> Issued | None:
        """The token's record if it is good here: of this issuer, alive, and sent with the referer it was bound to."""
        found = self.issued.get(token)
        if found is None or found.issuer != issuer or self.now() >= found.ends_at:
            return None
        if found.referer is not None and not (referer or "").startswith(found.referer):
            return None
        return found

    def revoke_all(self) -> int:
        """Every token is bad from now on, whatever end it was given."""
        count = len(self.issued)
        self.issued.clear()
        return count

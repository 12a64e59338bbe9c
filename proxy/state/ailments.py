"""Why a store is of no use, in words, and what to do about it. The library's own words stay here: they may hold what
was sent."""

import socket
import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple

from redis import exceptions as of_redis

from proxy.model import SharedState

RIGHTS: Final = "~{prefix}:* &{prefix}:* -@all +@read +@write +@scripting +@pubsub +@connection +time"
_NO_CERTIFICATE: Final = "Let the store be content with a password (tls-auth-clients no)."
_WRITE_TLS: Final = "If it wants TLS, write rediss://."


class Ailment(NamedTuple):
    """A sentence each."""

    words: str
    advice: str


_OF_KIND: Final[tuple[tuple[type[Exception], Ailment], ...]] = (
    (of_redis.ReadOnlyError, Ailment("The store is a copy that may only be read.", "Name its primary in state.url.")),
    (of_redis.MasterDownError, Ailment("The store is a copy without its primary.", "Name the primary in state.url.")),
    (
        of_redis.OutOfMemoryError,
        Ailment(
            "The store is full and takes nothing more.",
            "Give it more memory (maxmemory), or the proxy a store of its own: it keeps a few megabytes there.",
        ),
    ),
    (
        of_redis.MovedError,
        Ailment(
            "The store is one part of a Redis Cluster.",
            "Name an address in state.url that hides the parts, or a store that is no cluster.",
        ),
    ),
    (
        of_redis.ClusterDownError,
        Ailment("The store is one part of a Redis Cluster that is down.", "Name one that is no cluster in state.url."),
    ),
    (of_redis.BusyLoadingError, Ailment("The store has just started and is loading.", "Try again in a moment.")),
    (
        of_redis.InvalidResponse,
        Ailment("What listens there is no Redis.", "Check host and port in state.url: 6379 is Redis' own."),
    ),
)
_WITHIN_A_SCRIPT: Final = "The user executing the script can't"
# What the library has no class for, by its first word
_OF_WORD: Final[dict[str, Ailment]] = {
    "DB": Ailment("The store has no database of that number.", "Correct the end of state.url; /0 is always there."),
    "MISCONF": Ailment(
        "The store cannot save to disk, and so refuses to be written to.",
        "Look at its log. The proxy's data want no saving.",
    ),
    "DENIED": Ailment(
        "The store is in protected mode and talks to its own machine alone.",
        "Give it a password (requirepass), and write it in state.url.",
    ),
    "NOREPLICAS": Ailment(
        "The store has too few copies, and so refuses to be written to.",
        "Look at its min-replicas-to-write and at the copies.",
    ),
}


def ailment(error: BaseException, state: SharedState) -> Ailment:
    """What `error` means to whoever wrote `state`."""
    chain = list(_chain(error))
    for kind, known in _OF_KIND:
        if isinstance(error, kind):
            return known
    if isinstance(error, of_redis.NoPermissionError) or str(error).startswith(_WITHIN_A_SCRIPT):
        rights = RIGHTS.format(prefix=state.prefix)
        return Ailment("The account may not do all that is needed.", f"It needs, as an ACL: {rights}")
    if isinstance(error, of_redis.AuthenticationError):
        return _not_let_in(str(error), state)
    if isinstance(error, of_redis.ResponseError):
        other = Ailment("The store refuses what it is asked.", "It has to be Redis 6 or newer, or Valkey.")
        return _OF_WORD.get(str(error).partition(" ")[0], other)
    if any(isinstance(each, ssl.SSLError) for each in chain):
        return _no_tls(chain)
    return _out_of_reach(chain, state)


def _not_let_in(said: str, state: SharedState) -> Ailment:
    if "without any password" in said or "no password is set" in said:
        return Ailment(
            "The store has no password, and the proxy brings one.",
            "Take the password out of state.url; better, give the store that password (requirepass).",
        )
    if state.address.password is None:
        return Ailment(
            "The store wants a password, and state.url has none.",
            "Write it as redis://:${REDIS_PASSWORD}@host, or with its user name as redis://name:${REDIS_PASSWORD}@host.",
        )
    return Ailment(
        "The store refuses the user name or the password.",
        "Correct it in state.url; special characters in it are percent-encoded (@ is %40, # is %23).",
    )


def _no_tls(chain: list[BaseException]) -> Ailment:
    said = " ".join(map(str, chain))
    if "CERTIFICATE_REQUIRED" in said or "HANDSHAKE_FAILURE" in said:
        return Ailment(
            "The store wants a certificate of the proxy's, which it has none of.",
            _NO_CERTIFICATE,
        )
    if "mismatch" in said or "doesn't match" in said:
        return Ailment(
            "The store's certificate is for another name.",
            "Write the name in state.url that stands in the certificate.",
        )
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return Ailment(
            "The store's certificate is not of an authority that this machine trusts, or has expired.",
            "Name the authority's file as state.caBundle.",
        )
    return Ailment(
        "The store and the proxy find no common TLS.",
        "Write redis:// if it speaks none; else let it speak TLS 1.2 or newer.",
    )


def _out_of_reach(chain: list[BaseException], state: SharedState) -> Ailment:
    kinds = tuple(type(each) for each in chain)
    if ConnectionRefusedError in kinds:
        return Ailment("Nothing listens there.", "Check host and port in state.url, and whether the store runs.")
    if socket.gaierror in kinds:
        return Ailment(
            "The store's name is not known (DNS).",
            "Check the host in state.url, and whether this machine can resolve it.",
        )
    if any(isinstance(each, TimeoutError | of_redis.TimeoutError) for each in chain):
        no_tls = " If it speaks no TLS, write redis://." if state.address.is_tls else ""
        return Ailment(
            "The store does not answer in time.",
            f"Check host and port in state.url, whether it hangs, and whether a firewall is between.{no_tls}",
        )
    # With TLS 1.3 a store that wants a certificate may hang up before its word about it is read
    tls = f"If it wants a certificate of the proxy's: {_NO_CERTIFICATE}" if state.address.is_tls else _WRITE_TLS
    return Ailment("The store ends the connection without an answer.", f"Check the port in state.url. {tls}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__

"""What a connection tells its pool, and whoever waits for an answer. Nothing here does anything."""

from typing import Protocol, TypeVar

from proxy.traffic import Reply

_Connection = TypeVar("_Connection", contravariant=True)


class Owner(Protocol[_Connection]):
    """Where connections go when they are free."""

    def freed(self, connection: _Connection, idle: float) -> None:
        """It may serve the next request, within `idle` seconds."""
        ...

    def lost(self, connection: _Connection) -> None:
        """It is gone. Said once."""
        ...

    def held(self, connection: _Connection) -> None:
        """It waits for its client, who reads or sends slowly; as long as `held_since` says so."""
        ...

    def watch(self, deadline: float) -> None:
        """`expire` has to be called at `deadline`, unless it has been moved until then."""
        ...


class Waiter(Protocol):
    """Who waits for an answer: a future, or what is called in the turn of the loop in which the answer comes."""

    def done(self) -> bool:
        """Whether nobody waits any more."""
        ...

    def set_result(self, reply: Reply, /) -> None:
        """The answer has begun."""
        ...

    def set_exception(self, error: Exception, /) -> None:
        """There is none: ProxyError or Stale."""
        ...

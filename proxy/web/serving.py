"""What stands behind the connections of a listener: who answers, and by which limits. Nothing here does anything."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from proxy.model import Limits
from proxy.web.watch import Watch

if TYPE_CHECKING:
    from proxy.web.connection import Connection

Handler = Callable[["Connection"], Awaitable[None]]
# Answers at once, without waiting, or has it done by an `Errand`; or says that it cannot: then nothing has been done
Quick = Callable[["Connection"], bool]


class Errand(Protocol):
    """Answers the request in flight without a task: it ends with `answered`, or asks for one by `serve`."""

    def gone(self) -> None:
        """The client has left."""
        ...

    async def go_on(self) -> None:
        """What is left to do, in the task that it asked for. No errand of the connection's any more."""
        ...


@dataclass(slots=True)
class Serving:
    """What all connections of a listener share. `refused` is told of each refusal before there is a request."""

    handler: Handler
    limits: Limits
    watch: Watch
    refused: Callable[[str], None]
    quicks: tuple[Quick, ...] = ()  # asked one after the other, before the handler
    is_draining: bool = False

"""All open client connections: how many there are, whose they are, and which of them have waited too long.

One timer looks at all of them about once a second, instead of one or two timers for each request. Reads no bytes.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from proxy.core.addresses import household
from proxy.model import Limits

try:
    import resource
except ImportError:  # Windows: its limit is memory
    resource = None  # type: ignore[assignment]

_SHARE: Final = 8  # one address gets an eighth of all connections
_FAIR: Final = 64  # and at least so many
_GIVES_WAY: Final = 2.0  # seconds after which a connection without a request may be closed for another
_AT_A_TIME: Final = 16  # a search for such connections frees a sixteenth, so that it is not made for each
_LINGERING: Final = 128  # refused connections that are kept until their answer is read; an eighth of all at most
_LAST_WORDS: Final = 1.0  # seconds in which what was cut off is written down
_LONGEST_REST, _SHORTEST_REST = 1.0, 0.02  # seconds between two looks


class Watched(Protocol):
    """A connection, as it is watched."""

    def idle_since(self) -> float | None:
        """Since when it has no request in hand; None while it has one."""
        ...

    def look(self, now: float) -> None:
        """Ends what has waited too long."""
        ...

    def drain(self) -> None:
        """Closes, after the request in hand if there is one."""
        ...

    def cut(self) -> None:
        """Closes at once."""
        ...


class Watch:
    """The connections of one listener."""

    def __init__(self, limits: Limits, is_trusted: Callable[[str], bool], most: int) -> None:
        """`is_trusted` says of an address whether it is a proxy in front, whose connections are many people's."""
        self.most = most
        self.share = max(_FAIR, most // _SHARE)
        self._most_lingering = min(_LINGERING, 1 + most // _SHARE)
        self._is_trusted = is_trusted
        self._rest = min(_LONGEST_REST, max(_SHORTEST_REST, min(limits.header_timeout, limits.idle_timeout) / 8))
        self._open: dict[Watched, str] = {}
        self._of: dict[str, int] = {}
        self._lingering: set[Watched] = set()
        self._searched: set[str] = set()  # whose connections were found busy since the last look
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Watched, address: str) -> bool:
        """Whether there is room for it; long-idle connections give way."""
        key = "" if self._is_trusted(address) else household(address)
        if len(self._open) >= self.most and not self._make_room(""):
            return False
        if key and self._of.get(key, 0) >= self.share and not self._make_room(key):
            return False
        self._open[connection] = key
        self._of[key] = self._of.get(key, 0) + 1
        self._arm()
        return True

    def linger(self, connection: Watched) -> bool:
        """Whether a refused connection may stay until its answer is read."""
        if connection not in self._open:
            if len(self._lingering) >= self._most_lingering:
                return False
            self._lingering.add(connection)
            self._arm()
        return True

    def leave(self, connection: Watched) -> None:
        """It is closed. Safe to call twice."""
        self._lingering.discard(connection)
        key = self._open.pop(connection, None)
        if not self._open and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)
        if key is None:
            return
        self._of[key] -= 1
        if not self._of[key]:
            del self._of[key]

    async def drain(self, seconds: float) -> None:
        """Closes them all. Requests in hand have `seconds` to end, their answers' bodies included."""
        self._emptied = asyncio.get_running_loop().create_future()
        for connection in [*self._open]:
            connection.drain()
        for patience in (seconds, _LAST_WORDS):
            if self._open:
                await asyncio.wait((self._emptied,), timeout=patience)
            for connection in [*self._open, *self._lingering]:
                connection.cut()

    def _make_room(self, key: str) -> bool:
        """Closes the longest idle connections, of one address or ("") of all."""
        if key in self._searched:
            return False
        before = asyncio.get_running_loop().time() - _GIVES_WAY
        idle = [
            (since, connection)
            for connection, of in self._open.items()
            if (not key or of == key) and (since := connection.idle_since()) is not None and since <= before
        ]
        idle.sort(key=lambda pair: pair[0])
        for _, connection in idle[: max(1, (self.share if key else self.most) // _AT_A_TIME)]:
            self.leave(connection)
            connection.cut()
        if not idle:
            self._searched.add(key)
        return bool(idle)

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._rest, self._look)

    def _look(self) -> None:
        self._timer = None
        self._searched.clear()
        now = asyncio.get_running_loop().time()
        for connection in [*self._open, *self._lingering]:
            connection.look(now)
        if self._open or self._lingering:
            self._arm()


def affordable(wanted: int) -> int:
    """How many client connections the process has descriptors for; raises its soft limit where that is needed and
    allowed. A part is kept for upstreams, files and what is being refused: without one left nothing can be accepted,
    and asyncio says so in a traceback for each try."""
    if resource is None:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    infinite = resource.RLIM_INFINITY
    if soft != infinite and _for_clients(soft) < wanted:
        needed = wanted * 5 // 4 + 512
        raised = needed if hard == infinite else min(hard, needed)
        if raised > soft:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
                soft = raised
            except (ValueError, OSError):
                pass  # macOS has a limit of its own below the hard one
    return wanted if soft == infinite else max(1, min(wanted, _for_clients(soft)))


def _for_clients(descriptors: int) -> int:
    return descriptors - max(descriptors // 5, min(256, descriptors // 2))

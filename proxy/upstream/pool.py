"""The connections to one origin by one route: bounded, given out in order, and thrown away when in doubt."""

import asyncio
from collections.abc import Callable, Container, Mapping
from typing import Final

from proxy import names
from proxy.identity import Route
from proxy.traffic import Outgoing, Reply
from proxy.upstream import asking, wire
from proxy.upstream.asking import Rest
from proxy.upstream.connection import NEVER, Connection, Stale
from proxy.upstream.dial import Dialer
from proxy.upstream.failures import bad_answer, busy, gives_way, proxy_refuses, stopping
from proxy.upstream.owner import Waiter
from proxy.upstream.turns import Turns, too_many
from proxy.upstream.watch import Watch
from proxy.urls import DEFAULT_PORTS, Origin

SLOW: Final = 1.0  # seconds without a step, after which a client's request may give way to others


class Pool:
    """Implements `ports.Upstream` for one origin and route.

    `is_lane`: for one user alone, who may need this very connection again after a HEAD. Raises as `Dialer`.
    """

    def __init__(
        self, origin: Origin, route: Route, own_ports: Callable[[], Container[int]], *, is_lane: bool = False
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._route, self._is_lane = route, is_lane
        self._dialer = Dialer(origin, route, own_ports)
        self._limit = 1 if is_lane else route.max_connections
        is_default = DEFAULT_PORTS[origin.scheme] == origin.port
        self._host = origin.host if is_default else f"{origin.host}:{origin.port}"
        way = self._dialer.way
        # Plain HTTP is asked for in full and with a login: the proxy reads the request itself
        is_read = way is not None and origin.scheme == "http"
        self._prefix = str(origin) if is_read else ""
        self._added = way.headers if way is not None and is_read else {}
        self._watch = Watch(self._loop)
        self.watch = self._watch.at  # see `owner.Owner`
        self._free: list[Connection] = []  # the last one in is the first one out: it is the likeliest to be open
        self._open: set[Connection] = set()
        self._slots = 0  # connections that are open or being made
        self._queue: Turns[Connection | None] = Turns()  # None: a slot to dial in
        self._held: set[Connection] = set()  # by slow clients, or not any more
        self._relief: asyncio.TimerHandle | None = None
        self._is_retired = self._is_closed = False
        self.dialled = 0
        self.newest: Connection | None = None

    @property
    def is_unused(self) -> bool:
        """It may be forgotten."""
        return not self._slots and not self._queue

    @property
    def is_busy(self) -> bool:
        """A connection is under way with an answer, or being made."""
        return self._slots > len(self._free)

    async def send(self, outgoing: Outgoing) -> Reply:
        """See `ports.Upstream.send`."""
        method, patience = outgoing.method, self._route.header_timeout
        first, rest = self._written(outgoing)
        is_second = outgoing.is_second
        if is_second:
            connection = await self._unused(outgoing)
        else:
            connection = self._free.pop() if self._free else await self._checked(outgoing)
        while True:
            connection.client = outgoing.client
            waiter = connection.ask(first, method, patience, has_more=rest is not None)
            try:
                reply = await (waiter if rest is None else asking.uploaded(connection, waiter, rest, patience))
                break
            except Stale:
                # Nothing of it was answered, and only what changes nothing may be asked twice (RFC 9110 §9.2.2)
                if is_second or method not in names.SAFE_METHODS or outgoing.body.whole != b"":
                    raise bad_answer() from None
            except BaseException:
                connection.abandon(waiter)
                raise
            is_second, connection = True, await self._unused(outgoing)
        if reply.status == 407 and self._dialer.way is not None:
            reply.close()
            raise proxy_refuses(reply.status)
        return reply

    @property
    def is_ready(self) -> bool:
        """There is a connection for `tell`."""
        return bool(self._free) and self._dialer.way is None

    def head(self, address: str, headers: Mapping[str, str], request_id: str) -> bytes:
        """Of a GET of `address`, a path and its query, as it goes to the server itself. Raises BadRequest."""
        return wire.request_head("GET", address, self._host, headers, wire.own_line(names.X_REQUEST_ID, request_id))

    def tell(self, head: bytes, client: str, waiter: Waiter) -> Connection:
        """Sends it on a connection that is free (`is_ready`); see `Connection.tell`."""
        connection = self._free.pop()
        connection.client = client
        connection.tell(head, "GET", self._route.header_timeout, waiter)
        return connection

    def retire(self) -> None:
        """What is free is closed, what is busy is when it ends."""
        self._is_retired = True
        self.hang_up()

    def hang_up(self) -> None:
        """What is free is closed; the next request makes a new one."""
        for connection in self._free[:]:
            connection.abort()

    def close(self) -> None:
        """What is busy, too."""
        self._is_closed = True
        self.retire()
        self._queue.end(stopping)
        for connection in list(self._open):
            connection.fail(stopping())
        if self._relief is not None:
            self._relief.cancel()
        self._watch.close()
        self._dialer.close()

    # --- what connections call ---------------------------------------------------------------------------------

    def freed(self, connection: Connection, idle: float) -> None:
        """See `owner.Owner`."""
        if connection.uses == 1:
            self._dialer.keep_session(connection)
        if self._is_retired or idle <= 0 or (connection.method == "HEAD" and not self._is_lane):
            # After a HEAD there are servers that send the body all the same, and it would answer the next request
            connection.abort()
            return
        connection.deadline = self._loop.time() + idle
        self._give(connection)

    def lost(self, connection: Connection) -> None:
        """See `owner.Owner`."""
        if connection not in self._open:
            return
        self._open.remove(connection)
        self._held.discard(connection)
        self._watch.remove(connection)
        if connection in self._free:
            self._free.remove(connection)
        self._slot_is_free()

    def held(self, connection: Connection) -> None:
        """See `owner.Owner`."""
        self._held.add(connection)
        self._relieve()

    # --- inside ------------------------------------------------------------------------------------------------

    def _written(self, outgoing: Outgoing) -> tuple[bytes, Rest | None]:
        """What goes up at once, and what follows."""
        method, body, headers = outgoing.method, outgoing.body, outgoing.headers
        if self._added:
            headers = headers | self._added
        own = asking.framing_line(method, body)
        if outgoing.request_id:
            own += wire.own_line(names.X_REQUEST_ID, outgoing.request_id)
        address = self._prefix + outgoing.target.path_and_query
        head = wire.request_head(method, address, self._host, headers, own)
        return (head, None) if body.whole == b"" else asking.with_body(head, body)

    async def _checked(self, outgoing: Outgoing) -> Connection:
        """The next one; after a wait the request may have lost its point."""
        connection = await self._next(outgoing.client)
        try:
            outgoing.check()
        except BaseException:
            self.freed(connection, min(connection.deadline - self._loop.time(), wire.idle_limit(None)))
            raise
        return connection

    async def _unused(self, outgoing: Outgoing) -> Connection:
        """A connection that nobody has used before, if there may be another."""
        if self._slots >= self._limit and self._free:
            self._free[0].abort()  # the oldest one gives way; `lost` frees its slot
        return await self._checked(outgoing)

    async def _next(self, client: str) -> Connection:
        """A new one, or the next that comes free. Raises UpstreamTimeout where all stay busy for `connect_timeout`."""
        if self._slots < self._limit:
            self._slots += 1
            return await self._dialled()
        turn: asyncio.Future[Connection | None] = self._loop.create_future()
        self._queue.enter(client, turn)
        self._relieve()
        try:
            async with asyncio.timeout(self._route.connect_timeout):
                connection = await turn
        except TimeoutError:
            self._left_queue(client, turn)
            raise busy() from None
        except BaseException:
            self._left_queue(client, turn)
            raise
        if connection is None:
            return await self._dialled()
        # It may have ended since its turn came
        return connection if connection.is_open else await self._next(client)

    def _left_queue(self, client: str, turn: asyncio.Future[Connection | None]) -> None:
        """Its turn may have come at the same moment: then it is the next one's."""
        if not self._queue.leave(client, turn) and turn.done() and not turn.cancelled() and turn.exception() is None:
            connection = turn.result()
            if connection is None:
                self._slot_is_free()
            else:
                self._give(connection)

    async def _dialled(self) -> Connection:
        """In a slot that the caller has taken."""
        try:
            if self._is_closed:
                raise stopping()
            connection = await self._dialer.dial(self)
            if not connection.is_open:  # it ended before it was used, and `lost` did not know it
                raise bad_answer()
        except BaseException:
            self._slot_is_free()
            raise
        self._open.add(connection)
        self._watch.add(connection)
        self.dialled += 1
        self.newest = connection
        return connection

    def _give(self, connection: Connection) -> None:
        """To whoever waits longest, else it rests."""
        if connection.is_open and not self._queue.pass_on(connection):
            self._free.append(connection)
            self._watch.at(connection.deadline)

    def _slot_is_free(self) -> None:
        if not self._queue.pass_on(None):
            self._slots -= 1

    def _relieve(self) -> None:
        """Others wait: what one client holds beyond its share, by being slow, is given up. Or it would be enough to
        read large answers slowly, a hundred at a time, to have a server for oneself."""
        if not self._held or not self._queue or self._relief is not None:
            return
        patience = min(SLOW, self._route.connect_timeout / 4)
        for connection in too_many(self._held, self._limit, self._loop.time() - patience):
            connection.fail(gives_way())
        self._held = {connection for connection in self._held if connection.held_since < NEVER}
        if self._held and self._queue:
            self._relief = self._loop.call_later(patience, self._look_again)

    def _look_again(self) -> None:
        self._relief = None
        self._relieve()

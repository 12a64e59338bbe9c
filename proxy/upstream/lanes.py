"""Connections of one's own, for logins that hold for a connection (NTLM): pools of one, lent out and taken back."""

import asyncio
from collections.abc import Callable, Container

from proxy.identity import Route
from proxy.traffic import Outgoing, Reply
from proxy.upstream.connection import Connection
from proxy.upstream.failures import busy, gives_way, stopping
from proxy.upstream.pool import SLOW, Pool
from proxy.upstream.turns import Turns, too_many
from proxy.urls import Origin


class _OnlyOne(Pool):
    """The connection of a lane: tells when it rests, or there is none."""

    def __init__(
        self, origin: Origin, route: Route, own_ports: Callable[[], Container[int]], rests: Callable[[], None]
    ) -> None:
        super().__init__(origin, route, own_ports, is_lane=True)
        self._rests = rests

    def freed(self, connection: Connection, idle: float) -> None:
        """See `owner.Owner`."""
        super().freed(connection, idle)
        self._rests()

    def lost(self, connection: Connection) -> None:
        """See `owner.Owner`."""
        super().lost(connection)
        self._rests()


class _Lane:
    """Implements `ports.Lane`."""

    def __init__(self, lanes: "Lanes", origin: Origin, route: Route, own_ports: Callable[[], Container[int]]) -> None:
        self.is_signed_in = False
        self.pool = _OnlyOne(origin, route, own_ports, self._rests)
        self._lanes = lanes
        self._is_taken = self._is_leaving = False

    def take(self) -> None:
        self._is_taken, self._is_leaving = True, False

    async def send(self, outgoing: Outgoing) -> Reply:
        return await self.pool.send(outgoing)

    @property
    def connection(self) -> int:
        return self.pool.dialled

    def peer_certificate(self) -> bytes | None:
        newest = self.pool.newest
        tls = newest.tls if newest is not None else None
        return tls.getpeercert(binary_form=True) if tls is not None else None

    def hang_up(self) -> None:
        self.is_signed_in = False
        self.pool.hang_up()

    def release(self) -> None:
        """With the end of the answer, not when the client has read it: who reads slowly would keep a connection that
        the server has long done with."""
        self._is_leaving = True
        self._rests()

    def _rests(self) -> None:
        if self._is_taken and self._is_leaving and not self.pool.is_busy:
            self._is_taken = False
            self._lanes.back(self)


class Lanes:
    """The lanes of one origin and route. The one that was used last is given first: it is the likeliest to be open.
    Clients take turns, and the slow ones give way, as with a pool's connections."""

    def __init__(self, origin: Origin, route: Route, own_ports: Callable[[], Container[int]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._origin, self._route, self._own_ports = origin, route, own_ports
        self._idle: list[_Lane] = []
        self._taken: set[_Lane] = set()
        self._slots = 0  # lanes that are taken, or promised to whose turn it is
        self._queue: Turns[None] = Turns()
        self._relief: asyncio.TimerHandle | None = None
        self._is_retired = False

    async def take(self, client: str) -> _Lane:
        """Raises UpstreamTimeout where all stay busy for `connect_timeout`."""
        if self._slots < self._route.max_connections:
            self._slots += 1
        else:
            await self._turn(client)
        try:
            lane = self._idle.pop() if self._idle else _Lane(self, self._origin, self._route, self._own_ports)
        except BaseException:
            self._slot_is_free()
            raise
        self._taken.add(lane)
        lane.take()
        return lane

    @property
    def is_unused(self) -> bool:
        """See `Pool.is_unused`."""
        return not self._slots

    def retire(self) -> None:
        """Those that are taken go when they are given back: a login in the middle needs its connection."""
        self._is_retired = True
        while self._idle:
            self._idle.pop().pool.close()

    def close(self) -> None:
        """See `Pool.close`."""
        self.retire()
        self._queue.end(stopping)
        for lane in [*self._taken]:
            lane.pool.close()

    def back(self, lane: _Lane) -> None:
        """It may be lent to the next one."""
        self._taken.discard(lane)
        if self._is_retired:
            lane.pool.retire()
        else:
            self._idle.append(lane)
        self._slot_is_free()

    async def _turn(self, client: str) -> None:
        turn: asyncio.Future[None] = self._loop.create_future()
        self._queue.enter(client, turn)
        if self._relief is None:
            self._relieve()
        try:
            async with asyncio.timeout(self._route.connect_timeout):
                await turn
        except BaseException as error:
            is_late = not self._queue.leave(client, turn) and turn.done() and not turn.cancelled()
            if is_late and turn.exception() is None:  # it came at the same moment: then it is the next one's
                self._slot_is_free()
            if isinstance(error, TimeoutError):
                raise busy() from None
            raise

    def _slot_is_free(self) -> None:
        if not self._queue.pass_on(None):
            self._slots -= 1

    def _relieve(self) -> None:
        """Looks again as long as somebody waits. See `Pool`."""
        self._relief = None
        if not self._queue:
            return
        patience = min(SLOW, self._route.connect_timeout / 4)
        held = [lane.pool.newest for lane in self._taken if lane.pool.newest is not None]
        for connection in too_many(held, self._route.max_connections, self._loop.time() - patience):
            connection.fail(gives_way())
        self._relief = self._loop.call_later(patience, self._relieve)

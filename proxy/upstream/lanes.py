"""Connections of one's own, for logins that hold for a connection (NTLM): pools of one, lent out and taken back."""

import asyncio
from collections.abc import Callable, Container

from proxy.identity import Route
from proxy.traffic import Outgoing, Reply
from proxy.upstream.failures import busy
from proxy.upstream.pool import Pool
from proxy.urls import Origin


class _Lane:
    """Implements `ports.Lane`."""

    def __init__(self, pool: Pool, release: Callable[["_Lane"], None]) -> None:
        self.is_signed_in = False
        self.pool, self._release = pool, release
        self._is_taken = False

    def take(self) -> None:
        self._is_taken = True

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
        if self._is_taken:
            self._is_taken = False
            self._release(self)


class Lanes:
    """The lanes of one origin and route. The one that was used last is given first: it is the likeliest to be open."""

    def __init__(self, origin: Origin, route: Route, own_ports: Callable[[], Container[int]]) -> None:
        self._origin, self._route, self._own_ports = origin, route, own_ports
        self._free = asyncio.Semaphore(route.max_connections)
        self._idle: list[_Lane] = []
        self._taken: set[_Lane] = set()
        self._is_retired = False

    async def take(self) -> _Lane:
        """Raises UpstreamTimeout where all stay busy for `connect_timeout`."""
        try:
            async with asyncio.timeout(self._route.connect_timeout):
                await self._free.acquire()
        except TimeoutError:
            raise busy() from None
        try:
            lane = self._idle.pop() if self._idle else self._new()
        except BaseException:
            self._free.release()
            raise
        self._taken.add(lane)
        lane.take()
        return lane

    @property
    def is_unused(self) -> bool:
        """See `Pool.is_unused`."""
        return not self._taken

    def retire(self) -> None:
        """Those that are taken go when they are given back: a login in the middle needs its connection."""
        self._is_retired = True
        while self._idle:
            self._idle.pop().pool.close()

    def close(self) -> None:
        """See `Pool.close`."""
        self.retire()
        for lane in self._taken:
            lane.pool.close()

    def _new(self) -> _Lane:
        return _Lane(Pool(self._origin, self._route, self._own_ports, is_lane=True), self._back)

    def _back(self, lane: _Lane) -> None:
        self._taken.discard(lane)
        if self._is_retired:
            lane.pool.retire()
        else:
            self._idle.append(lane)
        self._free.release()

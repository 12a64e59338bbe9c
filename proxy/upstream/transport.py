"""The proxy's own HTTP/1.1 towards servers: one pool for each origin and route, so that one dead upstream cannot use
up the connections of another. Follows no redirects, keeps no cookies, decodes no bodies, reads no settings."""

import asyncio
from collections.abc import Callable, Container, Coroutine, Iterable
from typing import Final

from proxy.identity import Route
from proxy.ports import Lane
from proxy.traffic import Outgoing, Reply
from proxy.upstream.lanes import Lanes
from proxy.upstream.pool import Pool
from proxy.urls import Origin

_MANY_POOLS: Final = 256  # above this, those that nobody uses are forgotten: a wildcard rule makes one for each host

_Place = tuple[str, int, str]


class UpstreamTransport:
    """Implements `ports.Transport`. `own_ports` are those that this process listens on."""

    def __init__(self, own_ports: Callable[[], Container[int]] = frozenset) -> None:
        self._own_ports = own_ports
        self._pools: dict[Route, dict[_Place, Pool]] = {}
        self._lanes: dict[tuple[Origin, Route], Lanes] = {}
        # By identity: to hash a route costs as much as to parse an answer. The route is kept, so its id stays its own
        self._known: dict[int, tuple[Route, dict[_Place, Pool]]] = {}
        self._count = 0
        self._retired: list[Pool | Lanes] = []

    def send(self, outgoing: Outgoing) -> Coroutine[None, None, Reply]:
        """See `ports.Upstream.send`."""
        route, origin = outgoing.route, outgoing.target.origin
        known = self._known.get(id(route))
        pools = known[1] if known is not None else self._of(route)
        pool = pools.get((origin.host, origin.port, origin.scheme))
        if pool is None:
            pool = self._new(pools, origin, route)
        return pool.send(outgoing)

    def ready(self, origin: Origin, route: Route) -> Pool | None:
        """Where one of the connections there can be asked at once."""
        known = self._known.get(id(route))
        pool = known[1].get((origin.host, origin.port, origin.scheme)) if known is not None else None
        return pool if pool is not None and pool.is_ready else None

    async def lane(self, origin: Origin, route: Route, client: str) -> Lane:
        """See `ports.Transport.lane`."""
        lanes = self._lanes.get((origin, route))
        if lanes is None:
            lanes = self._lanes[origin, route] = Lanes(origin, route, self._own_ports)
        return await lanes.take(client)

    async def retain(self, routes: Iterable[Route]) -> None:
        """After a reload: closes what no rule uses any more. Requests in flight keep theirs until they end."""
        kept = frozenset(routes)
        gone: list[Pool | Lanes] = []
        for route in [route for route in self._pools if route not in kept]:
            gone += self._pools.pop(route).values()
        gone += [self._lanes.pop(key) for key in [key for key in self._lanes if key[1] not in kept]]
        self._known.clear()
        for each in gone:
            each.retire()
        self._retired = [each for each in [*self._retired, *gone] if not each.is_unused]
        await asyncio.sleep(0)  # the sockets close in the next round of the loop

    async def close(self) -> None:
        """Ends what is in flight, too."""
        await self.retain(())
        for each in self._retired:
            each.close()
        self._retired.clear()
        await asyncio.sleep(0)

    def _of(self, route: Route) -> dict[_Place, Pool]:
        pools = self._pools.setdefault(route, {})
        if len(self._known) > _MANY_POOLS:  # equal routes that are not the same object
            self._known.clear()
        self._known[id(route)] = route, pools
        return pools

    def _new(self, pools: dict[_Place, Pool], origin: Origin, route: Route) -> Pool:
        self._count += 1
        if self._count > _MANY_POOLS:
            self._forget()
        pool = pools[origin.host, origin.port, origin.scheme] = Pool(origin, route, self._own_ports)
        return pool

    def _forget(self) -> None:
        for pools in self._pools.values():
            for place in [place for place, pool in pools.items() if pool.is_unused]:
                pools.pop(place).close()
        self._count = 1 + max(sum(map(len, self._pools.values())) - _MANY_POOLS // 2, 0)

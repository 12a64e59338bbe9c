"""How connections to one origin are made: its name, the judged address, a proxy on the way, TLS that resumes."""

import asyncio
from collections.abc import Callable, Container
from functools import partial
from typing import Final, cast

from aiohappyeyeballs import start_connection

from proxy.identity import Reach, Route
from proxy.upstream import wire
from proxy.upstream.connection import Connection
from proxy.upstream.failures import not_connected, proxy_refuses, silent, unknown_name
from proxy.upstream.guard import AddressGuard
from proxy.upstream.outbound import way_out
from proxy.upstream.owner import Owner
from proxy.upstream.resolve import LISTED, OTHERS, Lookups, Name
from proxy.upstream.tls import SessionContext, tls_context
from proxy.urls import Origin

_NEXT_ADDRESS: Final = 0.25  # seconds before the next one is tried beside it (RFC 8305 §5)


class Dialer:
    """Makes the connections of one origin and route.

    `own_ports` are those that this process listens on, `lookups` who is asked for names.
    Raises UpstreamFailed where the environment names an outbound proxy that cannot be used, and as `tls_context`.
    """

    def __init__(
        self, origin: Origin, route: Route, own_ports: Callable[[], Container[int]], lookups: Lookups | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._origin, self._route, self._own_ports = origin, route, own_ports
        self.way = way_out(origin, route)
        context = tls_context(route.ca_bundle, route.certificate, route.tls_version)
        self._context = context if origin.scheme == "https" else None
        self._is_anyones = self.way is None and route.reach is Reach.PUBLIC  # clients name such hosts
        self._own_name = origin.host.rstrip(".")  # as certificates have it
        if self.way is None:
            lookups = lookups or (OTHERS if route.reach is Reach.PUBLIC else LISTED)
            self._name, self._first_context = Name(origin.host, origin.port, lookups), self._context
        else:
            url = self.way.url
            self._name = Name(url.host or "", url.port or 0)
            self._first_context = context if url.scheme == "https" else None

    def close(self) -> None:
        """No more lookups."""
        self._name.close()

    async def dial(self, owner: Owner[Connection]) -> Connection:
        """A connection that is ready for its first request.

        Raises UpstreamTimeout after `connect_timeout` in all, UpstreamFailed, or CredentialRefused where the server
        does not take the client certificate.
        """
        guard = AddressGuard(self._route if self.way is None else self.way.route, self._own_ports)
        try:
            async with asyncio.timeout(self._route.connect_timeout):
                connection = await self._connected(owner, guard)
                if self.way is not None and self._context is not None:
                    await self._tunnelled(connection, self._context)
                return connection
        except TimeoutError:
            raise silent(has_proxy=self.way is not None) from None
        except (OSError, RuntimeError) as error:  # uvloop has RuntimeError for some
            has_proxy, is_anyones = self.way is not None, self._is_anyones
            raise not_connected(error, refused=guard.refused, has_proxy=has_proxy, is_anyones=is_anyones) from None

    def keep_session(self, connection: Connection) -> None:
        """What shortens the next handshake; TLS 1.3 gives it out after the handshake, with the first answer."""
        tls = connection.tls
        if tls is not None and self._context is not None and tls.session is not None:
            self._context.keep(self._own_name, tls.session)

    async def _connected(self, owner: Owner[Connection], guard: AddressGuard) -> Connection:
        found = await self._name.addresses()
        if not found:
            raise unknown_name(has_proxy=self.way is not None, is_anyones=self._is_anyones)
        sock = await start_connection(
            found, happy_eyeballs_delay=_NEXT_ADDRESS, interleave=1, loop=self._loop, socket_factory=guard
        )
        new = partial(Connection, self._loop, owner, self._route.idle_timeout)
        context = self._first_context
        try:
            _, connection = await self._loop.create_connection(
                new,
                sock=sock,
                ssl=context,
                server_hostname=self._name.host.rstrip(".") if context is not None else None,
                ssl_handshake_timeout=self._route.connect_timeout + 1 if context is not None else None,
            )
        except BaseException:
            sock.close()
            raise
        return connection

    async def _tunnelled(self, connection: Connection, context: SessionContext) -> None:
        """CONNECT, then TLS with the server itself: the proxy carries what it cannot read."""
        place = f"{self._origin.host}:{self._origin.port}"
        head = wire.request_head("CONNECT", place, place, self.way.headers if self.way else {})
        waiter = connection.ask(head, "CONNECT", self._route.connect_timeout + 1)
        try:
            reply = await waiter
            if not 200 <= reply.status < 300:
                raise proxy_refuses(reply.status)
            transport = await self._loop.start_tls(
                connection.transport,
                connection,
                context,
                server_hostname=self._own_name,
                ssl_handshake_timeout=self._route.connect_timeout + 1,
            )
            connection.become(cast("asyncio.Transport", transport))
        except BaseException:
            connection.abandon(waiter)
            connection.abort()
            raise

"""Basic logins (RFC 7617): they go with every request unasked, so whether one is wanted shows without it alone."""

from dataclasses import replace

from proxy import names
from proxy.ports import Transport
from proxy.traffic import Outgoing, Reply


class BasicSession:
    """Implements `ports.Session`. The login itself is in the headers already (`core.inject.identify`)."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def send(self, outgoing: Outgoing) -> Reply:
        """See `ports.Upstream.send`."""
        reply = await self._transport.send(outgoing)
        reply.is_signed_in = True
        return reply

    async def send_anew(self, outgoing: Outgoing) -> Reply:
        """See `ports.Session.send_anew`: each request is judged by itself."""
        return await self.send(outgoing)

    async def prove(self, outgoing: Outgoing) -> Reply:
        """See `ports.Session.prove`."""
        bare = {name: value for name, value in outgoing.headers.items() if name != names.AUTHORIZATION}
        reply = await self._transport.send(replace(outgoing, headers=bare))
        if reply.status != names.CODE_UNAUTHORIZED:
            return reply
        reply.close()
        return await self.send(outgoing)

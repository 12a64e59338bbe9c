"""The public listener's connections: how they are made, counted, and ended. Knows nothing of what is served."""

import ssl
from collections.abc import Callable

from proxy.model import Limits
from proxy.telemetry.log import state_change
from proxy.web.connection import Connection
from proxy.web.gate import Gate
from proxy.web.serving import Handler, Quick, Serving
from proxy.web.watch import Watch, affordable


class Front:
    """The factory of connections, and their shutdown."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        refused: Callable[[str], None],
        is_trusted: Callable[[str], bool] = lambda address: False,
        quicks: tuple[Quick, ...] = (),
    ) -> None:
        """`refused` is told of every refusal before there is a request. `is_trusted` says whether an address is a
        proxy in front of us: its connections are many people's and have no share of their own."""
        most = affordable(limits.connections)
        if most < limits.connections:
            state_change("connections_unavailable", wanted=limits.connections, possible=most)
        self._serving = Serving(handler, limits, Watch(limits, is_trusted, most), refused, quicks)

    def __call__(self, hand_over: Callable[[], None] | None = None) -> Connection:
        """`hand_over` as in `Connection`."""
        return Connection(self._serving, hand_over)

    def gate(self, context: ssl.SSLContext, patience: float, goodbye: float) -> Gate:
        """Where connections come in that begin with TLS. Times as in `Gate`."""
        serving = self._serving
        return Gate(self, serving.watch, serving.refused, context, patience=patience, goodbye=goodbye)

    async def shutdown(self, timeout: float) -> None:
        """Idle connections close at once; a request in flight has `timeout` seconds to end."""
        self._serving.is_draining = True
        await self._serving.watch.drain(timeout)

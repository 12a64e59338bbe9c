"""A listener: the socket, its TLS, and the graceful stop. Knows nothing of what is served on it."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from proxy import files
from proxy.errors import ConfigurationError
from proxy.model import Listen
from proxy.web.gate import Gate

_BACKLOG: Final = 1024
_GOODBYE: Final = 2.0  # seconds that a client has to end its side of TLS


# Of a context, and the seconds that a client has to begin TLS and to end its side of it
GateOf = Callable[[ssl.SSLContext, float, float], Gate]


class Server(Protocol):
    """What is behind a listener: a factory of connections that can end them."""

    def __call__(self) -> asyncio.BaseProtocol: ...

    async def shutdown(self, timeout: float) -> None:
        """Requests in flight have `timeout` seconds."""
        ...


@dataclass(slots=True)
class Listener:
    """Serves one `Server` on one address, behind a `gate` where `tls` names certificate and key."""

    server: Server
    listen: Listen
    tls: tuple[str, str] | None = None
    gate: GateOf | None = None
    handshake: float = 10.0  # seconds that a client has for it
    shares_port: bool = False  # with other processes: the system deals connections out among them
    port: int = 0  # the real one, where 0 was asked for
    _socket: asyncio.Server | Gate | None = field(default=None, init=False)
    _context: ssl.SSLContext | None = field(default=None, init=False)

    async def start(self) -> None:
        """Raises ConfigurationError in one clear line where the address cannot be used."""
        loop = asyncio.get_running_loop()
        host, port = self.listen.host, self.listen.port
        try:
            if self.tls is not None and self.gate is not None:
                self._context = listener_context(*self.tls)
                self._socket = self.gate(self._context, self.handshake, _GOODBYE)
                self.port = self._socket.open(host, port, shares_port=self.shares_port)
                return
            self._socket = listening = await loop.create_server(
                self.server, host, port, backlog=_BACKLOG, reuse_port=self.shares_port or None
            )
        except OSError as error:
            raise ConfigurationError.of_listener(host, port, error) from None
        self.port = int(listening.sockets[0].getsockname()[1])

    def renew(self) -> None:
        """Takes a renewed certificate for new connections. Raises ConfigurationError where it cannot be used, and
        goes on with the old one."""
        if self._context is not None and self.tls is not None:
            _load(self._context, *self.tls)

    def stop_accepting(self) -> None:
        """New connections are refused; those that are open go on."""
        if self._socket is not None:
            self._socket.close()

    async def stop(self, drain: float) -> None:
        """Idle connections close at once; a request in flight has `drain` seconds to end."""
        self.stop_accepting()
        await self.server.shutdown(drain)


def listener_context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 and later. Raises ConfigurationError where a file cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, certificate, key)
    return context


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        for name in (certificate, key):
            files.look(Path(name))
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError([f"server.tls: the certificate or key cannot be used: {error}"]) from None

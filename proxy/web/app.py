"""A listener: the socket, its TLS, and the graceful stop. Knows nothing of what is served on it."""

import asyncio
import ssl
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from proxy import files
from proxy.errors import ConfigurationError
from proxy.model import Listen
from proxy.web.gate import Accepting, Gate
from proxy.web.queues import BACKLOG, Queues, bound, port_of

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
    queues: Queues | None = None  # bound already, where several processes have them in hand
    port: int = 0  # the real one, where 0 was asked for
    _open: dict[int, list[asyncio.Server | Accepting]] = field(default_factory=dict, init=False)  # by queue
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _has_stopped: bool = field(default=False, init=False)
    _context: ssl.SSLContext | None = field(default=None, init=False)
    _gate: Gate | None = field(default=None, init=False)

    async def start(self) -> None:
        """Raises ConfigurationError in one clear line where the address cannot be used."""
        host, port = self.listen.host, self.listen.port
        if self.tls is not None and self.gate is not None:
            self._context = listener_context(*self.tls)
            self._gate = self.gate(self._context, self.handshake, _GOODBYE)
        try:
            if self.queues is None:
                self.queues = Queues([bound(host, port)], mine=0)
            self.port = port_of(self.queues.all[self.queues.mine])
            await self._accept(self.queues, self.queues.mine)
        except OSError as error:
            self.stop_accepting()
            raise ConfigurationError.of_listener(host, port, error) from None

    async def cover(self, others: Set[int]) -> None:
        """Accepts what waits in the queues of `others`, too, and no longer in those of anybody else."""
        async with self._changing:
            if self.queues is None or self._has_stopped:
                return
            for number in self._open.keys() - others - {self.queues.mine}:
                _close(self._open.pop(number))
            for number in others - self._open.keys():
                await self._accept(self.queues, number)

    async def _accept(self, queues: Queues, number: int) -> None:
        """On descriptors of its own, which can be closed: the queue goes on."""
        opened = self._open[number] = []
        for each in queues.all[number]:
            if self._gate is not None:
                opened.append(self._gate.open(each.dup()))
            else:
                loop = asyncio.get_running_loop()
                opened.append(await loop.create_server(self.server, sock=each.dup(), backlog=BACKLOG))
        if self._has_stopped:  # meanwhile
            _close(opened)

    def renew(self) -> None:
        """Takes a renewed certificate for new connections. Raises ConfigurationError where it cannot be used, and
        goes on with the old one."""
        if self._context is not None and self.tls is not None:
            _load(self._context, *self.tls)

    def stop_accepting(self) -> None:
        """New connections are refused; those that are open go on."""
        self._has_stopped = True
        for opened in self._open.values():
            _close(opened)
        if self.queues is not None:
            self.queues.close()

    async def stop(self, drain: float) -> None:
        """Idle connections close at once; a request in flight has `drain` seconds to end."""
        self.stop_accepting()
        await self.server.shutdown(drain)


def _close(opened: Sequence[asyncio.Server | Accepting]) -> None:
    for each in opened:
        each.close()


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

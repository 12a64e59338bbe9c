"""Where new connections wait: the sockets of an address, of one process or of several that share the port. Accepts
nothing."""

import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

BACKLOG: Final = 1024

Queue = Sequence[socket.socket]  # one for each address of the host


@dataclass(frozen=True, slots=True)
class Queues:
    """Of several processes on one port: the system deals new connections out among them, whether or not anybody takes
    them. So each process has all of them in hand, accepts from its own, and covers another's for as long as that one
    cannot."""

    all: Sequence[Queue]
    mine: int

    def close(self) -> None:
        """Here; they live on in the other processes."""
        for queue in self.all:
            close(queue)


def bound(host: str, port: int, *, shares_port: bool = False) -> list[socket.socket]:
    """Holds the port on every address of `host`, or a free one for 0; nobody listens there yet. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    queue: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            queue.append(held := socket.socket(family, kind, protocol))
            if sys.platform != "win32":  # there the option means another thing
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shares_port:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            held.bind(address)
    except OSError:
        close(queue)
        raise
    return queue


def several(host: str, port: int, count: int) -> list[list[socket.socket]]:
    """The queues of `count` processes on one port. Raises OSError."""
    close(bound(host, port))  # a port that is shared would be shared with strangers, too
    queues: list[list[socket.socket]] = []
    try:
        for _ in range(count):
            queues.append(bound(host, port, shares_port=True))
            port = port_of(queues[0])
    except OSError:
        for queue in queues:
            close(queue)
        raise
    return queues


def port_of(queue: Queue) -> int:
    """The real one, where 0 was asked for."""
    return int(queue[0].getsockname()[1])


def close(queue: Queue) -> None:
    """Safe to call twice."""
    for each in queue:
        each.close()

"""Judges an address at the moment it is dialled: the address that was judged is the one the socket connects to.

A check of the name beforehand would be undone by a second, different DNS answer (rebinding), and address literals
skip the resolver altogether; the socket's own address does not lie.
"""

import socket
from collections.abc import Callable, Container

from aiohappyeyeballs import AddrInfoType

from proxy.core.addresses import refusal
from proxy.identity import Route


class AddressRefused(OSError):
    """An address that this route may not dial. Only ever seen while a connection is made."""


class AddressGuard:
    """Makes the sockets of one connection that is being made.

    `own_ports` are those that this process listens on: a proxy that calls itself would never stop.
    """

    def __init__(self, route: Route, own_ports: Callable[[], Container[int]]) -> None:
        self._route, self._own_ports = route, own_ports
        self.refused = ""  # why the last address was refused; "" if none was

    def __call__(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, sockaddr = address
        reason = refusal(str(sockaddr[0]), self._route.reach, self._route.allow_addresses)
        if reason is None and sockaddr[1] in self._own_ports() and _is_of_this_machine(family, str(sockaddr[0])):
            reason = "own_listener"
        if reason is not None:
            self.refused = reason
            raise AddressRefused(f"address refused: {reason}")
        return socket.socket(family, kind, protocol)


def _is_of_this_machine(family: int, address: str) -> bool:
    """Only an address of one's own can be bound."""
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        try:
            attempt.bind((address, 0))
        except OSError:
            return False
        return True

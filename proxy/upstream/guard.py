"""Judges an address at the moment it is dialled: the address that was judged is the one the socket connects to.

A check of the name beforehand would be undone by a second, different DNS answer (rebinding), and address literals
skip the resolver altogether; the socket's own address does not lie.
"""

import socket

from aiohttp.connector import AddrInfoType

from proxy.core.addresses import refusal
from proxy.model import Route


class AddressRefused(OSError):
    """An address that this route may not dial. Only ever seen inside the connector."""


class AddressGuard:
    """The `socket_factory` of one connector, which serves one origin by one route."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self.refused = ""  # why the last address was refused; "" if none was

    def __call__(self, address: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, sockaddr = address
        reason = refusal(str(sockaddr[0]), self._route.reach, self._route.allow_addresses)
        if reason is not None:
            self.refused = reason
            raise AddressRefused(f"address refused: {reason}")
        return socket.socket(family, kind, protocol)

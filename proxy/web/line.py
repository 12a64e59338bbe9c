"""The line to one client: how it ends, and how fast what is sent has to be taken. Knows no HTTP."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Final, cast

from proxy.errors import ClientGone
from proxy.web.kernel import unacknowledged

_HIGH_WATER: Final = 64 * 1024  # bytes that wait for a slow reader before the upstream is left waiting, too
_LINGER: Final = 2.0  # seconds for which the client may still be sending after its last answer
_LINGER_BYTES: Final = 16 * 1024 * 1024
_PROGRESS: Final = 1024  # bytes taken of an answer; less is none
_RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time


class Line(asyncio.Protocol):
    """One accepted socket, with or without TLS."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport
        self.peer = ""  # the address at the other end
        self.is_secure = False
        self._written: list[bytes] = []  # in this turn of the loop
        self._size = 0  # of that
        self._flushing: asyncio.Handle | None = None
        self._room: asyncio.Future[None] | None = None  # there while what was written waits for the client
        self._is_ended = False  # the client says no more
        self._is_deaf = False  # what it says is dropped
        self._is_closing = False
        self._deadline = self._taken_at = 0.0  # on the loop's clock
        self._unsent = self._dropped = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self.is_secure = transport.get_extra_info("sslcontext") is not None

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_deaf = self._is_closing = True
        self.resume_writing()

    # --- what goes out

    def write(self, *pieces: bytes) -> None:
        """Sent with `flush`, or at the end of this turn of the loop: what is written in one turn is one packet."""
        self._written += pieces
        self._size += sum(map(len, pieces))
        if self._size > _HIGH_WATER:
            self.flush()
        elif self._flushing is None:
            self._flushing = self._loop.call_soon(self.flush)

    def flush(self, *pieces: bytes) -> None:
        """Sends what was written, and `pieces`."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        if self._written:
            pieces, self._written, self._size = (*self._written, *pieces), [], 0
        if pieces and not self._is_closing:
            self.transport.writelines(pieces)

    @property
    def is_drained(self) -> bool:
        """There is room for more: nobody needs to wait."""
        return self._room is None and not self._is_closing

    @property
    def is_closing(self) -> bool:
        """Nobody hears what is sent from now on."""
        return self._is_closing

    async def drained(self) -> None:
        """There is room for more. Raises ClientGone."""
        if self._room is not None:
            await self._room
        if self._is_closing:
            raise ClientGone

    # --- how it ends

    def finish(self, *, linger: bool) -> None:
        """What was written is still sent. `linger`: the client may be sending, and a close would answer that with a
        reset, which loses it what it was told; so that is dropped for a while."""
        self.flush()
        self._is_deaf = self._is_closing = True
        self._deadline = self._loop.time() + _LINGER
        if not linger or self._is_ended or self.is_secure or self.transport.is_closing():
            self.transport.close()
            return
        self.transport.write_eof()
        self.transport.resume_reading()

    def cut(self) -> None:
        """Ends at once, with a reset: what was sent of an answer must not look whole."""
        self._is_deaf = self._is_closing = True
        self._written.clear()
        with suppress(OSError, AttributeError):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _drop(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > _LINGER_BYTES:
            self.cut()

    # --- how fast it is

    def pause_writing(self) -> None:
        self._room = self._room or self._loop.create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _is_stalled(self, now: float, patience: float) -> bool:
        """Whether the client has taken next to nothing for `patience` seconds of what was written for it."""
        buffered = self.transport.get_write_buffer_size()
        unsent = buffered + unacknowledged(self.transport) if buffered else 0
        if not self._unsent - _PROGRESS < unsent <= self._unsent or not unsent:
            self._unsent, self._taken_at = unsent, now
        return now - self._taken_at > patience

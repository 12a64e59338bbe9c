"""What the kernel knows of a socket beyond its bytes, where it tells: on Linux."""

import asyncio
import sys

if sys.platform == "linux":
    import fcntl
    import termios

    def unacknowledged(transport: asyncio.Transport) -> int:
        """Bytes that the kernel holds because the client's has not taken them. Its buffer grows to megabytes: our
        own alone would show no progress for a reader who is merely slow."""
        try:
            waiting = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        except (OSError, ValueError, AttributeError):
            return 0
        return int.from_bytes(waiting, sys.byteorder)
else:

    def unacknowledged(transport: asyncio.Transport) -> int:
        return 0

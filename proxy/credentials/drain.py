"""Answers that nobody wants, read so that their connections live on: a login may hold for the connection alone."""

from typing import Final

from proxy.traffic import Reply

_MOST_READ: Final = 1024 * 1024  # bytes


async def drain(reply: Reply) -> None:
    """Reads it to its end, or closes it where that is far. Raises what reading does."""
    try:
        if not isinstance(reply.body, bytes):
            read = 0
            async for piece in reply.body:
                read += len(piece)
                if read > _MOST_READ:
                    break
    finally:
        reply.close()

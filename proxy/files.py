"""The bytes of files that an operator names: nothing but regular files is opened, and so nothing can hang. Judges no
content.

Symbolic links are followed: container platforms mount secrets so. A pipe, a socket or a device in a file's place gives
nothing, or gives it once, or waits for somebody for ever; and to open a device may do something.
"""

import errno
import os
import select
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PIECE: Final = 65536
_KINDS: Final = (
    (stat.S_ISFIFO, "Is a pipe (FIFO)"),
    (stat.S_ISSOCK, "Is a socket"),
    (stat.S_ISCHR, "Is a device"),
    (stat.S_ISBLK, "Is a device"),
)


class NotAFile(OSError):
    """It is something else, as `strerror` says."""


def read(path: Path, most: int, *, patience: float = 0.0) -> bytes:
    """The first `most` bytes of what is there. Raises OSError (IsADirectoryError, NotAFile), or ValueError where that
    is no name of a file. See `why`.

    `patience`: seconds for somebody who writes into a pipe and ends it; with none, a pipe is no file.
    """
    with _opened(path, may_be_pipe=patience > 0) as descriptor:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return _all_of_pipe(descriptor, most, patience)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(most)


def look(path: Path) -> None:
    """Raises as `read`, where it could not be read."""
    read(path, 1)


def why(error: OSError) -> str:
    """Why a file cannot be read, and what to do: the end of a sentence about it."""
    match error:
        case IsADirectoryError():
            return "cannot be read: Is a directory; name the file in it"
        case NotAFile():
            return f"cannot be read: {error.strerror}; put what it gives into a file with mode 600, and name that"
        case _:
            return f"cannot be read: {error.strerror}; check path and permissions"


@contextmanager
def _opened(path: Path, *, may_be_pipe: bool) -> Iterator[int]:
    """Looked at before it is opened, for the sake of devices, and after, since it may have changed."""
    _check(path.stat().st_mode, may_be_pipe=may_be_pipe)
    descriptor = os.open(path, os.O_RDONLY | _flags())
    try:
        _check(os.fstat(descriptor).st_mode, may_be_pipe=may_be_pipe)
        yield descriptor
    finally:
        os.close(descriptor)


def _flags() -> int:
    """No waiting for a writer, no child that inherits it, no terminal that becomes ours. Windows knows none of these,
    and takes everything for text unless it is told."""
    return sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))


def _check(mode: int, *, may_be_pipe: bool) -> None:
    if stat.S_ISREG(mode) or (may_be_pipe and stat.S_ISFIFO(mode)):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise NotAFile(errno.EINVAL, next((what for is_so, what in _KINDS if is_so(mode)), "Is no regular file"))


def _all_of_pipe(descriptor: int, most: int, patience: float) -> bytes:
    deadline = time.monotonic() + patience
    found = bytearray()
    while len(found) < most:
        if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise NotAFile(errno.ETIMEDOUT, f"Is a pipe that did not come to its end in {patience:.0f} seconds")
        piece = os.read(descriptor, min(_PIECE, most - len(found)))
        if not piece:
            break
        found += piece
    return bytes(found)

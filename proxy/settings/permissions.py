"""Who else on this machine can read or change a file, and the command that mends it. Reads no content."""

import os
import shlex
import stat
from pathlib import Path

READABLE, WRITABLE = stat.S_IROTH, stat.S_IWOTH


def is_open(path: Path, bits: int) -> bool:
    """Whether everyone may do this to a file.

    On a read-only mount nobody can mend it, and nobody needs to: container platforms mount secrets so, and it is the
    container that keeps others out.
    """
    if os.name == "nt":  # access lists, of which the mode says nothing
        return False
    try:
        found = path.stat()
        return stat.S_ISREG(found.st_mode) and bool(found.st_mode & bits) and not _is_mounted_read_only(path)
    except (OSError, ValueError):
        return False


def mending(path: Path) -> str:
    """What to run."""
    return f"run: chmod o-rwx {shlex.quote(str(path))}"


def _is_mounted_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)

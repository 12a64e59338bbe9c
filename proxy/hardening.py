"""What a process that holds passwords does to itself before it has them: no core dumps, and no other process of this
user may read its memory. Knows no configuration."""

import contextlib
import ctypes
import sys
from typing import Final

_SET_DUMPABLE: Final = 4  # PR_SET_DUMPABLE of <linux/prctl.h>


def keep_memory_private() -> None:
    """Does what the system offers; what it does not is no reason not to serve."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has none of it
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)

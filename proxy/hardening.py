"""What a process does to its own memory: no core dumps, no other process of this user may read it, and what lives as
long as the process is left alone by the collector. Knows no configuration."""

import contextlib
import ctypes
import gc
import sys
from typing import Final

_GARBAGE: Final = 10_000  # objects that are new, before those are looked for that only hold each other
_SET_DUMPABLE: Final = 4  # PR_SET_DUMPABLE of <linux/prctl.h>


def keep_memory_private() -> None:
    """Does what the system offers; what it does not is no reason not to serve."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has none of it
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def settle_memory() -> None:
    """Once all is built: what stays is not looked through again, which would hold up everybody for 30 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)

"""What a process does to its own memory: no core dumps, no other process of this user may read it, and what lives as
long as the process is left alone by the collector; what a flood has used goes back. Knows no configuration."""

import contextlib
import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

_GARBAGE: Final = 10_000  # objects that are new, before those are looked for that only hold each other
_REST: Final = 30.0  # seconds between two looks for memory that nobody uses
_SET_DUMPABLE: Final = 4  # PR_SET_DUMPABLE of <linux/prctl.h>


def keep_memory_private() -> None:
    """Does what the system offers; what it does not is no reason not to serve."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has none of it
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def settle_memory(rest: float = _REST) -> None:
    """Once all is built: what stays is not looked through again, which would hold up everybody for 30 ms. And what is
    free is given back, now and then: glibc keeps it, as holes between what lives on, and handshakes by the thousand
    made a process of 70 MiB one of 450 for good. A look takes 10 ms after such a flood, and next to nothing else."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    with contextlib.suppress(OSError, AttributeError, TypeError):  # glibc's alone has it
        trim = ctypes.CDLL(None).malloc_trim
        threading.Thread(target=_give_back, args=(trim, rest), name="free memory", daemon=True).start()


def _give_back(trim: Callable[[int], object], rest: float) -> None:
    while True:
        time.sleep(rest)
        trim(0)

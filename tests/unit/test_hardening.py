"""proxy.hardening: what the process does to itself. In a process of its own: it cannot be undone."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource
from proxy.hardening import keep_memory_private
keep_memory_private()
keep_memory_private()
PR_GET_DUMPABLE = 3
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_memory_is_not_for_others() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "(0, 0) 0\n"


FLOODED = """
import time
from proxy.hardening import settle_memory

def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * 4096

blocks = [bytearray(20_000) for _ in range(5_000)]
kept = blocks[::50]  # they keep what is between them from going back by itself
full = resident()
del blocks
assert resident() > full - 20_000_000, "the allocator gave it back by itself"
settle_memory(rest=0.05)
end = time.monotonic() + 10
while resident() > full - 60_000_000 and time.monotonic() < end:
    time.sleep(0.05)
print(resident() <= full - 60_000_000)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries give memory back, or cannot be asked to")
def test_what_a_flood_has_used_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", FLOODED], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"

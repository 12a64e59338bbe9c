"""proxy.hardening: what the process does to itself. In a process of its own: it cannot be undone."""

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

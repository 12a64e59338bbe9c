"""What a server costs while wrk asks it: requests, latencies, CPU and memory of its process tree. Starts no server."""

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from servers import PAGE, SIZES

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Cell:
    """One run of wrk against one proxy. `cpu` in seconds for 10,000 requests; latencies in milliseconds."""

    rate: float
    cpu: float
    p50: float
    p99: float
    errors: int


def tree(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += tree(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """Of a process tree; to the nanosecond where the kernel tells, else in its ticks."""
    every = [task for each in tree(pid) for task in Path(f"/proc/{each}/task").iterdir()]
    if Path("/proc/self/schedstat").exists():
        return sum(int((task / "schedstat").read_text().split()[0]) for task in every) / 1e9
    total = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def memory(pid: int) -> int:
    """Bytes of a process tree: what its processes share counts once (PSS). The proxy's own is for root alone to read;
    others see the RSS."""
    total = 0
    for each in tree(pid):
        try:
            said = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{each}/smaps_rollup").read_text(), re.MULTILINE)
        except PermissionError:
            said = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{each}/status").read_text(), re.MULTILINE)
        total += int(said[1]) * 1024 if said else 0
    return total


def lines(path: Path) -> int:
    """Requests in a log of the stub."""
    time.sleep(0.1)
    return path.read_bytes().count(b"\n") if path.exists() else 0


def load(pid: int, url: str, connections: int, seconds: int, targets: int) -> Cell:
    before = cpu_seconds(pid)
    base, _, path = url.partition("/arcgis") if "/proxy" not in url else url.partition("/proxy")
    path = ("/arcgis" if "/proxy" not in url else "/proxy") + path
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(HERE / "distinct.lua")]
    said = subprocess.run(
        [*command, "-H", f"Referer: {PAGE}", base],
        env={**os.environ, "BENCH_PATH": path, "BENCH_TARGETS": str(targets)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    spent = cpu_seconds(pid) - before
    requests = int(_found(r"(\d+) requests in", said)[1])
    rate = float(_found(r"Requests/sec:\s+([\d.]+)", said)[1])
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    errors = int(bad[1]) if bad else 0
    for count in re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said):
        errors += sum(map(int, count))
    return Cell(rate, spent / requests * 10_000, _milliseconds(said, "50%"), _milliseconds(said, "99%"), errors)


def _milliseconds(said: str, percentile: str) -> float:
    found = _found(rf"{percentile}\s+([\d.]+)(us|ms|s)", said)
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def _found(pattern: str, said: str) -> re.Match[str]:
    match = re.search(pattern, said)
    if match is None:
        raise ValueError(f"wrk did not say {pattern}:\n{said}")
    return match


def check(url: str) -> None:
    with urlopen(Request(url, headers={"Referer": PAGE})) as answer:
        if answer.status != 200 or len(answer.read()) not in SIZES.values():
            raise SystemExit(f"{url} does not answer as it should")

"""Requests a second and CPU for each request, beside nginx in one run: `python benchmarks/compare.py [--seconds 4]`.

One stub server (nginx, one worker) stands for ArcGIS. It is asked through nginx with a fixed header (the least that can
be done), and through this proxy with a token, every feature on and every target distinct; `cached` asks for one of
fifty targets, which nginx's proxy_cache and the proxy's `cache` hold. Rounds alternate, so that the noise of the
machine falls on both alike; the figures are medians, the ratios are to nginx in the same round.
CPU is user and system time of the proxy's whole process tree; wrk's and the stub's are left out.
Needs nginx and wrk (Debian: nginx-light, wrk).
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
SIZES = {"json": 1937, "export": 30_000, "cached": 30_000}
HELD = 50  # targets of `cached`
PATHS = {
    "json": "A/FeatureServer/0/query?f=json&n=",
    "export": "A/MapServer/export?f=image&n=",
    "cached": "Cached/MapServer/export?f=image&n=",
}
PAGE = "https://maps.example.com/"


@dataclass(slots=True)
class Cell:
    """One run of wrk against one proxy. `cpu` in seconds for 10,000 requests; latencies in milliseconds."""

    rate: float
    cpu: float
    p50: float
    p99: float
    errors: int


@dataclass(frozen=True, slots=True)
class Peer:
    """One server that is measured. `base` stands before the path of the stub's URL."""

    pid: int
    port: int
    base: str

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{self.base}/arcgis/rest/services/{path}"


def nginx() -> str:
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"


def serve(config: Path) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "proxy", "serve", "--config", str(config)]


def free_port() -> int:
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return int(each.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, cwd: Path, **environ: str) -> Iterator[int]:
    """A server, from its first answer to its end."""
    log = (cwd / f"{Path(command[0]).name}-{port}.log").open("wb")
    process = subprocess.Popen(command, cwd=cwd, stdout=log, stderr=log, env={**os.environ, **environ})
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended: {Path(log.name).read_text()}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def nginx_conf(folder: Path, http: str) -> Path:
    path = folder / f"nginx-{free_port()}.conf"
    path.write_text(
        f"""daemon off; worker_processes 1; pid {path}.pid; error_log {path}.err;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 10000000; keepalive_timeout 600;
client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u;
scgi_temp_path {folder}/s;
{http} }}""",
        "utf-8",
    )
    return path


def stub(folder: Path, port: int) -> Path:
    """An ArcGIS Server as far as the proxy asks one: info, tokens, and two answers."""
    features = [{"attributes": {"OBJECTID": n, "NAME": f"Hydrant {n}"}} for n in range(30)]
    body = json.dumps({"objectIdFieldName": "OBJECTID", "features": features}).encode()
    body = body[:-1] + b',"x":"' + b"-" * (SIZES["json"] - len(body) - 7) + b'"}'
    (folder / "json").write_bytes(body)
    (folder / "export").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(SIZES["export"] - 8))
    root = f"http://127.0.0.1:{port}/arcgis"
    info = {"currentVersion": 11.4, "authInfo": {"isTokenBasedSecurity": True, "tokenServicesUrl": f"{root}/tokens/"}}
    token = {"token": "b" * 120 + "..", "expires": int((time.time() + 86400) * 1000)}
    return nginx_conf(
        folder,
        f"""server {{ listen 127.0.0.1:{port};
location /arcgis/rest/info {{ default_type application/json; return 200 '{json.dumps(info)}'; }}
location /arcgis/tokens/ {{ access_log {folder}/tokens.log;
default_type application/json; return 200 '{json.dumps(token)}'; }}
location ~ ^/arcgis/rest/services/(A|Cached)/MapServer/export {{ add_header Cache-Control "max-age=600";
default_type image/png; root {folder}; try_files /export =404; }}
location /arcgis/rest/services/Cached/Slow {{ add_header Cache-Control "max-age=600"; limit_rate 60k;
access_log {folder}/slow.log; default_type image/png; root {folder}; try_files /export =404; }}
location /arcgis/rest/services/A/Big {{ default_type image/tiff; root {folder}; try_files /big =404; }}
location / {{ default_type application/json; root {folder}; try_files /json =404; }} }}""",
    )


def forward(folder: Path, port: int, origin: int) -> Path:
    return nginx_conf(
        folder,
        f"""upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; keepalive_requests 10000000; }}
proxy_cache_path {folder}/cache keys_zone=held:10m;
server {{ listen 127.0.0.1:{port};
location /arcgis/rest/services/Cached {{ proxy_pass http://origin; proxy_cache held; proxy_cache_lock on; }}
location / {{ proxy_pass http://origin; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header X-Esri-Authorization "Bearer {"b" * 120}.."; }} }}""",
    )


def ours(folder: Path, port: int, origin: int, workers: int = 1) -> Path:
    path = folder / f"proxy-{port}.yaml"
    path.write_text(
        f"""server: {{listen: "127.0.0.1:{port}", workers: {workers}}}
admin: {{listen: null}}
allowedReferers: ["{PAGE.rstrip("/")}"]
serverUrls:
  - url: http://127.0.0.1:{origin}/arcgis/rest/services
    username: webmap
    password: secret
    rateLimit: 1000000000
    rateLimitPeriod: 1
    maxConnections: 256
  - url: http://127.0.0.1:{origin}/arcgis/rest/services/Cached
    username: webmap
    password: secret
    rateLimit: 1000000000
    rateLimitPeriod: 1
    cache: standard
""",
        "utf-8",
    )
    path.chmod(0o600)  # it holds a password
    return path


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
    requests = int(re.search(r"(\d+) requests in", said)[1])  # type: ignore[index]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])  # type: ignore[index]
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    errors = int(bad[1]) if bad else 0
    for count in re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said):
        errors += sum(map(int, count))
    return Cell(rate, spent / requests * 10_000, _milliseconds(said, "50%"), _milliseconds(said, "99%"), errors)


def _milliseconds(said: str, percentile: str) -> float:
    number, unit = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)", said).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def check(url: str) -> None:
    with urlopen(Request(url, headers={"Referer": PAGE})) as answer:
        if answer.status != 200 or len(answer.read()) not in SIZES.values():
            raise SystemExit(f"{url} does not answer as it should")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", choices=tuple(SIZES))
    parser.add_argument("--json", action="store_true", help="the cells, for scripts")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # nginx's worker is another user
    origin, limit, proxy = free_port(), free_port(), free_port()
    cells: dict[tuple[str, str], list[Cell]] = {}
    with (
        running([nginx(), "-c", str(stub(folder, origin))], origin, folder),
        running([nginx(), "-c", str(forward(folder, limit, origin))], limit, folder) as limit_pid,
        running(serve(ours(folder, proxy, origin)), proxy, folder, PYTHONPATH=str(HERE.parent)) as proxy_pid,
    ):
        for kind in [options.only] if options.only else list(SIZES):
            target = f"http://127.0.0.1:{origin}/arcgis/rest/services/{PATHS[kind]}"
            targets = HELD if kind == "cached" else 0
            urls = {
                "nginx": (limit_pid, target.replace(str(origin), str(limit))),
                "proxy": (proxy_pid, f"http://127.0.0.1:{proxy}/proxy?{target}"),
            }
            for _, url in urls.values():
                check(f"{url}0")
            for _ in range(options.rounds):
                for name, (pid, url) in urls.items():
                    cells.setdefault((kind, name), []).append(
                        load(pid, url, options.connections, options.seconds, targets)
                    )
    report(cells, as_json=options.json)
    shutil.rmtree(folder)


def report(cells: dict[tuple[str, str], list[Cell]], *, as_json: bool) -> None:
    rows = []
    for (kind, name), each in cells.items():
        ratios = [one.cpu / other.cpu for one, other in zip(each, cells[kind, "nginx"], strict=True) if other.cpu]
        rows.append(
            {
                "kind": kind,
                "proxy": name,
                "requests/s": round(statistics.median(cell.rate for cell in each)),
                "CPU s/10k": round(statistics.median(cell.cpu for cell in each), 3),
                "CPU x nginx": round(statistics.median(ratios), 2) if ratios else None,
                "p50 ms": round(statistics.median(cell.p50 for cell in each), 2),
                "p99 ms": round(statistics.median(cell.p99 for cell in each), 1),
                "errors": sum(cell.errors for cell in each),
            }
        )
    if as_json:
        print(json.dumps(rows))
        return
    print("".join(f"{title:>13}" for title in rows[0]))
    for row in rows:
        print("".join(f"{value!s:>13}" for value in row.values()))


if __name__ == "__main__":
    main()

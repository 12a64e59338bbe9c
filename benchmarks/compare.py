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
import shutil
import statistics
import tempfile
from pathlib import Path

from meters import Cell, check, load
from servers import HELD, PATHS, SIZES, forward, free_port, nginx, ours, running, serve, stub

HERE = Path(__file__).parent


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

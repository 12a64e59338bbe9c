"""The servers that are measured, and the one behind them: their configuration, their start and their end."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SIZES = {"json": 1937, "export": 30_000, "cached": 30_000}
HELD = 50  # targets of `cached`
PATHS = {
    "json": "A/FeatureServer/0/query?f=json&n=",
    "export": "A/MapServer/export?f=image&n=",
    "cached": "Cached/MapServer/export?f=image&n=",
}
PAGE = "https://maps.example.com/"


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


def compiled(folder: Path) -> Path | None:
    """A copy of the proxy whose path of a request is compiled, as `RESOURCE_PROXY_COMPILE=1` does it; None where that
    cannot be done here."""
    tree, root = folder / "compiled", Path(__file__).parents[1]
    shutil.copytree(root / "proxy", tree / "proxy", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tree)
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(
        command, cwd=tree, env={**os.environ, "RESOURCE_PROXY_COMPILE": "1"}, capture_output=True, text=True
    )
    return tree if done.returncode == 0 and list(tree.glob("proxy/*.so")) else None


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

"""Programs of other people, run for one test in a folder of their own: start, wait until they answer, stop by pid.

Knows no proxy and no test. What each program is told stands in `web_servers.py` and `kerberos.py`.
"""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_MODULES = Path("/usr/lib/apache2/modules")
PATIENCE = 15.0  # seconds until a program must answer


def free_port() -> int:
    """A port of 127.0.0.1 that is free for TCP and, since Kerberos uses both, for UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = int(tcp.getsockname()[1])
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def needed(name: str, package: str) -> str:
    """The program's path. Skips the test where it is not installed; in CI that is a failure."""
    path = shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin")))
    if path is None:
        pytest.skip(f"needs {name} (apt install {package})")
    return path


def run(command: Sequence[str], environment: Mapping[str, str] | None = None, said: str = "") -> str:
    """Runs a command to its end; what it printed. Raises AssertionError with its words where it fails."""
    done = subprocess.run(
        command,
        input=said,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass(slots=True)
class Program:
    """A running program that listens at `port`."""

    process: subprocess.Popen[bytes]
    port: int
    output: Path

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str] | None = None) -> Program:
    """Starts `command`, which must stay in the foreground, and waits until somebody listens at `port`."""
    output = folder / "output.log"
    with output.open("ab") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    program = Program(process, port, output)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
            continue
        return program
    program.stop()
    raise AssertionError(f"{command[0]} does not answer:\n{output.read_text(errors='replace')}")


def started_nginx(folder: Path, port: int, http: str) -> Program:
    """nginx with `http` as what stands in its block of that name. Skips the test where it is not installed."""
    binary = needed("nginx", "nginx-light")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"""
        daemon off;
        master_process off;  # one process, as whoever started it: it has to read the folder
        pid {folder}/nginx.pid;
        error_log stderr;
        events {{ worker_connections 256; }}
        http {{
            {temporary}
            {http}
        }}
        """,
        encoding="utf-8",
    )
    return start([binary, "-p", str(folder), "-e", "stderr", "-c", str(configuration)], port, folder)


def apache_basics(folder: Path, port: int, modules: Sequence[str]) -> str:
    """What every Apache here is told first: its folder and port, its modules, few processes. Started by root it works
    as `nobody`. Skips the test where a module is not installed."""
    if missing := [name for name in modules if not (_MODULES / f"mod_{name}.so").exists()]:
        pytest.skip(f"needs Apache's {', '.join(missing)} (apt install apache2-bin)")
    loaded = "\n".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in modules)
    nobody = pwd.getpwnam("nobody")
    user = f"User {nobody.pw_name}\nGroup #{nobody.pw_gid}" if os.geteuid() == 0 else ""
    return f"""
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/apache.pid
Mutex file:{folder}
ServerName localhost
Listen 127.0.0.1:{port}
{loaded}
{user}
ErrorLog {folder}/error.log
ServerLimit 1
StartServers 1
ThreadsPerChild 25
MaxRequestWorkers 25
"""


def settled(log: Path, patience: float = 0.3) -> list[str]:
    """The lines of a program's log, once no more come."""
    size, until = -1, time.monotonic()
    while time.monotonic() < until or log.stat().st_size != size:
        if log.stat().st_size != size:
            size, until = log.stat().st_size, time.monotonic() + patience
        time.sleep(0.02)
    return log.read_text(encoding="utf-8", errors="replace").splitlines()

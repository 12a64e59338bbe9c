"""The clients of `run.py` that wrk cannot be: slow ones, idle ones, and many at once."""

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from servers import PAGE

_SLOW = 256 * 1024  # bytes a second
_OF_ONE_ADDRESS = 500  # connections: the proxy gives no address all the room


def allow_connections(count: int) -> None:
    """So many sockets of our own; servers that are started inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * count + 4096), hard))


def seconds(count: float) -> Iterator[None]:
    """Ten times in every one of so many."""
    end = time.monotonic() + count
    while time.monotonic() < end:
        time.sleep(0.1)
        yield


def at_once(url: str, count: int) -> list[int]:
    """The statuses that so many clients get that ask at the same time."""
    start = threading.Barrier(count)

    def ask(_: int) -> int:
        start.wait()
        try:
            with urlopen(Request(url, headers={"Referer": PAGE}), timeout=60) as answer:
                answer.read()
                return int(answer.status)
        except HTTPError as error:
            return error.code

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(ask, range(count)))


@contextmanager
def slow_reader(url: str) -> Iterator[None]:
    """A client that takes an answer far slower than it comes."""
    client = _asked(url, None, receive=64 * 1024)
    has_ended = threading.Event()

    def read() -> None:
        with contextlib.suppress(OSError):
            while not has_ended.wait(0.1) and client.recv(_SLOW // 10):
                pass

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        has_ended.set()
        thread.join()
        client.close()


@contextmanager
def idle_connections(url: str, count: int) -> Iterator[None]:
    """So many that had an answer and are kept open."""
    opened = []
    try:
        for number in range(count):
            client = _asked(url, f"127.0.1.{1 + number // _OF_ONE_ADDRESS}")
            client.settimeout(20)
            while not client.recv(64 * 1024).endswith(b"}"):
                pass
            opened.append(client)
        yield
    finally:
        for client in opened:
            client.close()


def _asked(url: str, source: str | None, receive: int = 0) -> socket.socket:
    """A connection on which `url` was asked for."""
    parts = urlsplit(url)
    client = socket.socket()
    if receive:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    if source is not None:
        client.bind((source, 0))
    client.connect((parts.hostname, parts.port))
    path = url.partition(parts.netloc)[2]
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nReferer: {PAGE}\r\n\r\n".encode())
    return client

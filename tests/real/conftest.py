"""Real programs in front of the simulator, a running proxy, a client. A test fails if a password shows up anywhere
that is not the upstream."""

import json
import ssl
import tempfile
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD, Build, World, arcgis, build
from tests.real.authority import KEY_PASSWORD, Papers
from tests.real.forward_proxy import ForwardProxy
from tests.real.kerberos import Realm, kerberos
from tests.real.web_servers import WebServer
from tests.real.windows_server import Manner, WindowsServer

__all__ = ["arcgis", "build"]

WRONG = "canary-wrong+Pa55"
OTHER_PASSWORD = "canary-other-Pa55%41"
USERS = {"webmap": PASSWORD, "editor": OTHER_PASSWORD}

Behind = Callable[..., Awaitable[World]]
Front = Callable[..., WebServer]
StartWindows = Callable[..., Awaitable[WindowsServer]]


def document(url: str, credential: dict[str, Any] | None = None, **rule: Any) -> dict[str, Any]:
    """A configuration with one rule for `url`."""
    return several({url: {"credential": "tier", **rule} if credential else rule}, {"tier": credential or {}})


def several(rules: dict[str, dict[str, Any]], credentials: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A configuration with a rule for each URL."""
    return {
        "server": {"listen": "127.0.0.1:0", "limits": {"drain": "1s"}},
        "admin": {"listen": "127.0.0.1:0"},
        "allowedReferers": ["https://maps.example.com"],
        "credentials": {name: keys for name, keys in credentials.items() if keys},
        "serverUrls": [{"url": url, "access": "edit", **rule} for url, rule in rules.items()],
    }


@pytest.fixture
def canaries() -> Iterator[list[World]]:
    """The proxies of a test. Ends after they were stopped: what they said to the very end is looked through."""
    worlds: list[World] = []
    yield worlds
    secrets = [PASSWORD, WRONG, OTHER_PASSWORD, KEY_PASSWORD]
    logins = [f"{user}:{secret}" for user in USERS for secret in secrets]
    forms = {
        form for secret in secrets for form in (secret, quote(secret), quote(secret, ""), json.dumps(secret)[1:-1])
    }
    forms |= {b64encode(text.encode()).decode() for text in [*logins, *secrets]}
    for world in worlds:
        everything = b"\n".join([*world.client.seen, world.log.getvalue().encode()])
        shown = [form for form in forms if form.encode() in everything]
        assert not shown, "a password shows up outside the upstream"
        assert b"www-authenticate" not in everything.lower(), "a login of the web server's reaches a client"


@pytest.fixture
def behind(canaries: list[World], build: Build) -> Behind:
    """Starts a proxy: `await behind(document(url, {"type": "basic", …}))`."""

    async def start(configuration: dict[str, Any], **more: Any) -> World:
        world: World = await build(configuration, **more)
        canaries.append(world)
        return world

    return start


@pytest.fixture
def front(arcgis: Simulator) -> Iterator[Front]:
    """Starts a web server in front of the simulator: `front(nginx_basic, USERS)`."""
    started: list[WebServer] = []
    # Apache, started by root, gives its rights up: the folder is outside of pytest's, which is for its user alone
    with tempfile.TemporaryDirectory(prefix="real-") as folder:
        Path(folder).chmod(0o711)

        def start(make: Callable[..., WebServer], *args: Any, **options: Any) -> WebServer:
            own = Path(folder) / str(len(started))
            own.mkdir()
            own.chmod(0o755)
            started.append(make(own, arcgis.port, *args, **options))
            return started[-1]

        yield start
        for server in started:
            server.program.stop()


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    folder = tmp_path / "papers"
    folder.mkdir()
    return Papers(folder)


@pytest.fixture
async def windows(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StartWindows]:
    """Starts a server that signs in as IIS does: `await windows(Manner(offers=("Negotiate",)))`."""
    if "realm" not in request.fixturenames:  # else a client without a ticket would take the server's users for its own
        users = tmp_path / "ntlm-users"
        users.write_text("".join(f"CITY:{user}:{password}\n" for user, password in USERS.items()), encoding="utf-8")
        monkeypatch.setenv("NTLM_USER_FILE", str(users))
    started: list[WindowsServer] = []

    async def start(manner: Manner, papers: Papers | None = None) -> WindowsServer:
        server = WindowsServer(manner)
        tls = None
        if papers is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(papers.server_certificate, papers.server_key)
        await server.start(tls)
        started.append(server)
        return server

    yield start
    for server in started:
        await server.stop()


@pytest.fixture
def realm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Realm]:
    """A Kerberos realm that this process lives in. Nobody has a ticket yet."""
    pytest.importorskip("gssapi", reason="needs MIT Kerberos for Python (pip install 'pyspnego[kerberos]')")
    folder = tmp_path / "kerberos"
    folder.mkdir()
    running = kerberos(folder, PASSWORD)
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    yield running
    running.stop()


@pytest.fixture
async def outside() -> AsyncIterator[Callable[..., Awaitable[ForwardProxy]]]:
    """Starts an organisation's own proxy: `await outside(login="user:password")`."""
    started: list[ForwardProxy] = []

    async def start(**options: Any) -> ForwardProxy:
        started.append(ForwardProxy(**options))
        await started[-1].start()
        return started[-1]

    yield start
    for each in started:
        await each.stop()

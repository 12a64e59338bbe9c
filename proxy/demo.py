"""The demo: a simulated secured ArcGIS Server, the real proxy, and a page with a map, without a network."""

import asyncio
import hashlib
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from typing import Final

from proxy import names
from proxy.assemble import Service
from proxy.core.hygiene import to_client
from proxy.errors import ConfigurationError
from proxy.model import Configuration, Listen
from proxy.settings.load import parse
from proxy.simulator.options import PASSWORD, of_profile
from proxy.simulator.server import Simulator, run
from proxy.traffic import Body, Exchange, Outgoing, Reply
from proxy.urls import Origin, Target
from proxy.web import answer
from proxy.web.connection import Connection
from proxy.web.respond import json_reply
from proxy.web.serving import Handler

# Any page of this machine's own may ask: it is reached as localhost, 127.0.0.1, or through a container's port
_CONFIGURATION: Final = """
server: {{listen: "{listen}", paths: [/proxy], limits: {{drain: 1s}}}}
admin: {{listen: null}}
allowedReferers: ["*"]
credentials:
  webmap: {{username: webmap, password: "{password}"}}
serverUrls:
  - {{url: "{site}/rest/services", credential: webmap}}
  - {{url: "{site}/rest/directories/arcgisoutput", credential: webmap}}
log: {{level: warning}}
"""


def configuration(site: str, host: str, port: int) -> Configuration:
    """For the simulated `site`, its answers for pages of the demo's own address alone."""
    loaded = parse(_CONFIGURATION.format(site=site, listen=Listen(host, port), password=PASSWORD), "demo", {})
    return replace(loaded, admit=replace(loaded.admit, origins=()))


class Demo:
    """Simulator and proxy together, with the page in front."""

    def __init__(self, host: str, port: int) -> None:
        self.simulator = Simulator(of_profile("ags-10.8"))
        self._host, self._port = host, port
        self._page = resources.files("proxy.web").joinpath("demo.html").read_text(encoding="utf-8")
        self._service: Service | None = None

    @property
    def port(self) -> int:
        return self._service.public.port if self._service else 0

    async def start(self) -> None:
        await self.simulator.start(self._host)
        self._service = Service(configuration(self.simulator.url, self._host, self._port), self._in_front)
        await self._service.start()

    async def stop(self) -> None:
        if self._service is not None:
            await self._service.stop()
        await self.simulator.stop()

    def _in_front(self, door: Handler) -> Handler:
        async def handle(connection: Connection) -> None:
            path, _, query = connection.head.target.partition("?")
            match (connection.head.method, path):
                case ("GET", "/"):
                    page = self._page.replace("{{sitePort}}", str(self.simulator.port)).encode()
                    headers = {names.CONTENT_TYPE: "text/html; charset=utf-8", names.CACHE_CONTROL: "no-store"}
                    reply = Reply(200, headers, page)
                case ("GET", "/demo/state"):
                    reply = json_reply(200, self._state())
                case ("POST", "/demo/revoke"):
                    reply = json_reply(200, {"revoked": self.simulator.revoke_all()})
                case ("GET", path) if path.startswith(self.simulator.options.context):
                    reply = await self._without_proxy(path, query)
                case _:
                    await door(connection)
                    return
            await answer.send(connection, reply, Exchange("", connection.head.method, 0.0))

        return handle

    async def _without_proxy(self, path: str, query: str) -> Reply:
        """The server itself, as a page sees it that does not use the proxy."""
        assert self._service is not None  # noqa: S101 - it answers this request
        target = Target(Origin("http", "127.0.0.1", self.simulator.port), path, query)
        rule = self._service.current.runtime.configuration.rules[0]
        reply = await self._service.transport.send(Outgoing("GET", target, {}, Body(), rule.route))
        reply.headers = to_client(reply.headers, private=False)
        return reply

    def _state(self) -> dict[str, object]:
        """The counters; tokens as digests, so that the page can look for them in all that it received."""
        accounts = self.simulator.accounts
        assert self._service is not None  # noqa: S101 - it answers this request
        return {
            "requests": self._service.metrics.totals()["requests"],
            "logins": accounts.logins,
            "rejected": self._service.metrics.totals()["tokensRejected"],
            "tokens": sorted(hashlib.sha256(token.encode()).hexdigest() for token in accounts.all_tokens),
        }


async def run_demo(host: str, port: int, announce: Callable[[str], None]) -> int:
    """Serves the demo until it is interrupted."""
    demo = Demo(host, port)
    stopped = _interrupted()
    try:
        await demo.start()
        shown = "localhost" if host in ("127.0.0.1", "0.0.0.0") else host  # noqa: S104 - it is compared, not bound
        announce(f"[bold green]demo[/]      http://{Listen(shown, demo.port)}/")
        announce(f"[dim]simulated[/] {demo.simulator.url}/rest/services  (asks for a token)")
        announce("[dim]stop with[/] Ctrl-C")
        await stopped.wait()
    except OSError as error:
        raise ConfigurationError.of_listener(host, port, error) from None
    finally:
        await demo.stop()
    return 0


async def run_simulator(host: str, port: int, profile: str, announce: Callable[[str], None]) -> int:
    """Serves the simulator alone until it is interrupted."""
    try:
        return await run(of_profile(profile), host, port, announce, _interrupted())
    except OSError as error:
        raise ConfigurationError.of_listener(host, port, error) from None


def _interrupted() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    if os.name == "posix":
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
    return stopped

"""A web server that signs in as IIS does: NTLM for a connection, Kerberos for a request or a connection.

The words of the login are pyspnego's and MIT Kerberos' own; here stands when they are asked for, and what is kept of
what arrived. It answers as a map service would, and tells what body reached it.
"""

import asyncio
import hashlib
import ssl
from base64 import b64decode, b64encode
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import spnego
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import NegotiateOptions, SpnegoError

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)

LARGE = 64 * 1024 * 1024  # bytes of `f=large`


class _Login(Protocol):
    """The server's side of one login."""

    @property
    def complete(self) -> bool: ...

    @property
    def client_principal(self) -> str | None: ...

    def step(self, in_token: bytes | None = None) -> bytes | None: ...


class _MitLogin:
    """Implements `_Login` with MIT's library. Raises ValueError where it refuses."""

    def __init__(self) -> None:
        import gssapi  # not on every machine
        from gssapi.raw import GSSError

        self._failure: type[Exception] = GSSError
        self._context = gssapi.SecurityContext(creds=gssapi.Credentials(usage="accept"), usage="accept")
        self.complete = False
        self.client_principal: str | None = None

    def step(self, in_token: bytes | None = None) -> bytes | None:
        try:
            said: bytes | None = self._context.step(in_token)
            self.complete = bool(self._context.complete)  # what `step` could not do comes up here
            self.client_principal = str(self._context.initiator_name) if self.complete else None
        except self._failure as error:
            raise ValueError(type(error).__name__) from None
        return said


@dataclass(frozen=True, slots=True)
class Arrived:
    """One request. `scheme` is that of its Authorization header, "" without one; `user` "" while not signed in."""

    connection: int
    method: str
    path: str
    scheme: str
    status: int
    user: str
    length: int  # bytes of the body


@dataclass(slots=True)
class _Connection:
    number: int
    requests: int = 0
    user: str = ""
    context: "_Login | None" = None
    transport: asyncio.BaseTransport | None = None  # held, so that no later one gets its place in memory


@dataclass(slots=True)
class Manner:
    """How a server asks. `is_mit`: MIT Kerberos reads Negotiate, as in Apache's mod_auth_gssapi; else pyspnego, which
    knows NTLM in it, too."""

    offers: tuple[str, ...] = ("NTLM",)
    is_mit: bool = False
    signs_each_request: bool = False
    closes_after: int = 0  # requests on a connection; 0: never
    open_pages: tuple[str, ...] = ()  # paths that everybody may see
    slow_pages: tuple[str, ...] = ()  # paths that take half a second more
    bindings: GssChannelBindings | None = None  # Extended Protection: the login has to name this TLS certificate


@dataclass(slots=True)
class WindowsServer:
    """Started and stopped by its fixture; `arrived` is everything, in order."""

    manner: Manner
    arrived: list[Arrived] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)  # logins that were judged and found wrong, by kind of error
    accepted: int = 0  # logins that were judged and found right
    last_body: bytes = b""  # of the last request that was answered
    port: int = 0
    scheme: str = "http"
    delay: float = 0.0  # seconds before each answer
    _connections: dict[int, _Connection] = field(default_factory=dict)
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/arcgis"

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, keepalive_timeout=60)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.port = int(self._runner.addresses[0][1])
        self.scheme = "https" if tls else "http"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def users_by_connection(self) -> dict[int, set[str]]:
        """Who was answered on which connection."""
        seen: defaultdict[int, set[str]] = defaultdict(set)
        for each in self.arrived:
            if each.user:
                seen[each.connection].add(each.user)
        return dict(seen)

    def answered(self) -> list[Arrived]:
        """The requests that got past the login."""
        return [each for each in self.arrived if each.status == 200]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        connection = self._connection(request)
        connection.requests += 1
        await asyncio.sleep(self.delay + (0.5 if request.path in self.manner.slow_pages else 0))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if request.path in self.manner.open_pages and not token:
            return self._content(request, "", body)
        user, challenges = self._judge(connection, scheme, token)
        response = self._content(request, user, body) if user else web.Response(status=401, text="Access is denied.")
        for challenge in challenges:
            response.headers.add("WWW-Authenticate", challenge)
        if self.manner.closes_after and connection.requests >= self.manner.closes_after:
            response.force_close()
        arrived = Arrived(connection.number, request.method, request.raw_path, scheme, response.status, user, len(body))
        self.arrived.append(arrived)
        return response

    def _connection(self, request: web.Request) -> _Connection:
        transport = request.transport
        known = self._connections.get(id(transport))
        if known is None:
            known = self._connections[id(transport)] = _Connection(len(self._connections) + 1, transport=transport)
        return known

    def _judge(self, connection: _Connection, scheme: str, token: str) -> tuple[str, list[str]]:
        """The user, "" for none, and what goes into WWW-Authenticate."""
        if not token:
            return connection.user, [] if connection.user else list(self.manner.offers)
        if scheme not in self.manner.offers:
            return "", list(self.manner.offers)
        connection.user = ""  # whoever begins anew has to come to the end
        context = connection.context or self._context(scheme)
        try:
            said = context.step(b64decode(token))
        except (SpnegoError, ValueError) as error:
            connection.context = None
            self.refused.append(type(error).__name__)
            return "", list(self.manner.offers)
        answer = [f"{scheme} {b64encode(said).decode()}"] if said else []
        if not context.complete:
            connection.context = context
            return "", answer
        connection.context = None
        self.accepted += 1
        user = context.client_principal or ""
        if not self.manner.signs_each_request:
            connection.user = user
        return user, answer

    def _context(self, scheme: str) -> "_Login":
        if self.manner.is_mit:
            return _MitLogin()
        return spnego.server(
            hostname="localhost",
            service="HTTP",
            protocol=scheme.lower(),
            options=NegotiateOptions.use_ntlm if scheme == "NTLM" else NegotiateOptions.use_negotiate,
            channel_bindings=self.manner.bindings,
        )

    def _content(self, request: web.Request, user: str, body: bytes) -> web.Response:
        self.last_body = body
        if request.query.get("f") == "large":
            return web.Response(body=bytes(LARGE), content_type="image/tiff")
        if request.query.get("f") == "image":
            return web.Response(body=PNG, content_type="image/png")
        return web.json_response(
            {
                "currentVersion": 10.81,
                "mapName": "City",
                "layers": [],
                "user": user,
                "received": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
            }
        )


def end_point(certificate: str) -> GssChannelBindings:
    """The bindings to a server with that certificate (PEM file): tls-server-end-point, RFC 5929 §4.1."""
    der = load_pem_x509_certificate(Path(certificate).read_bytes()).public_bytes(Encoding.DER)
    return GssChannelBindings(application_data=b"tls-server-end-point:" + hashlib.sha256(der).digest())

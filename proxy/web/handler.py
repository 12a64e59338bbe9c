"""aiohttp's request to `Incoming`, `Reply` to aiohttp's response: the door that every request goes through.

The one place that catches everything, so that each request ends with an answer of ours and one record.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import TransferEncodingError
from aiohttp.web_exceptions import HTTPException

from proxy import names
from proxy.core import admit, hygiene
from proxy.core.mount import wanted
from proxy.core.target import parse_request_target
from proxy.errors import BadRequest, ClientGone, NotFound, Overloaded, ProxyError, TargetTooLong
from proxy.model import Headers, Limits
from proxy.pipeline import Pipeline
from proxy.plan import methods
from proxy.ports import Clock, Recorder
from proxy.runtime import Current
from proxy.traffic import Exchange, Incoming, Reply
from proxy.web.client import client_address, own_origin
from proxy.web.front import Connection, PlainResponse
from proxy.web.respond import error_reply, json_reply, ping_reply

_LOG: Final = logging.getLogger(__name__)
_VERSIONS: Final = ((1, 0), (1, 1))
_BODILESS: Final = ("GET", "HEAD")


@dataclass(slots=True)
class Door:
    """Handles the requests of the public listener."""

    current: Current
    pipeline: Pipeline
    record: Recorder
    clock: Clock
    is_draining: Callable[[], bool] = lambda: False

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if isinstance(request.protocol, Connection):
            request.protocol.head_came()
        exchange = Exchange(uuid.uuid4().hex, request.method, self.clock())
        try:
            reply = await self._answer(request, exchange)
            return await self._stream(request, reply, exchange)
        except (ClientGone, ConnectionError, asyncio.CancelledError):
            exchange.outcome = "client_gone"
            raise
        finally:
            self.record(exchange)

    async def _answer(self, request: web.BaseRequest, exchange: Exchange) -> Reply:
        """The reply with its CORS headers and request id; errors are replies too."""
        headers: Headers = {}
        try:
            headers = hygiene.client_headers(request.raw_headers)
            exchange.request_id = hygiene.request_id(headers) or exchange.request_id
            check_form(request, headers, self.current.runtime.configuration.limits)
            reply = await self._route(request, headers, exchange)
            exchange.outcome = "ok"
        except ProxyError as error:
            reply = error_reply(error, exchange.request_id)
            exchange.outcome, exchange.note = error.slug, error.message
        except Exception as error:  # noqa: BLE001 - the web edge: whatever it is, the client gets an answer
            # The name alone: a message or a traceback may hold what was in hand.
            _LOG.error("a request failed in an unforeseen way: %s", type(error).__name__)
            reply = error_reply(ProxyError("The proxy failed; its log has the request id."), exchange.request_id)
            exchange.outcome, exchange.note = "internal", type(error).__name__
        policy = exchange.policy or self.current.runtime.configuration.admit
        for name, value in admit.cors_headers(policy, headers.get(names.ORIGIN, "")).items():
            reply.headers[name] = f"{reply.headers[name]}, {value}" if name in reply.headers else value
        reply.headers[names.X_REQUEST_ID] = exchange.request_id
        exchange.status = reply.status
        return reply

    async def _route(self, request: web.BaseRequest, headers: Headers, exchange: Exchange) -> Reply:
        runtime = self.current.runtime
        configuration = runtime.configuration
        path = request.raw_path.partition("?")[0]
        exchange.client = client_address(request.remote or "", headers, configuration.trusted_proxies)
        if path == "/healthz" and request.method in _BODILESS:
            return json_reply(200, {"status": "ok"})
        asked = wanted(request.raw_path, configuration.paths, runtime.mounts)
        if asked is None:
            raise NotFound("There is nothing here.", f"The proxy answers at {configuration.paths[0]}?https://host/…")
        if self.is_draining():
            raise Overloaded("The proxy is stopping.", retry_after=1)
        raw_target = asked.raw_target
        if raw_target is not None and raw_target.lower() == "ping" and request.method in _BODILESS:
            return ping_reply("OK")
        if request.method == "OPTIONS":
            return self._preflight(raw_target, headers, exchange)
        incoming = Incoming(
            method=request.method,
            path=path,
            raw_target=raw_target,
            headers=headers,
            client=exchange.client,
            own_origin=own_origin(request, headers, configuration),
            has_body=request.body_exists,
            read_body=lambda: _body(request, headers, configuration.limits, exchange),
            is_mounted=asked.is_mounted,
        )
        return await self.pipeline.handle(incoming, exchange)

    def _preflight(self, raw_target: str | None, headers: Headers, exchange: Exchange) -> Reply:
        """Answered here, never upstream: the target alone decides which pages and verbs."""
        runtime = self.current.runtime
        rule = runtime.table.lookup(parse_request_target(raw_target)) if raw_target else None
        if rule is not None and rule.admit is not None:
            exchange.policy = rule.admit
        policy = exchange.policy or runtime.configuration.admit
        answer = admit.preflight_headers(policy, headers, ", ".join((*methods(rule), "OPTIONS")))
        # `_answer` adds the two that every reply has; doubled, a browser would refuse them
        for name in (names.ACCESS_CONTROL_ALLOW_ORIGIN, names.ACCESS_CONTROL_EXPOSE_HEADERS, names.VARY):
            answer.pop(name, None)
        return Reply(204, answer | {names.VARY: names.ACCESS_CONTROL_REQUEST_HEADERS} | hygiene.COMMON)

    async def _stream(self, request: web.BaseRequest, reply: Reply, exchange: Exchange) -> web.StreamResponse:
        """Sends the reply at the pace of the client. A body that breaks off upstream breaks off here too: a clean
        end would pass half a picture off as a whole one."""
        response = PlainResponse(reply)
        if self.is_draining():
            response.force_close()
        try:
            await response.prepare(request)
            if request.method != "HEAD" and reply.status not in (204, 304):
                if isinstance(reply.body, bytes):
                    exchange.bytes_out = len(reply.body)
                    await response.write(reply.body)
                else:
                    async for piece in reply.body:
                        exchange.bytes_out += len(piece)
                        await response.write(piece)
            await response.write_eof()
        except ProxyError as error:
            exchange.outcome, exchange.note = "cut", error.message
            if request.transport is not None:
                request.transport.abort()
        finally:
            reply.close()
        return response


def check_form(request: web.BaseRequest, headers: Headers, limits: Limits) -> None:
    """The form of the request, before anything looks at what it wants. Raises BadRequest or TargetTooLong."""
    if (request.version.major, request.version.minor) not in _VERSIONS:
        raise BadRequest("Only HTTP/1.0 and HTTP/1.1 are spoken here.", slug="malformed")
    raw = request.raw_path
    if not raw.startswith("/") or "#" in raw:
        raise BadRequest("The request target is not in origin form.", slug="malformed")
    if len(raw) > limits.request_line:
        raise TargetTooLong("The request line is too long.", "server.limits.requestLine sets the limit.")
    if sum(len(name) + len(value) + 4 for name, value in request.raw_headers) > limits.headers:
        raise BadRequest("The request headers are too long.", "server.limits.headers sets it.", slug="bad_header")
    if len([name for name, _ in request.raw_headers if name.lower() == b"host"]) > 1:
        raise BadRequest("The request has two Host headers.", slug="bad_header")
    coding = headers.get(names.TRANSFER_ENCODING)
    if coding is not None and (coding.lower() != "chunked" or request.version.minor == 0):
        raise BadRequest("Only the transfer coding 'chunked' is taken, on HTTP/1.1.", slug="malformed")
    if coding is not None and names.CONTENT_LENGTH in headers:
        raise BadRequest("The request has both a length and a transfer coding.", slug="malformed")
    if request.method in _BODILESS and request.body_exists:
        raise BadRequest(f"A {request.method} request has no body here; send it as POST.", slug="bad_body")


async def _body(request: web.BaseRequest, headers: Headers, limits: Limits, exchange: Exchange) -> AsyncIterator[bytes]:
    if headers.get(names.EXPECT, "").lower() == "100-continue" and request.version.minor == 1:
        # Only now that the request was not refused; never passed upstream (Go CVE-2024-24791).
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        while True:
            async with asyncio.timeout(limits.idle_timeout):
                piece = await request.content.readany()
            if not piece:
                return
            exchange.bytes_in += len(piece)
            yield piece
    except TimeoutError:
        raise BadRequest("The request body stopped coming.", slug="slow_body") from None
    except (HTTPException, TransferEncodingError, web.RequestPayloadError):
        raise BadRequest("The request body is malformed.", slug="bad_body") from None
    except ConnectionError:
        raise ClientGone from None

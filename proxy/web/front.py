"""aiohttp's low-level server, made to see every request, malformed ones too, and to say nothing about itself."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from proxy import names
from proxy.errors import BadRequest, Overloaded, ProxyError, TargetTooLong
from proxy.model import Limits
from proxy.traffic import Reply
from proxy.web.respond import error_reply

_LOG: Final = logging.getLogger(__name__)
_LINGER: Final = 2.0  # seconds in which the unread body of a refused request is taken off the line


class PlainResponse(web.StreamResponse):
    """A response with our headers and none that aiohttp would add about itself."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(status=reply.status, headers=reply.headers)

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall(names.SERVER, None)
        if names.CONTENT_TYPE not in self.headers or not self.headers[names.CONTENT_TYPE]:
            self.headers.popall(names.CONTENT_TYPE, None)


class Connection(RequestHandler):
    """One client connection. What cannot be parsed is answered in our own words: nothing is echoed."""

    __slots__ = ("_front", "_head_timer", "_limits", "_malformed")

    def __init__(self, front: "Front", limits: Limits, malformed: Callable[[str], None], **options: Any) -> None:
        super().__init__(front, **options)
        self._front, self._limits, self._malformed = front, limits, malformed
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if len(self._front.connections) > self._limits.connections:
            self._malformed("too_many_connections")
            self._refuse(Overloaded("Too many connections.", retry_after=1))
            return
        # aiohttp's own deadline is the keep-alive one: a head that drips in would stay for a minute
        loop = asyncio.get_running_loop()
        self._head_timer = loop.call_later(self._limits.header_timeout, self._head_is_late)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.head_came()
        super().connection_lost(exc)

    def head_came(self) -> None:
        """The first head is complete; the later ones are bounded by the idle limit."""
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._malformed("slow_head")
        self._refuse(BadRequest("The request head did not come in time.", slug="slow_head"))

    def _refuse(self, error: ProxyError) -> None:
        """An answer before there is a request."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        reply = error_reply(error, uuid.uuid4().hex)
        lines = [f"HTTP/1.1 {reply.status} refused", *(f"{name}: {value}" for name, value in reply.headers.items())]
        assert isinstance(reply.body, bytes)  # noqa: S101 - our own answers are
        transport.write("\r\n".join([*lines, f"{names.CONNECTION}: close", "", ""]).encode("ascii") + reply.body)
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what aiohttp's parser refused; `message` and `exc` repeat the request and stay unused."""
        error: ProxyError
        if status >= 500:
            _LOG.error("a request failed in an unforeseen way: %s", type(exc).__name__)
            error = ProxyError("The proxy failed; its log has the request id.")
        elif type(exc).__name__ == "LineTooLong":
            error = TargetTooLong("The request line or a header is too long.", "server.limits.requestLine sets it.")
        else:
            error = BadRequest("The request is not well-formed HTTP.", slug="malformed")
        self._malformed(error.slug)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        reply = error_reply(error, uuid.uuid4().hex)
        response = web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        response.headers[names.SERVER] = names.PRODUCT
        response.force_close()
        return response


class Front(web.Server):
    """The factory of connections, and their shutdown."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Any],
        limits: Limits,
        malformed: Callable[[str], None],
    ) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._malformed, self._limits = malformed, limits
        self._options: dict[str, Any] = {
            "keepalive_timeout": limits.idle_timeout,
            "max_line_size": limits.request_line,
            "max_field_size": limits.headers,
            "max_headers": limits.header_count,
            "lingering_time": _LINGER,
            "auto_decompress": False,
            "access_log": None,
        }

    def __call__(self) -> RequestHandler:
        return Connection(self, self._limits, self._malformed, loop=asyncio.get_running_loop(), **self._options)

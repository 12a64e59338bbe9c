"""One connection to a server: a request goes out, its answer comes in, and then the next; never two at once.

Knows neither pools nor names. Whatever is not exactly one answer to one request ends the connection.
"""

import asyncio
import math
import ssl
from typing import Final, cast

from proxy import names
from proxy.errors import ProxyError, UpstreamFailed
from proxy.traffic import Reply
from proxy.upstream import wire
from proxy.upstream.failures import bad_answer, broken, late
from proxy.upstream.framing import Framing, framing_of, has_no_body
from proxy.upstream.owner import Owner, Waiter
from proxy.upstream.stream import Stream

_WHOLE: Final = 64 * 1024  # bytes of a body that are handed on in one piece, if they are there with the head
NEVER: Final = math.inf


class Stale(Exception):
    """A connection that had served before ended without a byte of an answer: the server had closed it meanwhile."""


class Connection(asyncio.Protocol):
    """Times are of `loop.time()`. `patience` is what the server has for each pause within a body, in seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: "Owner[Connection]", patience: float) -> None:
        self._loop, self._owner, self._patience = loop, owner, patience
        self._transport: asyncio.Transport | None = None
        self.deadline = NEVER
        self.uses = 0  # answers that came whole
        self.method = self.client = ""  # of the last request
        self.held_since = NEVER  # since when it waits for its client, while it does
        self.is_open = False
        self._waiter: Waiter | None = None  # for the head of the answer
        self._is_silent = True  # not a byte of the answer has come
        self._is_sending = False  # the request's body is still going up
        self._heads = wire.HeadReader()
        self._stream: Stream | None = None
        self._is_paused = False
        self._framing: Framing | None = None  # of the stream
        self._persists, self._idle = False, 0.0
        self._flow: asyncio.Future[None] | None = None  # there while the server does not take more

    # --- what its user calls -----------------------------------------------------------------------------------

    def ask(self, request: bytes, method: str, patience: float, *, has_more: bool = False) -> asyncio.Future[Reply]:
        """Sends a request, or its head if `has_more` follows (`send`, `end`). The future may fail with ProxyError or
        Stale; whoever stops waiting calls `abandon`. The answer has to begin within `patience` seconds."""
        waiter: asyncio.Future[Reply] = self._loop.create_future()
        self.tell(request, method, patience, waiter)
        if has_more:
            self._is_sending, self.deadline = True, NEVER  # it is the client's turn
            self._hold()
        return waiter

    def tell(self, request: bytes, method: str, patience: float, waiter: Waiter) -> None:
        """Sends a whole request; `waiter` is told of its answer, as the future of `ask` is. Whoever stops waiting calls
        `leave`."""
        self._waiter, self.method, self._is_silent, self._is_sending = waiter, method, True, False
        self._write(request)
        self._expect(patience)

    async def send(self, data: bytes, patience: float) -> bool:
        """A piece of the request's body, which the server has to take within `patience` seconds. False where it wants
        no more: the answer has begun, or the connection has ended."""
        if not self._is_asked():
            return False
        self._write(data)
        if self._flow is not None:
            self._expect(patience)
            await self._flow
        if not self._is_asked():
            return False
        self.deadline = NEVER
        return True

    def end(self, data: bytes, patience: float) -> None:
        """The last of the request's body: now it is the server's turn."""
        if self._waiter is not None:
            self._is_sending, self.held_since = False, NEVER
            self._write(data)
            self._expect(patience)

    def abandon(self, waiter: asyncio.Future[Reply]) -> None:
        """Nobody waits for the answer any more. It may have come at the same moment."""
        if not self.leave(waiter) and waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            waiter.result().close()

    def leave(self, waiter: Waiter) -> bool:
        """Nobody waits for the answer any more; whether it had still to come."""
        if self._waiter is not waiter:
            return False
        self._waiter = None
        self.abort()
        return True

    def abort(self) -> None:
        """Closes it at once; safe to call twice."""
        if not self.is_open:
            return
        self.is_open, self.deadline = False, NEVER
        if self._transport is not None:
            self._transport.abort()
        self._let_flow()
        self._owner.lost(self)

    def fail(self, error: ProxyError | Stale) -> None:
        """Closes it; who waits is told `error`."""
        waiter, self._waiter = self._waiter, None
        stream, self._stream = self._stream, None
        self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if stream is not None and isinstance(error, ProxyError):
            stream.end(error)

    def expire(self) -> None:
        """The deadline has come."""
        self.fail(late())

    def become(self, transport: asyncio.Transport) -> None:
        """Goes on inside a tunnel, with the server behind the proxy."""
        self._transport = transport

    @property
    def transport(self) -> asyncio.Transport:
        """Raises UpstreamFailed where it is gone."""
        if self._transport is None or not self.is_open:
            raise bad_answer()
        return self._transport

    @property
    def tls(self) -> ssl.SSLObject | None:
        """None without TLS."""
        found = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return cast("ssl.SSLObject | None", found)

    # --- what a stream calls: see `stream.Source` --------------------------------------------------------------

    def wait(self) -> asyncio.Future[None]:
        self._expect(self._patience)
        return self._loop.create_future()

    def pause(self) -> None:
        if self._transport is not None and self.is_open:
            self._is_paused = True
            self._transport.pause_reading()
            self._hold()

    def resume(self) -> None:
        if self._transport is not None and self.is_open and self._is_paused:
            self._is_paused, self.held_since = False, NEVER
            self._transport.resume_reading()

    def drop(self) -> None:
        self._stream = None
        self.abort()

    # --- what the loop calls -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        if not self.is_open:
            return
        try:
            if self._stream is not None:
                self._body_came(self._stream, data)
            elif self._waiter is not None:
                self._head_came(data)
            else:
                self.abort()  # bytes that nobody asked for: the next answer would begin with them
        except UpstreamFailed as error:
            self.fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._let_flow()
        if not self.is_open:
            return
        if self._waiter is not None and self._is_silent and self.uses:
            self.fail(Stale())
            return
        stream = self._stream
        if stream is not None and exc is None and self._framing is not None and self._framing.ends_with_connection:
            self._stream = None
            stream.end()
        self.fail(broken(exc))

    def eof_received(self) -> None:
        if self._waiter is None and self._stream is None:
            self.abort()

    def pause_writing(self) -> None:
        self._flow = self._loop.create_future()

    def resume_writing(self) -> None:
        self._let_flow()

    # --- inside ------------------------------------------------------------------------------------------------

    def _hold(self) -> None:
        self.held_since = self._loop.time()
        self._owner.held(self)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and self.is_open:
            self._transport.write(data)

    def _is_asked(self) -> bool:
        return self._waiter is not None

    def _expect(self, patience: float) -> None:
        self.deadline = self._loop.time() + patience
        self._owner.watch(self.deadline)

    def _let_flow(self) -> None:
        flow, self._flow = self._flow, None
        if flow is not None and not flow.done():
            flow.set_result(None)

    def _head_came(self, data: bytes) -> None:
        self._is_silent = False
        found = self._heads.feed(data)
        if found is None:
            return
        head, data, at = found  # `data` from `at` on is what came behind the head
        status, headers, length, is_chunked, self._persists = head
        self._idle = wire.idle_limit(headers.get(names.KEEP_ALIVE))
        self.deadline = NEVER
        if self.method == "CONNECT":
            self._tunnel(Reply(status, headers), is_open=status < 300 and len(data) == at)
        elif has_no_body(self.method, status):
            # A server that announces a body where none may be could well send it
            self._persists &= self.method == "HEAD" or not (is_chunked or length)
            self._answer(Reply(status, headers), is_clean=len(data) == at)
        elif length is not None and length <= _WHOLE and len(data) - at >= length:
            self._answer(Reply(status, headers, data[at : at + length]), is_clean=len(data) - at == length)
        else:
            framing = framing_of(head)
            body = framing.feed(data[at:])
            if framing.is_done and len(body) <= _WHOLE:
                self._answer(Reply(status, headers, body), is_clean=not framing.has_excess)
            else:
                self._begin_stream(status, headers, framing, body)

    def _answer(self, reply: Reply, *, is_clean: bool) -> None:
        self._tell(reply)  # first: what it says may concern whoever waits for this connection
        self._finish(is_clean=is_clean)

    def _tell(self, reply: Reply) -> bool:
        """Whether somebody waits for it."""
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return False
        waiter.set_result(reply)
        return True

    def _tunnel(self, reply: Reply, *, is_open: bool) -> None:
        """The proxy's word on CONNECT: what comes behind it is the server's, if it lets us through."""
        if not is_open:
            self.abort()
        self._tell(reply)

    def _begin_stream(self, status: int, headers: dict[str, str], framing: Framing, body: bytes) -> None:
        stream = Stream(self)
        self._stream, self._framing = stream, framing
        stream.push(body)
        self._end_if_done(stream, framing)
        if not self._tell(Reply(status, headers, stream, stream.close)):
            stream.close()

    def _body_came(self, stream: Stream, data: bytes) -> None:
        framing = cast("Framing", self._framing)
        piece = framing.feed(data)
        if piece:
            self.deadline = NEVER  # it runs while somebody waits: a slow reader is not the server's fault
            stream.push(piece)
        self._end_if_done(stream, framing)

    def _end_if_done(self, stream: Stream, framing: Framing) -> None:
        if framing.is_done:
            self._stream = None
            stream.end()
            self.resume()
            self._finish(is_clean=not framing.has_excess)

    def _finish(self, *, is_clean: bool) -> None:
        """The answer is whole. An early one, while the request's body still goes up, is the last here."""
        if is_clean and self._persists and not self._is_sending and self.is_open:
            self.uses += 1
            self._owner.freed(self, self._idle)
        else:
            self.abort()

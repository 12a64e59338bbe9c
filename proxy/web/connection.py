"""One client connection: one request in flight, and a limit for every time that a client may take.

`framing` says where requests end, `answer` writes what is said to them. Knows nothing of what is served.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from typing import Final

from proxy.errors import BadRequest, ClientGone, Overloaded, ProxyError, TooSlow
from proxy.web.framing import Framing, Phase
from proxy.web.head import Head
from proxy.web.inbox import Inbox
from proxy.web.line import Line
from proxy.web.respond import error_bytes
from proxy.web.serving import Errand, Serving

_LOG: Final = logging.getLogger(__name__)
_PIPELINED: Final = 64 * 1024  # bytes that wait behind the request in flight before we stop reading
_HALF_CLOSED: Final = 0.5  # seconds in which an answer has to begin when the client says no more: it may have left
_FLOOR: Final = 1024  # bytes a second of a body, on average; who was faster has `idleTimeout` ahead of it at most
_MOST_REQUESTS: Final = 1000
_LONGEST: Final = 3600.0  # seconds of a connection's life; then its next answer closes it
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(Line):
    """The handler gets it with each request: `head` and `inbox` (None: no body) are that request's."""

    def __init__(self, serving: Serving, hand_over: Callable[[], None] | None = None) -> None:
        """`hand_over` frees the place that was kept for it among all connections, while it was none yet."""
        super().__init__()
        self._serving, self._hand_over = serving, hand_over
        self._framing = Framing(serving.limits)
        self.head: Head
        self.inbox: Inbox | None = None
        self.asker: object = None  # what `client` knows of whoever asks on this connection
        self.page: object = None  # and `hits`
        self.errand: Errand | None = None  # who answers the request in flight, where that is no task
        self._task: asyncio.Task[None] | None = None
        self._turn: asyncio.Future[None] | None = None  # of the next request
        self._is_busy = False  # a request is in flight
        self._has_begun = False  # its answer has
        self._is_last = False  # its answer ends the connection
        # On the loop's clock: opened, idle since, begin of the body, last progress of it
        self._born = self._since = self._began = self._moved_at = 0.0
        self._served = 0
        self._spent = 0  # bytes of the body that no longer count for its pace

    # --- opening and closing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._born = self._since = self._loop.time()
        self._deadline = self._born + self._serving.limits.header_timeout
        if self._hand_over is not None:
            self._hand_over()
        if not self._serving.watch.enter(self, self.peer):
            self._refuse(Overloaded("Too many connections.", retry_after=1, slug="too_many_connections"))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._serving.watch.leave(self)
        if self.inbox is not None:
            self.inbox.end(ClientGone())
        if self.errand is not None:
            self.errand.gone()
        if self._task is not None:
            self._task.cancel()

    def close(self) -> None:
        """No more requests; what was written is still sent."""
        if not self._is_closing:
            self.finish(linger=self._framing.phase is Phase.BODY or bool(self._framing.waiting))

    def drain(self) -> None:
        """The request in flight, or on its way, is the last one."""
        if not self._is_busy and not self._framing.waiting:
            self.close()

    def eof_received(self) -> bool:
        """The client has left, or only says no more and still listens: one cannot be told from the other."""
        self._is_ended = True
        if self._is_closing or self.is_secure:  # TLS knows no half
            return False
        if self._is_busy:
            self._loop.call_later(_HALF_CLOSED, self._has_left)
            return self._has_begun or self._framing.phase is not Phase.BODY
        if self._framing.waiting:
            self._refuse(BadRequest("The request ended before it was whole.", slug="malformed"))
        return False

    def _has_left(self) -> None:
        if self._is_busy and not self._has_begun:
            self.cut()

    # --- one request after the other

    async def _serve(self) -> None:
        with closing(self):
            try:
                while True:
                    await (self._serving.handler(self) if self.errand is None else self.errand.go_on())
                    if not self._go_on():
                        return
                    if not self._is_busy or self.errand is not None:
                        self._turn = self._loop.create_future()
                        await self._turn
            except ClientGone:
                self.cut()
            except Exception as error:  # noqa: BLE001 - the web edge: what happened here must not end other requests
                # The name alone: a message or a traceback may hold what was in hand.
                _LOG.error("an answer failed in an unforeseen way: %s", type(error).__name__)
                self.cut()

    def _begin(self, piece: bytes) -> None:
        """A head is complete; `piece` came with it, of its body."""
        self.head = self._framing.head
        self._served += 1
        self._is_busy, self._has_begun = True, False
        if self.head.length != 0:
            self.inbox = Inbox(self, self._loop)
            self._began, self._spent = self._loop.time(), 0
            self._body_moved(piece)
        elif self._is_taken():
            if self.errand is None:
                self.answered()
            return
        self.serve()

    def serve(self) -> None:
        """The request in flight needs a task, for its handler or for what is left of its errand."""
        if self._task is None:
            self._task = self._loop.create_task(self._serve())
        elif self._turn is not None:
            turn, self._turn = self._turn, None
            if not turn.done():
                turn.set_result(None)

    def answered(self) -> None:
        """The request in flight was, without a task."""
        if not self._go_on():
            self.close()

    def _is_taken(self) -> bool:
        """By one of the quick ones. Not where another request waits behind it, which would make a recursion, or the
        client does not read what it is sent."""
        if self._framing.waiting or not self.is_drained:
            return False
        try:
            for quick in self._serving.quicks:  # noqa: SIM110 - `any` would cost as much as the asking
                if quick(self):
                    return True
            return False
        except Exception as error:  # noqa: BLE001 - as in `_serve`
            _LOG.error("an answer failed in an unforeseen way: %s", type(error).__name__)
            self.cut()
            return True

    def begin_answer(self, *, is_last: bool = False) -> bool:
        """Whether the answer has to say that the connection ends with it, as it does where `is_last`."""
        self._has_begun = True
        self._is_last = (
            is_last
            or self._is_last
            or self._serving.is_draining
            or not self.head.keeps_open
            # An early answer: the rest of the body may be long, or never come (RFC 9110 §10.1.1)
            or self._framing.phase is Phase.BODY
        )
        return self._is_last

    def _go_on(self) -> bool:
        """Whether there may be another request; one that waits begins at once."""
        self._is_busy, self.inbox = False, None
        if self._is_last or not self._has_begun or self._is_closing or self._serving.is_draining:
            return False
        self._since = now = self._loop.time()
        self._deadline = now + self._serving.limits.idle_timeout
        self._is_last = self._served >= _MOST_REQUESTS - 1 or now - self._born > _LONGEST
        waited = len(self._framing.waiting)
        try:
            piece = self._framing.next()
        except ProxyError as error:
            self._refuse(error)
            return False
        if self._framing.phase is not Phase.HEAD:
            self._begin(piece)
        elif self._is_ended:
            return False
        elif self._framing.waiting:
            self._deadline = now + self._serving.limits.header_timeout
        if waited > _PIPELINED:
            self.release()
        return True

    # --- what comes in

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            self._drop(data)
            return
        framing = self._framing
        phase, waited = framing.phase, framing.waiting
        try:
            piece = framing.feed(data)
        except ProxyError as error:
            if phase is Phase.BODY:
                self._break(error)
            else:
                self._refuse(error)
            return
        if phase is Phase.HEAD:
            if framing.phase is not Phase.HEAD:
                self._begin(piece)
            elif not waited:  # its first byte; the others do not move the end of our patience
                self._deadline = self._loop.time() + self._serving.limits.header_timeout
        elif phase is Phase.BODY:
            self._body_moved(piece)
        elif len(framing.waiting) > _PIPELINED:
            self.hold()

    def _body_moved(self, piece: bytes) -> None:
        self._moved_at = self._loop.time()
        assert self.inbox is not None  # noqa: S101 - a request with a body has one
        self.inbox.push(piece)
        if self._framing.phase is Phase.NEXT:
            self.inbox.end()

    def _break(self, error: ProxyError) -> None:
        """The body cannot be read on: whoever reads it gets the error, and the answer to that is the last one."""
        self._is_deaf = self._is_last = True
        assert self.inbox is not None  # noqa: S101 - as above
        self.inbox.end(error)

    def _refuse(self, error: ProxyError) -> None:
        """An answer to what is no request. Nothing of it is repeated."""
        self._serving.refused(error.slug)
        self.flush(error_bytes(error, is_head=self._framing.is_head))
        self.finish(linger=self._serving.watch.linger(self))

    def body_is_wanted(self) -> None:
        head = self.head
        if head.wants_continue and not self._framing.received and not self._has_begun:
            head.wants_continue = False
            self.flush(_CONTINUE)

    def hold(self) -> None:
        self.transport.pause_reading()

    def release(self) -> None:
        now = self._loop.time()
        self._began += now - self._moved_at  # the time in which we did not read is not the client's
        self._moved_at = now
        if not self._is_ended:
            self.transport.resume_reading()

    # --- time

    def idle_since(self) -> float | None:
        # Who was answered without a task may not have taken the answer yet
        return None if self._is_busy or not self.is_drained else self._since

    def resume_writing(self) -> None:
        super().resume_writing()
        self._since = self._loop.time()

    def look(self, now: float) -> None:
        if self._is_stalled(now, self._serving.limits.idle_timeout):
            self._serving.refused("slow_reader")
            self.cut()
        elif self._is_closing:
            if now >= self._deadline and not self._unsent:
                self.cut()
        elif self._is_busy:
            if self._framing.phase is Phase.BODY and not self._is_deaf:
                self._look_at_sender(now)
        elif now >= self._deadline:
            if self._framing.waiting:
                self._refuse(TooSlow("The request head did not come in time."))
            else:
                # No answer: a browser that opened this connection ahead would take it for that to its next request
                self.transport.close()

    def _look_at_sender(self, now: float) -> None:
        assert self.inbox is not None  # noqa: S101 - as above
        if self.inbox.is_held or self._has_begun:
            return
        limits, since = self._serving.limits, now - self._began
        ahead = self._framing.received - self._spent - _FLOOR * since
        if now - self._moved_at > limits.idle_timeout or (since > limits.header_timeout and ahead < 0):
            self._serving.refused("slow_body")
            self._break(TooSlow("The request body comes too slowly.", slug="slow_body"))
        # Or the last bytes of a large body might take hours
        self._spent += max(0, int(ahead - _FLOOR * limits.idle_timeout))

"""What is traced: a span for each request, for each try at an upstream, and for each login. `traced.py` puts them
around the parts where traces are on; where they are off none of this is there.

No span holds a token, a query, or anything of a client's headers but the trace that it belongs to.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from cachetools import LRUCache
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    format_span_id,
    format_trace_id,
    get_current_span,
    set_span_in_context,
    use_span,
)

from proxy import names
from proxy.core.trace import parent_of
from proxy.errors import ProxyError
from proxy.ports import Upstream
from proxy.telemetry.export import Export
from proxy.telemetry.redaction import redact
from proxy.traffic import Audience, Exchange, Headers, Outgoing, Reply, Token
from proxy.urls import Origin

_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_LONGEST: Final = 512  # characters of an address
_MOST_LOGINS: Final = 1000  # the last login of so many audiences
_PROBE: Final = "/healthz"  # asked for all day by what watches us
# How often the request in hand sent the same thing upstream
_SENT: ContextVar[dict[tuple[str, Origin, str], int] | None] = ContextVar("sent", default=None)


class _Head(Protocol):
    @property
    def method(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def headers(self) -> Headers: ...


class _Asking(Protocol):
    """A client's connection with a request on it."""

    @property
    def head(self) -> _Head: ...
    @property
    def is_secure(self) -> bool: ...


_Connection = TypeVar("_Connection", bound=_Asking)


class Tracing:
    """The spans of a process. Names of attributes: OpenTelemetry's conventions for HTTP, and ours
    under `resource_proxy.`."""

    def __init__(self, export: Export) -> None:
        self.export = export
        self._tracer = export.tracer
        self._logins: LRUCache[Audience, SpanContext] = LRUCache(_MOST_LOGINS)

    async def close(self) -> None:
        """See `Export.close`."""
        await self.export.close()

    def door(self, handler: Callable[[_Connection], Awaitable[None]]) -> Callable[[_Connection], Awaitable[None]]:
        """`handler` with a span for each request, in the client's trace where it names one."""

        async def traced(connection: _Connection) -> None:
            head = connection.head
            path = head.target.partition("?")[0]
            if path == _PROBE:
                await handler(connection)
                return
            method = _method(head.method)
            attributes = {
                "http.request.method": method,
                "url.scheme": "https" if connection.is_secure else "http",
                "url.path": _address(path),
            }
            span = self._tracer.start_span(
                _name(method), _context_of(head.headers), SpanKind.SERVER, attributes=attributes
            )
            with _current(span):
                await handler(connection)

        return traced

    def finish(self, exchange: Exchange) -> None:
        """What became of the request in hand. Its log line gets the trace's id."""
        span = get_current_span()
        context = span.get_span_context()
        if not context.is_valid:
            return
        exchange.trace_id = format_trace_id(context.trace_id)
        if not span.is_recording():
            return
        if exchange.rule:
            span.update_name(f"{_name(_method(exchange.method))} {exchange.rule}")
        for name, value in (
            ("http.response.status_code", exchange.status),
            ("resource_proxy.rule", exchange.rule),
            ("resource_proxy.credential", exchange.credential),
            ("resource_proxy.operation", exchange.operation),
            ("resource_proxy.outcome", exchange.outcome),
            ("resource_proxy.cache", exchange.cache),
            ("resource_proxy.target", _address(exchange.target)),
            ("resource_proxy.attempts", exchange.attempts),
            ("resource_proxy.renewals", exchange.renewals),
        ):
            if value:
                span.set_attribute(name, value)
        if exchange.status >= 500 or exchange.outcome == "cut":
            _failed(span, exchange.outcome if exchange.outcome != "ok" else str(exchange.status))

    async def sent(self, upstream: Upstream, outgoing: Outgoing) -> Reply:
        """One request. Its span ends where the answer begins: as with `resource_proxy_upstream_duration_seconds`."""
        target, method = outgoing.target, _method(outgoing.method)
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "url.full": _address(f"{target.origin}{target.path}"),
            "server.address": target.origin.host,
            "server.port": target.origin.port,
        }
        if (again := _times(outgoing)) > 0:
            attributes["http.request.resend_count"] = again
        span = self._tracer.start_span(_name(method), None, SpanKind.CLIENT, attributes=attributes)
        try:
            reply = await upstream.send(replace(outgoing, headers=_naming(span, outgoing.headers)))
            span.set_attribute("http.response.status_code", reply.status)
            if reply.status >= 400:
                _failed(span, str(reply.status))
            return reply
        except ProxyError as error:
            _failed(span, error.slug)
            raise
        finally:
            span.end()

    @contextmanager
    def login(self, audience: Audience, *, is_ahead: bool) -> Iterator[None]:
        """The span of one acquisition. One that somebody waits for is part of that request; one made ahead is a trace
        of its own, linked to the request that saw the time had come."""
        asked_by = get_current_span().get_span_context()
        links: Sequence[Link] = (Link(asked_by),) if is_ahead and asked_by.is_valid else ()
        attributes: dict[str, str | bool] = {
            "resource_proxy.credential": audience.credential,
            "resource_proxy.ahead": is_ahead,
            "server.address": audience.server.origin.host,
        }
        span = self._tracer.start_span(
            f"login {audience.credential}", Context() if is_ahead else None, attributes=attributes, links=links
        )
        self._logins[audience] = span.get_span_context()
        with _current(span):
            try:
                yield
            except ProxyError as error:
                _failed(span, error.slug)
                raise

    def here(self) -> str:
        """The span in hand, as a `traceparent`; "" where there is none."""
        context = get_current_span().get_span_context()
        return _traceparent(context) if context.is_valid else ""

    @contextmanager
    def within(self, traceparent: str) -> Iterator[None]:
        """What happens in here is done for a span of another process of ours (`here`)."""
        token = attach(_context_of({names.TRACEPARENT: traceparent}))
        try:
            yield
        finally:
            detach(token)

    def rejected(self, token: Token) -> None:
        """A server rejected the token of the request in hand."""
        get_current_span().add_event("token rejected", {"resource_proxy.credential": token.audience.credential})

    def waited(self, audience: Audience, seconds: float) -> None:
        """The request in hand had to wait for a token."""
        span = get_current_span()
        span.add_event(
            "token awaited", {"resource_proxy.credential": audience.credential, "resource_proxy.seconds": seconds}
        )
        login = self._logins.get(audience)
        if login is not None and login.trace_id != span.get_span_context().trace_id:  # it was another one's
            span.add_link(login)


@contextmanager
def _current(span: Span) -> Iterator[None]:
    """What happens in here belongs to `span`. Exceptions leave no words in it: they may hold anything."""
    sent = _SENT.set({})
    try:
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            yield
    finally:
        _SENT.reset(sent)


def _context_of(headers: Headers) -> Context:
    parent = parent_of(headers)
    if parent is None:
        return Context()
    came = SpanContext(
        parent.trace_id,
        parent.span_id,
        is_remote=True,
        trace_flags=TraceFlags(parent.flags),
        trace_state=TraceState(parent.state),
    )
    return set_span_in_context(NonRecordingSpan(came), Context())


def _naming(span: Span, headers: dict[str, str]) -> dict[str, str]:
    """`headers` with this span as the parent of what the server does."""
    context = span.get_span_context()
    named = headers | {names.TRACEPARENT: _traceparent(context)}
    named.pop(names.TRACESTATE, None)
    if context.trace_state:
        named[names.TRACESTATE] = context.trace_state.to_header()
    return named


def _traceparent(context: SpanContext) -> str:
    ids = f"{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}"
    return f"00-{ids}-{context.trace_flags:02x}"


def _times(outgoing: Outgoing) -> int:
    """How often this was sent before for the same request."""
    sent = _SENT.get()
    if sent is None:
        return 0
    what = outgoing.method, outgoing.target.origin, outgoing.target.path
    before = sent.get(what, 0)
    sent[what] = before + 1
    return before


def _failed(span: Span, why: str) -> None:
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", why)


def _method(method: str) -> str:
    """Those of the conventions: what a client makes up must not become a name."""
    return method if method in _METHODS else "_OTHER"


def _name(method: str) -> str:
    return "HTTP" if method == "_OTHER" else method


def _address(text: str) -> str:
    """Redacted before it is cut: half a credential would look like none."""
    return redact(text[: 16 * _LONGEST])[0][:_LONGEST]

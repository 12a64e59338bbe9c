"""A collector of traces: takes OTLP over HTTP as a real one does, and can be slow, down or wrong."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

KINDS = {trace_pb2.Span.SPAN_KIND_SERVER: "server", trace_pb2.Span.SPAN_KIND_CLIENT: "client"}


@dataclass(slots=True)
class Span:
    """One span as it arrived; ids in hex."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    is_error: bool
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[str]  # the ids of the spans
    process: str  # service.instance.id


@dataclass(slots=True)
class Collector:
    """`seen` are the bodies as they came; `resources` what their processes say of themselves."""

    status: int = 200
    delay: float = 0.0
    port: int = 0
    seen: list[bytes] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: int = 0
    _runner: web.AppRunner | None = None

    @property
    def environ(self) -> dict[str, str]:
        """What leads a proxy here."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}"}

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def until(self, is_enough: Callable[["Collector"], bool]) -> None:
        async with asyncio.timeout(30):
            while True:
                if is_enough(self):
                    return
                await asyncio.sleep(0.02)

    def of(self, kind: str, **attributes: Any) -> list[Span]:
        """The spans of one kind with these attributes; `_` stands for a dot."""
        wanted = {name.replace("__", "."): value for name, value in attributes.items()}
        return [span for span in self.spans if span.kind == kind and wanted.items() <= span.attributes.items()]

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        await asyncio.sleep(self.delay)
        if self.status != 200:
            return web.Response(status=self.status)
        assert request.content_type == "application/x-protobuf"
        body = await request.read()
        self.seen.append(body)
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = _plain(of_resource.resource.attributes)
            process = resource["service.instance.id"]
            self.resources[process] = resource
            for scope in of_resource.scope_spans:
                self.spans += [_span(span, process) for span in scope.spans]
        return web.Response()


def _span(span: trace_pb2.Span, process: str) -> Span:
    return Span(
        span.name,
        KINDS.get(span.kind, "internal"),
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.trace_state,
        span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        _plain(span.attributes),
        [(event.name, _plain(event.attributes)) for event in span.events],
        [link.span_id.hex() for link in span.links],
        process,
    )


def _plain(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def _value(value: AnyValue) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")

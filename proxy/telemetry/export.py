"""Where spans go: OpenTelemetry's own library, set up so that a collector that is slow, down or wrong costs spans and
nothing else. What a span holds is decided in `spans.py`."""

import asyncio
import logging
import os
import threading
import uuid
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from proxy import __version__, names
from proxy.telemetry.log import state_change

_SERVICE: Final = "resource-proxy"
_GOODBYE: Final = 2.0  # seconds that the last spans have when the process ends
_LIBRARY: Final = logging.getLogger("opentelemetry")


class Export:
    """Batches on their way to one collector, in a thread of their own; what does not fit its queue is dropped."""

    def __init__(self, endpoint: str, *, is_worker: bool = False) -> None:
        """Raises ValueError where a variable of the library cannot be read."""
        _LIBRARY.addHandler(_WORDS)
        _LIBRARY.propagate = False
        self._exporter = _Reported(OTLPSpanExporter(endpoint=endpoint), _shown(endpoint))
        # at exit nobody waits for it: `close` does, a little
        self._provider = TracerProvider(resource=_resource(is_worker=is_worker), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self.tracer: Tracer = self._provider.get_tracer(names.PRODUCT, __version__)

    @property
    def sent(self) -> int:
        """Spans that the collector took."""
        return self._exporter.sent

    @property
    def lost(self) -> int:
        """Spans that it did not take, or not in time."""
        return self._exporter.lost

    async def close(self) -> None:
        """The last spans go out, as far as they do in two seconds."""
        ending = threading.Thread(target=self._provider.shutdown, name="last traces", daemon=True)
        ending.start()
        await asyncio.get_running_loop().run_in_executor(None, ending.join, _GOODBYE)


class _Reported(SpanExporter):
    """Counts, and tells once when the collector goes and when it comes back."""

    def __init__(self, exporter: SpanExporter, where: str) -> None:
        self._exporter, self._where = exporter, where
        self._is_well = True
        self.sent = self.lost = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        _WORDS.text = ""
        result = self._exporter.export(spans)
        is_well = result is SpanExportResult.SUCCESS
        if is_well:
            self.sent += len(spans)
        else:
            self.lost += len(spans)
        if is_well != self._is_well:
            self._is_well = is_well
            if is_well:
                state_change("traces_reached", collector=self._where)
            else:
                state_change("traces_unavailable", collector=self._where, why=_WORDS.text)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class _LastWords(logging.Handler):
    """What the library says goes here, not into the log: it says so at every try, and some of it quotes headers with
    the keys of the collector."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("opentelemetry.exporter."):
            self.text = record.getMessage()


_WORDS: Final = _LastWords()


def _resource(*, is_worker: bool) -> Resource:
    """Who we are: as the environment says, and each process by an id of its own."""
    said = dict(Resource.create().attributes)
    if str(said[SERVICE_NAME]).startswith("unknown_service"):
        said[SERVICE_NAME] = _SERVICE
    said.setdefault(SERVICE_VERSION, __version__)
    instance = said.get(SERVICE_INSTANCE_ID)
    if instance is None:
        said[SERVICE_INSTANCE_ID] = str(uuid.uuid4())
    elif is_worker:
        said[SERVICE_INSTANCE_ID] = f"{instance}-{os.getpid()}"
    return Resource(said)


def _shown(endpoint: str) -> str:
    """Without its path, and without a user name or password."""
    scheme, _, rest = endpoint.partition("://")
    return f"{scheme}://{rest.partition('/')[0].rpartition('@')[2]}"

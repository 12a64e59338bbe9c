"""Whether requests are traced, and where to: what OpenTelemetry's own variables (OTEL_*) say. Knows no span: without a
trace its library, an extra, is not even imported."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from proxy.errors import ConfigurationError

if TYPE_CHECKING:
    from proxy.telemetry.spans import Tracing

_BASE: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_OWN: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_PATH: Final = "/v1/traces"  # below the base (OTLP 1.x, "Endpoint URLs for OTLP/HTTP")
_PROTOCOL: Final = "http/protobuf"


def begin_tracing(environ: Mapping[str, str], *, is_worker: bool = False) -> "Tracing | None":
    """None where nothing is to be traced. `is_worker`: one of several processes. Raises ConfigurationError."""
    endpoint = endpoint_of(environ)
    if endpoint is None:
        return None
    try:
        from proxy.telemetry.export import Export
        from proxy.telemetry.spans import Tracing
    except ImportError:
        raise ConfigurationError(
            [f"{_BASE} asks for traces, which need a library: pip install 'arcgis-resource-proxy[otel]'"]
        ) from None
    try:
        return Tracing(Export(endpoint, is_worker=is_worker))
    except ValueError as error:  # of another variable: the library says which
        raise ConfigurationError([f"OTEL_*: {error}"]) from None


def endpoint_of(environ: Mapping[str, str]) -> str | None:
    """The URL that spans are sent to. An empty variable is none (OpenTelemetry's specification). Raises
    ConfigurationError where it cannot be done as told."""

    def said(name: str) -> str:
        return environ.get(name, "").strip()

    own, base = said(_OWN), said(_BASE)
    exporter = said("OTEL_TRACES_EXPORTER").lower()
    if not (own or base) or exporter == "none" or said("OTEL_SDK_DISABLED").lower() == "true":
        return None
    if exporter not in ("", "otlp"):
        raise ConfigurationError([f"OTEL_TRACES_EXPORTER: {exporter} is not spoken here; write otlp, or none"])
    protocol = said("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or said("OTEL_EXPORTER_OTLP_PROTOCOL") or _PROTOCOL
    if protocol != _PROTOCOL:
        raise ConfigurationError(
            [f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol} is not spoken here; write {_PROTOCOL} (most often port 4318)"]
        )
    endpoint = own or base.rstrip("/") + _PATH
    if not _is_url(endpoint):
        raise ConfigurationError(
            [f"{_OWN if own else _BASE}: not an http:// or https:// URL, as http://collector:4318"]
        )
    return endpoint


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

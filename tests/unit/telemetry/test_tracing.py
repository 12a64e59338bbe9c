"""When requests are traced, and where to: OpenTelemetry's own variables, read as its specification says."""

import pytest

from proxy.errors import ConfigurationError
from proxy.telemetry.tracing import begin_tracing, endpoint_of

BASE, OWN = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HERE = "http://collector:4318"


@pytest.mark.parametrize(
    ("environ", "endpoint"),
    [
        ({}, None),
        ({BASE: ""}, None),
        ({BASE: " ", OWN: ""}, None),
        ({BASE: HERE}, f"{HERE}/v1/traces"),
        ({BASE: f"{HERE}/"}, f"{HERE}/v1/traces"),
        ({BASE: f"{HERE}/otlp"}, f"{HERE}/otlp/v1/traces"),
        ({OWN: f"{HERE}/mine"}, f"{HERE}/mine"),
        ({BASE: "https://other", OWN: HERE}, HERE),
        ({BASE: HERE, "OTEL_SDK_DISABLED": "TRUE"}, None),
        ({BASE: HERE, "OTEL_SDK_DISABLED": "1"}, f"{HERE}/v1/traces"),
        ({BASE: HERE, "OTEL_TRACES_EXPORTER": "none"}, None),
        ({BASE: HERE, "OTEL_TRACES_EXPORTER": "otlp"}, f"{HERE}/v1/traces"),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, None),
        ({BASE: HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, f"{HERE}/v1/traces"),
        (
            {BASE: HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            f"{HERE}/v1/traces",
        ),
    ],
)
def test_the_environment_says_where_to(environ: dict[str, str], endpoint: str | None) -> None:
    assert endpoint_of(environ) == endpoint
    if endpoint is None:
        assert begin_tracing(environ) is None


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({BASE: "collector:4318"}, f"{BASE}: not an http"),
        ({OWN: "grpc://collector:4317"}, f"{OWN}: not an http"),
        ({BASE: "http://"}, f"{BASE}: not an http"),
        ({BASE: "http://collector:port"}, f"{BASE}: not an http"),
        ({BASE: "http://[collector"}, f"{BASE}: not an http"),
        ({BASE: HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc is not spoken here; write http/protobuf"),
        ({BASE: HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "http/json is not spoken here"),
        ({BASE: HERE, "OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: zipkin is not spoken here"),
    ],
)
def test_what_cannot_be_done_is_said_and_what_to_write(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        endpoint_of(environ)
    [complaint] = refused.value.complaints
    assert said in complaint

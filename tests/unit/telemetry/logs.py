"""A log that goes to a terminal, a file or a pipe, and what it says."""

import io
import json
from collections.abc import Callable
from typing import Any

from proxy.telemetry.log import AccessLog, LogHandle

access = AccessLog()


Begin = Callable[..., tuple[LogHandle, io.StringIO]]


def lines(handle: LogHandle, stream: io.StringIO) -> list[dict[str, Any]]:
    handle.close()
    return [json.loads(line) for line in stream.getvalue().splitlines()]

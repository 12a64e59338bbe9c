"""Log lines: one for each request, and one for each change of state; JSON, or text on a terminal.

Written by a thread of its own from a bounded queue: a reader of stdout that stalls costs lines, never requests.
"""

import json
import logging
import queue
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from logging.handlers import QueueHandler, QueueListener
from typing import Final, TextIO

from proxy.model import Exchange

_LOG: Final = logging.getLogger("proxy")
_REQUEST, _STATE = "request", "state"
_QUEUE: Final = 10_000
_LONGEST: Final = 512
# The second net: nothing of ours writes a secret, a library's message might.
_SECRETS: Final = re.compile(
    r"(?i)\b((?:access_|refresh_)?token|password|client_secret|authorization|x-esri-authorization|cookie)"
    r"(\"?\s*[=:]\s*\"?)(bearer\s+|basic\s+)?[^\s&\"',;]+"
)


def redacted(text: str) -> str:
    """`text` with whatever looks like a credential's value taken out."""
    return _SECRETS.sub(r"\1\2…", text)


@dataclass(slots=True)
class LogHandle:
    """A configured log; `close` writes what is queued."""

    listener: QueueListener
    handler: QueueHandler

    def close(self) -> None:
        self.listener.stop()
        logging.getLogger().removeHandler(self.handler)


def configure(level: str, form: str, stream: TextIO | None = None) -> LogHandle:
    """Begins logging. `form` is json, text, or auto: text on a terminal, else JSON."""
    stream = stream or sys.stdout
    is_text = form == "text" or (form == "auto" and stream.isatty())
    writer = logging.StreamHandler(stream)
    writer.setFormatter(_Text() if is_text else _Json())
    handler = _Dropping(queue.Queue(_QUEUE))
    listener = QueueListener(handler.queue, writer)
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    _LOG.setLevel(level.upper())
    listener.start()
    return LogHandle(listener, handler)


class AccessLog:
    """Writes the canonical line of a request."""

    def __call__(self, exchange: Exchange, ended_at: float) -> None:
        """`ended_at` on the clock of `started_at`. Query keys only: values may be anything."""
        if not _LOG.isEnabledFor(logging.INFO):
            return
        fields = {
            "request_id": exchange.request_id,
            "client": exchange.client,
            "method": exchange.method,
            "target": exchange.target,
            "query": ",".join(exchange.query_keys),
            "rule": exchange.rule,
            "credential": exchange.credential,
            "operation": exchange.operation,
            "status": exchange.status,
            "outcome": exchange.outcome,
            "duration_ms": round((ended_at - exchange.started_at) * 1000, 1),
            "upstream_ms": round(exchange.upstream_seconds * 1000, 1),
            "attempts": exchange.attempts,
            "renewals": exchange.renewals,
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
            "generation": exchange.generation,
            "note": exchange.note,
        }
        _LOG.info(_REQUEST, extra={"fields": fields})


def state_change(event: str, **fields: object) -> None:
    """One line for a change of state: started, reloaded, credential refused, draining…"""
    _LOG.warning(_STATE, extra={"fields": {"change": event, **fields}})


class _Dropping(QueueHandler):
    """Never waits: where the queue is full the line is lost, and counted."""

    dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """No tracebacks: their frames hold what was in hand."""
        record.msg, record.args = redacted(record.getMessage()), None
        record.exc_info = record.exc_text = record.stack_info = None
        return record


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {"time": _time(record), "level": record.levelname.lower(), **_fields(record)}
        return json.dumps(line, ensure_ascii=True, separators=(",", ":"))


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        event = fields.pop("event")
        words = " ".join(f"{name}={_plain(value)}" for name, value in fields.items() if value not in ("", 0, 0.0))
        return f"{_time(record)} {record.levelname.lower():<7} {event} {words}"


def _fields(record: logging.LogRecord) -> dict[str, object]:
    given = getattr(record, "fields", None)
    if not isinstance(given, dict):
        return {"event": "message", "logger": record.name, "text": _short(str(record.msg))}
    return {"event": record.msg, **{name: _short(value) for name, value in given.items()}}


def _short(value: object) -> object:
    return redacted(value[:_LONGEST]) if isinstance(value, str) else value


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text.isascii() and " " not in text else json.dumps(text, ensure_ascii=True)


def _time(record: logging.LogRecord, to_utc: Callable[[float], time.struct_time] = time.gmtime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", to_utc(record.created)) + f".{int(record.msecs):03d}Z"

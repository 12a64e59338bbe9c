"""Log lines: one for each request, and one for each change of state; JSON, or text on a terminal.

Written by a thread of its own from a bounded queue: a reader of stdout that stalls costs lines, never requests. No
line holds a traceback's text or a query's values, and what looks like a credential is taken out of all of them.
"""

import json
import logging
import os
import queue
import re
import select
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from logging.handlers import QueueHandler
from pathlib import PurePath
from typing import Final, TextIO

from proxy.telemetry.redaction import names_a_secret, redact
from proxy.traffic import Exchange

_LOG: Final = logging.getLogger("proxy")
_QUEUE: Final = 10_000  # lines
_BATCH: Final = 500  # lines written at once, where so many wait
_LONGEST: Final = 512  # characters of one value
_MOST_ITEMS: Final = 30  # of a list
_FLOOD: Final = 50  # lines a second from other people's loggers
_ALARMS: Final = ("_refused", "_rejected", "_unavailable", "_failed", "hold_off_began")

_ENCODE: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_PARAMETER: Final = re.compile(r"[A-Za-z][\w.:$-]{0,39}")


@dataclass(slots=True)
class Tally:
    """What was lost and taken out since the process began."""

    dropped: int = 0  # lines
    redacted: int = 0


_ENQUEUED, _WRITTEN = Tally(), Tally()  # one for the threads that log, one for the thread that writes


def tally() -> Tally:
    """The counts of now."""
    return Tally(_ENQUEUED.dropped + _WRITTEN.dropped, _WRITTEN.redacted)


@dataclass(slots=True)
class LogHandle:
    """A configured log."""

    _handler: "_Bounded"
    _writer: "_Writer"
    _levels: dict[logging.Logger, int]

    def close(self, within: float = 2.0) -> None:
        """Writes what is queued, as far as its reader takes it `within` so many seconds."""
        logging.getLogger().removeHandler(self._handler)
        for logger, level in self._levels.items():
            logger.setLevel(level)
        self._writer.finish(within)
        self._handler.close()


def configure(level: str, form: str, stream: TextIO | None = None) -> LogHandle:
    """Begins logging to `stream` (stdout). `form` is json, text, or auto: text on a terminal, else JSON."""
    stream = stream or sys.stdout
    is_text = form == "text" or (form == "auto" and stream.isatty())
    lines: _Lines = queue.Queue(_QUEUE)
    handler = _Bounded(lines)
    handler.addFilter(_Flood())
    writer = _Writer(lines, stream, _text if is_text else _json)
    root = logging.getLogger()
    handle = LogHandle(handler, writer, {logger: logger.level for logger in (root, _LOG)})
    _LOG.setLevel(level.upper())
    # What aiohttp and asyncio have to say goes the same way; their news below a warning is nobody's.
    root.setLevel(max(logging.WARNING, _LOG.level))
    root.addHandler(handler)
    writer.start()
    return handle


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
            "query": _keys(exchange.query_keys),
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
        _write(logging.INFO, "request", fields)


def state_change(event: str, **fields: object) -> None:
    """One line for a change of state: started, reloaded, credential_refused, draining…"""
    level = logging.WARNING if event.endswith(_ALARMS) else logging.INFO
    if _LOG.isEnabledFor(level):
        _write(level, event, fields)


def _write(level: int, event: str, fields: Mapping[str, object]) -> None:
    # Not `_LOG.info`: that walks the stack for a file and line that nobody reads.
    _LOG.handle(_Line(level, event, fields))


def _keys(keys: tuple[str, ...]) -> str:
    """A piece without `=` may be a bare token; only what looks like a parameter's name is written."""
    return ",".join(key if _PARAMETER.fullmatch(key) else "…" for key in keys[:_MOST_ITEMS])


class _Line(logging.LogRecord):
    """What is written, not yet redacted: that is the writing thread's work."""

    def __init__(self, level: int, event: str, fields: Mapping[str, object]) -> None:
        super().__init__(_LOG.name, level, "", 0, event, None, None)
        self.event, self.fields = event, fields


_Lines = queue.Queue[_Line | None]


class _Bounded(QueueHandler):
    """Never waits: where the queue is full the line is lost, and counted."""

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            _ENQUEUED.dropped += 1

    def prepare(self, record: logging.LogRecord) -> _Line:
        """The message is made here, while its arguments are what they were. Of an exception only its name and places
        are kept: its text and its source lines hold what was in hand."""
        if isinstance(record, _Line):
            return record
        fields: dict[str, object] = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = _places(record.exc_info[1])
        return _Line(record.levelno, "message", fields)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A message that does not fit its arguments. The standard library would print both to stderr."""
        _ENQUEUED.dropped += 1


class _Flood(logging.Filter):
    """asyncio logs each refused accept: without file descriptors that is a thousand tracebacks a second."""

    def __init__(self) -> None:
        super().__init__()
        self._second, self._seen = 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record, _Line):
            return True
        second = int(record.created)
        if second != self._second:
            self._second, self._seen = second, 0
        self._seen += 1
        if self._seen > _FLOOD:
            _ENQUEUED.dropped += 1
        return self._seen <= _FLOOD


class _Writer(threading.Thread):
    """Takes lines off the queue, as many as wait, and writes them at once. The only thread that may be stalled."""

    def __init__(self, lines: _Lines, stream: TextIO, form: Callable[[_Line], str]) -> None:
        super().__init__(name="log writer", daemon=True)
        self._lines, self._stream, self._form = lines, stream, form
        self._is_leaving = False
        try:
            # a file number of our own: a line that comes late must not go where another file was opened since
            self._file: int | None = os.dup(stream.fileno())
        except OSError:  # a stream in memory
            self._file = None

    def run(self) -> None:
        try:
            self._write_until_told()
        finally:
            if self._file is not None:
                os.close(self._file)

    def _write_until_told(self) -> None:
        last: _Line | None
        while True:
            taken = [last := self._lines.get()]
            while last is not None and len(taken) < _BATCH and not self._lines.empty():
                taken.append(last := self._lines.get_nowait())
            texts = [text for line in taken if line is not None and (text := self._formed(line))]
            try:
                self._write("".join(texts))
            except (OSError, ValueError):  # full, gone or closed: the next lines may fare better
                _WRITTEN.dropped += len(texts)
            if last is None or (self._is_leaving and self._lines.empty()):
                return

    def finish(self, within: float) -> None:
        """Ends after what is queued, or leaves it: a daemon thread holds up nobody's exit."""
        until = time.monotonic() + within
        try:
            self._lines.put(None, timeout=within)
        except queue.Full:
            self._is_leaving = True
            return
        self.join(max(0.0, until - time.monotonic()))

    def _formed(self, line: _Line) -> str:
        try:
            return self._form(line) + "\n"
        except (TypeError, ValueError, RecursionError):  # a value that cannot be shown; the thread must live on
            _WRITTEN.dropped += 1
            return ""

    def _write(self, text: str) -> None:
        if self._file is None:
            self._stream.write(text)
            self._stream.flush()
            return
        # Past the stream's buffer and lock: a stalled write that holds them would hang the interpreter at exit.
        left = memoryview(text.encode("ascii", "backslashreplace"))
        while left:
            try:
                left = left[os.write(self._file, left) :]
            except BlockingIOError:  # a terminal that another program made non-blocking
                select.select((), (self._file,), (), 1.0)


def _json(line: _Line) -> str:
    return _ENCODE({"time": _time(line), "level": line.levelname.lower(), "event": line.event, **_cleaned(line)})


def _text(line: _Line) -> str:
    fields = _cleaned(line)
    first = [fields.pop(name, "") for name in ("status", "outcome", "method", "target")]
    named = [f"{name}={_plain(value)}" for name, value in fields.items() if value not in ("", 0, 0.0)]
    words = [_time(line), f"{line.levelname.lower():<7}", line.event]
    return " ".join([*words, *(_plain(value) for value in first if value != ""), *named])


def _cleaned(line: _Line) -> dict[str, object]:
    return {name: "…" if names_a_secret(name) else _clean(value) for name, value in line.fields.items()}


def _clean(value: object) -> object:
    """Redacted before it is cut: half a credential would look like none."""
    if isinstance(value, str):
        text, times = redact(value[: 16 * _LONGEST])
        _WRITTEN.redacted += times
        return text[:_LONGEST]
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value[:_MOST_ITEMS]]
    return value if isinstance(value, int | float) or value is None else _clean(str(value))


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text.isascii() and " " not in text else json.dumps(text, ensure_ascii=True)


def _places(error: BaseException) -> str:
    """`KeyError at store.py:12 in get < pipeline.py:99 in handle`: the innermost place first."""
    walked = list(traceback.walk_tb(error.__traceback__))[-8:]
    places = [f"{PurePath(f.f_code.co_filename).name}:{line} in {f.f_code.co_name}" for f, line in reversed(walked)]
    return f"{type(error).__name__} at {' < '.join(places)}" if places else type(error).__name__


def _time(line: _Line) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(line.created)) + f".{int(line.msecs):03d}Z"

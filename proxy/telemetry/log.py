"""Log lines: one for each request, and one for each change of state; JSON, or text on a terminal.

How a line looks is in `lines.py`, who writes it in `writer.py`. No line holds a traceback's text.
"""

import logging
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, TextIO

from proxy.telemetry.lines import ENQUEUED, LOGGER, Hit, HitLine, Line, RequestLine, as_json, as_text
from proxy.telemetry.writer import Lines, Writer
from proxy.traffic import Exchange

_LOG: Final = logging.getLogger(LOGGER)
_QUEUE: Final = 10_000  # lines
_TROUBLES: Final = 10_000  # lines of requests that end in the same trouble, before they are only so many a second:
_TROUBLES_A_SECOND: Final = 100
_OK: Final = "ok"
_FLOOD: Final = 50  # lines a second from other people's loggers
_ALARMS: Final = ("_refused", "_rejected", "_unavailable", "_failed", "_stalled", "hold_off_began")


@dataclass(slots=True)
class LogHandle:
    """A configured log."""

    _handler: "_Bounded"
    _writer: Writer
    _levels: dict[logging.Logger, int]

    def close(self, within: float = 2.0) -> None:
        """Writes what is queued, as far as its reader takes it `within` so many seconds."""
        logging.getLogger().removeHandler(self._handler)
        if self._writer.lines in _SINKS:
            _SINKS.remove(self._writer.lines)
        for logger, level in self._levels.items():
            logger.setLevel(level)
        self._writer.finish(within)
        self._handler.close()


def configure(level: str, form: str, stream: TextIO | None = None, *, is_shared: bool = False) -> LogHandle:
    """Begins logging to `stream` (stdout). `form` is json, text, or auto: text on a terminal, else JSON. `is_shared`:
    other processes write there, too."""
    stream = stream or sys.stdout
    is_text = form == "text" or (form == "auto" and stream.isatty())
    lines = Lines(_QUEUE)
    handler = _Bounded(lines)
    handler.addFilter(_Flood())
    writer = Writer(lines, stream, as_text if is_text else as_json, is_shared=is_shared)
    root = logging.getLogger()
    handle = LogHandle(handler, writer, {logger: logger.level for logger in (root, _LOG)})
    _LOG.setLevel(level.upper())
    # What aiohttp and asyncio have to say goes the same way; their news below a warning is nobody's.
    root.setLevel(max(logging.WARNING, _LOG.level))
    root.addHandler(handler)
    _SINKS.append(lines)
    writer.start()
    return handle


class AccessLog:
    """Writes the canonical line of a request. To be refused costs nobody anything, and 70 bytes of a request are 400
    of its line: where many go on ending in the same trouble some are written, and the number of the others."""

    def __init__(self) -> None:
        self._second = 0
        self._spent: dict[str, int] = {}  # lines that were written and not earned since, by outcome; none of what is ok
        self._left_out: dict[str, int] = {}

    def __call__(self, exchange: Exchange, ended_at: float) -> None:
        """`ended_at` on the clock of `started_at`. Query keys only: values may be anything."""
        if _SINKS and _LOG.isEnabledFor(logging.INFO):
            now = time.time()
            if exchange.outcome != _OK and not self._may_write(exchange.outcome, int(now)):
                return
            line = RequestLine(now, exchange, ended_at)
            for lines in _SINKS:
                lines.put(line)

    def _may_write(self, outcome: str, second: int) -> bool:
        """Of what has to be left out the number is told, by the next one in another second."""
        if second != self._second:
            for known, count in self._left_out.items():
                state_change("requests_unlogged", outcome=known, count=count)
            earned = max(0, second - self._second) * _TROUBLES_A_SECOND
            self._spent = {known: spent - earned for known, spent in self._spent.items() if spent > earned}
            self._second, self._left_out = second, {}
        spent = self._spent.get(outcome, 0)
        if spent >= _TROUBLES:
            self._left_out[outcome] = self._left_out.get(outcome, 0) + 1
            return False
        self._spent[outcome] = spent + 1
        return True

    def hit(self, hit: Hit) -> None:
        """The same line, of an answer from the cache."""
        if _SINKS and _LOG.isEnabledFor(logging.INFO):
            line = HitLine(time.time(), hit)
            for lines in _SINKS:
                lines.put(line)


def state_change(event: str, **fields: object) -> None:
    """One line for a change of state: started, reloaded, credential_refused, draining…"""
    level = logging.WARNING if event.endswith(_ALARMS) else logging.INFO
    if _LOG.isEnabledFor(level):
        _write(level, event, fields)


def _write(level: int, event: str, fields: Mapping[str, object]) -> None:
    # Not `_LOG.info`: that walks the stack for a file and line that nobody reads.
    _LOG.handle(Line(level, event, fields))


_SINKS: Final[list[Lines]] = []  # of the configured logs: there is one, but in tests


class _Bounded(logging.Handler):
    """Everything else that is logged, on its way to the writer."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.put(self._prepared(record))
        except Exception:  # noqa: BLE001 - as every handler of the standard library: logging fails nobody
            self.handleError(record)

    def _prepared(self, record: logging.LogRecord) -> Line:
        """The message is made here, while its arguments are what they were. Of an exception only its name and places
        are kept: its text and its source lines hold what was in hand."""
        if isinstance(record, Line):
            return record
        fields: dict[str, object] = {"logger": record.name, "text": record.getMessage()}
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = _places(record.exc_info[1])
        return Line(record.levelno, "message", fields)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A message that does not fit its arguments. The standard library would print both to stderr."""
        ENQUEUED.dropped += 1


class _Flood(logging.Filter):
    """asyncio logs each refused accept: without file descriptors that is a thousand tracebacks a second."""

    def __init__(self) -> None:
        super().__init__()
        self._second, self._seen = 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record, Line):
            return True
        second = int(record.created)
        if second != self._second:
            self._second, self._seen = second, 0
        self._seen += 1
        if self._seen > _FLOOD:
            ENQUEUED.dropped += 1
        return self._seen <= _FLOOD


def _places(error: BaseException) -> str:
    """`KeyError at store.py:12 in get < pipeline.py:99 in handle`: the innermost place first."""
    walked = list(traceback.walk_tb(error.__traceback__))[-8:]
    places = [f"{PurePath(f.f_code.co_filename).name}:{line} in {f.f_code.co_name}" for f, line in reversed(walked)]
    return f"{type(error).__name__} at {' < '.join(places)}" if places else type(error).__name__

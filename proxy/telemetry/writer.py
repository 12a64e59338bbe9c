"""The thread that writes the log, and the bounded queue before it: a reader of stdout that stalls costs lines, never
requests."""

import os
import select
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, TextIO

from proxy.telemetry.lines import ENQUEUED, WRITTEN, Written

_BATCH: Final = 500  # lines written at once, where so many wait
_GATHER: Final = 0.05  # seconds that lines are gathered before they are written


class Lines:
    """What waits to be written. The writer is woken once for many lines: a wake-up costs more than a line."""

    def __init__(self, most: int) -> None:
        self._waiting: deque[Written] = deque()
        self._most = most
        self._is_known = False  # the writer has been told
        self._there = threading.Event()
        self.is_ending = False

    def put(self, line: "Written") -> None:
        """Never waits: where too many do the line is lost, and counted."""
        if len(self._waiting) >= self._most:
            ENQUEUED.dropped += 1
            return
        self._waiting.append(line)
        if not self._is_known:
            self._is_known = True
            self._there.set()

    def take(self) -> "list[Written]":
        """At least one line, at most `_BATCH`; none at the end."""
        while not self._waiting:
            if self.is_ending:
                return []
            self._there.wait()
            if not self.is_ending:
                time.sleep(_GATHER)
            self._there.clear()
            self._is_known = False
        taken = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        if self._waiting:
            self._there.set()
        return taken

    def end(self) -> None:
        """After what waits comes no more."""
        self.is_ending = True
        self._there.set()


class Writer(threading.Thread):
    """Takes lines off the queue, as many as wait, and writes them at once. The only thread that may be stalled."""

    def __init__(
        self, lines: Lines, stream: TextIO, form: "Callable[[Written], str]", *, is_shared: bool = False
    ) -> None:
        super().__init__(name="log writer", daemon=True)
        self.lines, self._stream, self._form = lines, stream, form
        try:
            # a file number of our own: a line that comes late must not go where another file was opened since
            self._file: int | None = os.dup(stream.fileno())
        except OSError:  # a stream in memory
            self._file = None
        # POSIX: up to so many bytes reach a pipe in one piece, between the writes of other processes; a file takes any
        self._most = select.PIPE_BUF if is_shared and not self._is_regular() else 0

    def run(self) -> None:
        try:
            while taken := self.lines.take():
                texts = [text for line in taken if (text := self._formed(line))]
                for some in _pieces(texts, self._most) if self._most else (texts,):
                    try:
                        self._write("".join(some))
                    except (OSError, ValueError):  # full, gone or closed: the next lines may fare better
                        WRITTEN.dropped += len(some)
        finally:
            if self._file is not None:
                os.close(self._file)

    def finish(self, within: float) -> None:
        """Ends after what is queued, or leaves it: a daemon thread holds up nobody's exit."""
        self.lines.end()
        self.join(within)

    def _is_regular(self) -> bool:
        return self._file is not None and stat.S_ISREG(os.fstat(self._file).st_mode)

    def _formed(self, line: "Written") -> str:
        try:
            return self._form(line) + "\n"
        except (TypeError, ValueError, RecursionError):  # a value that cannot be shown; the thread must live on
            WRITTEN.dropped += 1
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


def _pieces(texts: list[str], most: int) -> Iterator[list[str]]:
    """As many lines together as fit into `most` bytes; a longer line stands alone."""
    piece: list[str] = []
    size = 0
    for text in texts:
        if piece and size + len(text) > most:
            yield piece
            piece, size = [], 0
        piece.append(text)
        size += len(text)
    yield piece

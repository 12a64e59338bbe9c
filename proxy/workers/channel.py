"""What supervisor and worker say to each other over the socket that they share: questions, answers and remarks, each
a line of JSON. Knows none of them."""

import asyncio
import itertools
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from proxy import errors
from proxy.errors import ConfigurationError, ProxyError

_LONGEST: Final = 64 * 1024 * 1024  # bytes of one line: a page of metrics of thousands of rules

Answerer = Callable[..., Awaitable[object]]


class Gone(Exception):
    """The other side has ended."""


class Channel:
    """One end. Each side may ask, tell, and answer at the same time.

    `answers` maps what may be asked or told to who answers it; the fields of a message are its keyword arguments. An
    answerer's ProxyError or ConfigurationError is raised again where the question was asked.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self.answers: Mapping[str, Answerer] = {}
        self.on_end: Callable[[], None] = lambda: None

    @classmethod
    async def open(cls, end: socket.socket) -> "Channel":
        """On one end of a socket pair."""
        end.setblocking(False)
        return cls(*await asyncio.open_connection(sock=end, limit=_LONGEST))

    async def ask(self, name: str, **fields: object) -> Any:
        """The answer. Raises Gone, or what the other side raised."""
        if self._writer.is_closing():
            raise Gone
        number = next(self._numbers)
        waiting = self._asked[number] = asyncio.get_running_loop().create_future()
        self._send({"ask": name, "number": number, "fields": fields})
        try:
            return await waiting
        finally:
            self._asked.pop(number, None)

    def tell(self, name: str, **fields: object) -> None:
        """A remark that nobody answers."""
        if not self._writer.is_closing():
            self._send({"ask": name, "fields": fields})

    async def listen(self) -> None:
        """Answers until the other side ends."""
        try:
            while line := await self._reader.readline():
                self._heard(json.loads(line))
        except OSError:
            pass  # it ended in the middle of a word
        finally:
            self.on_end()
            self._writer.close()
            for waiting in self._asked.values():
                if not waiting.done():
                    waiting.set_exception(Gone())
            for answering in self._answering:
                answering.cancel()

    def _heard(self, message: dict[str, Any]) -> None:
        if "ask" in message:
            task = asyncio.create_task(self._answer(message), name=f"answer {message['ask']}")
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
            return
        waiting = self._asked.get(message["number"])
        if waiting is None or waiting.done():
            return
        if "error" in message:
            waiting.set_exception(_error(message["error"]))
        else:
            waiting.set_result(message["answer"])

    async def _answer(self, message: dict[str, Any]) -> None:
        answer: dict[str, object] = {"number": message.get("number")}
        try:
            answer["answer"] = await self.answers[message["ask"]](**message["fields"])
        except (ProxyError, ConfigurationError) as error:
            answer["error"] = _fields(error)
        if "number" in message and not self._writer.is_closing():
            self._send(answer)

    def _send(self, message: Mapping[str, object]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")


def _fields(error: ProxyError | ConfigurationError) -> dict[str, object]:
    if isinstance(error, ConfigurationError):
        return {"complaints": error.complaints}
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "details": error.details,
        "slug": error.slug,
        "retryAfter": error.retry_after,
    }


def _error(said: dict[str, Any]) -> Exception:
    if "complaints" in said:
        return ConfigurationError(said["complaints"])
    kind: type[ProxyError] = getattr(errors, said["kind"])
    return kind(said["message"], *said["details"], slug=said["slug"], retry_after=said["retryAfter"])

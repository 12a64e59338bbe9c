"""Somebody who answers small requests as told, by a clock that stands still: the outside world of what fetches."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from proxy.identity import Route
from proxy.traffic import Answer, Headers
from proxy.urls import Target

WALL = 1_700_000_000.0  # seconds since 1970, where the clock begins


@dataclass(frozen=True, slots=True)
class Call:
    """What arrived, as `ports.Fetcher.fetch` takes it."""

    method: str
    target: Target
    route: Route
    timeout: float
    headers: Headers = field(default_factory=dict)
    body: bytes = b""
    limit: int = 65536

    @property
    def form(self) -> dict[str, str]:
        """The fields of the form, each of which comes once."""
        fields = parse_qs(self.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
        assert all(len(values) == 1 for values in fields.values())
        return {name: values[0] for name, values in fields.items()}


@dataclass(slots=True)
class Told(ABC):
    """Implements `ports.Fetcher`; `now` is the time on our clock."""

    calls: list[Call] = field(default_factory=list, kw_only=True)
    now: float = field(default=0.0, kw_only=True)
    go: asyncio.Event | None = field(default=None, kw_only=True)  # nothing is answered before it is set

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """What is said to this call, made up when it comes; raises what the fetch raises."""

    def clock(self) -> float:
        return self.now

    def wall_clock(self) -> float:
        return WALL + self.now

    async def fetch(self, method: str, target: Target, **more: Any) -> Answer:
        call = Call(method, target, **more)
        self.calls.append(call)
        try:
            return self.answer(call)
        finally:
            if self.go is not None:
                await self.go.wait()

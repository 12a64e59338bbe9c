"""A line of the log, as it waits and as it is written: JSON, or text for a terminal. No line holds a query's values,
and what looks like a credential is taken out of all of them."""

import json
import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.runtime import Known
from proxy.telemetry.redaction import names_a_secret, redact
from proxy.traffic import Exchange

LOGGER: Final = "proxy"
_LONGEST: Final = 512  # characters of one value
_MOST_ITEMS: Final = 30  # of a list
_ENCODE: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
# Targets, and other texts, that are kept: more than a busy map asks for. Full, with a dozen parameters each, 1.7 MB
_MOST_KEPT, _LONGEST_KEPT = 1024, 128
_PARAMETER: Final = re.compile(r"[A-Za-z][\w.:$-]{0,39}")  # what is longer is no name


@dataclass(slots=True)
class Tally:
    """What was lost and taken out since the process began."""

    dropped: int = 0  # lines
    redacted: int = 0


ENQUEUED, WRITTEN = Tally(), Tally()  # one for the threads that log, one for the thread that writes


def tally() -> Tally:
    """The counts of now."""
    return Tally(ENQUEUED.dropped + WRITTEN.dropped, WRITTEN.redacted)


class Line(logging.LogRecord):
    """What is written, not yet redacted: that is the writing thread's work."""

    def __init__(self, level: int, event: str, fields: Mapping[str, object]) -> None:
        super().__init__(LOGGER, level, "", 0, event, None, None)
        self.event, self.fields = event, fields


@dataclass(slots=True)
class RequestLine:
    """The canonical line of a request that has ended. `created` in seconds since 1970."""

    created: float
    exchange: Exchange
    ended_at: float

    def fields(self) -> dict[str, object]:
        exchange = self.exchange
        return {
            "request_id": exchange.request_id,
            "client": exchange.client,
            "user": exchange.user,
            "method": exchange.method,
            "target": exchange.target,
            "query": _keys(exchange.query_keys),
            "rule": exchange.rule,
            "credential": exchange.credential,
            "operation": exchange.operation,
            "status": exchange.status,
            "outcome": exchange.outcome,
            "duration_ms": round((self.ended_at - exchange.started_at) * 1000, 1),
            "upstream_ms": round(exchange.upstream_seconds * 1000, 1),
            "cache": exchange.cache,
            "attempts": exchange.attempts,
            "renewals": exchange.renewals,
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
            "generation": exchange.generation,
            "note": exchange.note,
            "trace_id": exchange.trace_id,
        }


@dataclass(slots=True)
class Hit:
    """What is to be told of an answer from the cache. Times as in `Exchange`."""

    known: Known
    request_id: str
    client: str
    status: int
    size: int  # bytes of the body
    began_at: float
    ended_at: float

    def exchange(self) -> Exchange:
        """The record that every other request has."""
        known = self.known
        exchange = Exchange(self.request_id, "GET", self.began_at, self.client)
        exchange.outcome, exchange.status, exchange.bytes_out = "ok", self.status, self.size
        exchange.rule, exchange.credential, exchange.cache = known.rule.name, known.credential, "hit"
        exchange.target, exchange.query_keys = known.shown, known.query_keys
        exchange.operation, exchange.generation = known.operation, known.generation
        return exchange


@dataclass(slots=True)
class HitLine:
    """The canonical line of a hit. `created` in seconds since 1970."""

    created: float
    hit: Hit


Written = Line | RequestLine | HitLine


def as_json(line: Written) -> str:
    if isinstance(line, HitLine):
        return _json_hit(line)
    if isinstance(line, RequestLine):
        return _json_request(line)
    return _ENCODE(
        {"time": _time(line.created), "level": line.levelname.lower(), "event": line.event, **_cleaned(line.fields)}
    )


def _json_request(line: RequestLine) -> str:
    """As `_ENCODE` would write it, at a tenth of the cost: most of these values come again and again, and together."""
    e = line.exchange
    milliseconds, upstream = (line.ended_at - e.started_at) * 1000, e.upstream_seconds * 1000
    trace = f',"trace_id":"{e.trace_id}"' if e.trace_id else ""
    return (
        f'{{"time":"{_time(line.created)}","level":"info","event":"request","request_id":{_word(e.request_id)},'
        f'"client":{_TEXTS[e.client]},"user":{_TEXTS[e.user]},"method":{_TEXTS[e.method]},'
        f"{_target(e.target, e.query_keys, e.rule, e.credential, e.operation)},"
        f'"status":{e.status},"outcome":{_TEXTS[e.outcome]},'
        f'"duration_ms":{milliseconds:.1f},"upstream_ms":{upstream:.1f},"cache":{_TEXTS[e.cache]},'
        f'"attempts":{e.attempts},"renewals":{e.renewals},"bytes_in":{e.bytes_in},"bytes_out":{e.bytes_out},'
        f'"generation":{e.generation},"note":{_TEXTS[e.note]}{trace}}}'
    )


def _json_hit(line: HitLine) -> str:
    """As `_json_request` would write it, at half the cost: there are tens of thousands a second."""
    hit = line.hit
    known = hit.known
    return (
        f'{{"time":"{_time(line.created)}","level":"info","event":"request","request_id":{_word(hit.request_id)},'
        f'"client":{_TEXTS[hit.client]},"user":"","method":"GET",'
        f"{_target(known.shown, known.query_keys, known.rule.name, known.credential, known.operation)},"
        f'"status":{hit.status},"outcome":"ok",'
        f'"duration_ms":{(hit.ended_at - hit.began_at) * 1000:.1f},"upstream_ms":0.0,"cache":"hit",'
        f'"attempts":0,"renewals":0,"bytes_in":0,"bytes_out":{hit.size},"generation":{known.generation},"note":""}}'
    )


def _target(shown: str, keys: Sequence[str], rule: str, credential: str, operation: str) -> str:
    """The part of a line that all requests of a target have."""
    of = _of_target if len(shown) + sum(map(len, keys)) <= _LONGEST else _of_target.__wrapped__
    text, times = of(shown, tuple(keys), rule, credential, operation)
    WRITTEN.redacted += times
    return text


@lru_cache(maxsize=_MOST_KEPT)
def _of_target(shown: str, keys: tuple[str, ...], rule: str, credential: str, operation: str) -> tuple[str, int]:
    """And how much was taken out of it."""
    values = {"target": shown, "query": _keys(keys), "rule": rule, "credential": credential, "operation": operation}
    written = {name: _encoded(value) for name, value in values.items()}
    return ",".join(f'"{name}":{text}' for name, (text, _) in written.items()), sum(n for _, n in written.values())


def _word(value: str) -> str:
    """What never comes again. Letters and digits alone need no escape and hold no name with a value behind it."""
    return f'"{value}"' if value.isalnum() and value.isascii() and len(value) <= _LONGEST else _shown(value)


def _shown(value: str) -> str:
    text, times = _encoded(value)
    WRITTEN.redacted += times
    return text


def _encoded(value: str) -> tuple[str, int]:
    """A value as JSON, and how much was taken out of it."""
    text, times = redact(value[: 16 * _LONGEST])
    return _ENCODE(text[:_LONGEST]), times


class _Texts(dict[str, str]):
    """Values as JSON: addresses, names and words, the same few again and again. What something was taken out of is not
    kept, or it would be counted once."""

    def __missing__(self, value: str) -> str:
        text, times = _encoded(value)
        WRITTEN.redacted += times
        if not times and len(value) <= _LONGEST_KEPT:
            if len(self) >= _MOST_KEPT:
                self.clear()
            self[value] = text
        return text


_TEXTS: Final = _Texts()


def as_text(line: Written) -> str:
    if isinstance(line, HitLine):
        line = RequestLine(line.created, line.hit.exchange(), line.hit.ended_at)
    fields = _cleaned(line.fields() if isinstance(line, RequestLine) else line.fields)
    first = [fields.pop(name, "") for name in ("status", "outcome", "method", "target")]
    named = [f"{name}={_plain(value)}" for name, value in fields.items() if value not in ("", 0, 0.0)]
    level, event = ("info", "request") if isinstance(line, RequestLine) else (line.levelname.lower(), line.event)
    words = [_time(line.created), f"{level:<7}", event]
    return " ".join([*words, *(_plain(value) for value in first if value != ""), *named])


def _cleaned(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: "…" if names_a_secret(name) else _clean(value) for name, value in fields.items()}


def _clean(value: object) -> object:
    """Redacted before it is cut: half a credential would look like none."""
    if isinstance(value, str):
        text, times = redact(value[: 16 * _LONGEST])
        WRITTEN.redacted += times
        return text[:_LONGEST]
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value[:_MOST_ITEMS]]
    return value if isinstance(value, int | float) or value is None else _clean(str(value))


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text.isascii() and " " not in text else json.dumps(text, ensure_ascii=True)


def _time(created: float) -> str:
    second = int(created)
    return f"{_second(second)}.{int((created - second) * 1000):03d}Z"


@lru_cache(maxsize=16)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def _keys(keys: Sequence[str]) -> str:
    """A piece without `=` may be a bare token; only what looks like a parameter's name is written."""
    return ",".join(key if _PARAMETER.fullmatch(key) else "…" for key in keys[:_MOST_ITEMS])

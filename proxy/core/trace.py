"""W3C Trace Context (level 1) as clients send it. What is not by its letter is no trace: it is never repaired."""

import re
from typing import Final, NamedTuple

from proxy import names
from proxy.traffic import Headers

_PARENT: Final = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_MOST_STATE: Final = 512  # characters that everybody is asked to pass on
_MOST_MEMBERS: Final = 32
_KEY: Final = r"[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13}"
_MEMBER: Final = re.compile(rf"({_KEY})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e])")


class Parent(NamedTuple):
    """The span in whose name a request came."""

    trace_id: int
    span_id: int
    flags: int
    state: tuple[tuple[str, str], ...]  # what tracing systems on the way have noted, the last one first


def parent_of(headers: Headers) -> Parent | None:
    """The trace that a request belongs to; None where it names none."""
    match = _PARENT.fullmatch(headers.get(names.TRACEPARENT, ""))
    if match is None:
        return None
    trace_id, span_id, flags = (int(digits, 16) for digits in match.groups())
    return Parent(trace_id, span_id, flags, _members(headers.get(names.TRACESTATE, "")) or ())


def is_parent(value: str) -> bool:
    """Whether a `traceparent` may be passed on."""
    return _PARENT.fullmatch(value) is not None


def is_state(value: str) -> bool:
    """Whether a `tracestate` may be passed on; it says nothing without a parent."""
    return _members(value) is not None


def _members(value: str) -> tuple[tuple[str, str], ...] | None:
    """All of them, or None: half a state may say something else than the whole."""
    if len(value) > _MOST_STATE:
        return None
    found: dict[str, str] = {}
    for part in value.split(","):
        member = part.strip(" \t")
        if not member:
            continue
        match = _MEMBER.fullmatch(member)
        if match is None or match[1] in found:
            return None
        found[match[1]] = match[2]
    return tuple(found.items()) if len(found) <= _MOST_MEMBERS else None

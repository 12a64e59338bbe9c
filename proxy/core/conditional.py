"""What of a stored answer a client is given: all of it, a part (Range), or word that it has it already (304).
RFC 9110 §13 and §14; nothing here decides whether the answer may be used."""

import re
from typing import Final, NamedTuple

from proxy import names
from proxy.core.cache_control import http_date
from proxy.traffic import Headers

CONDITIONS: Final = frozenset({names.IF_NONE_MATCH, names.IF_MODIFIED_SINCE, names.RANGE, names.IF_RANGE})
# Nothing that a stored answer could meet: the server has to say.
PRECONDITIONS: Final = frozenset({names.IF_MATCH, names.IF_UNMODIFIED_SINCE})
_TAG: Final = re.compile(r'(?:W/)?"[^"]*"')
_RANGE: Final = re.compile(r"bytes=\s*([0-9]{0,18})-([0-9]{0,18})\s*", re.IGNORECASE)
_OF_A_304: Final = frozenset(
    {
        *(names.AGE, names.CACHE_CONTROL, names.CACHE_STATUS, names.DATE, names.ETAG, names.EXPIRES),
        *(names.LAST_MODIFIED, names.VARY, names.REFERRER_POLICY, names.X_CONTENT_TYPE_OPTIONS),
    }
)


class Given(NamedTuple):
    """What the client gets of an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def is_known(asked: Headers, headers: Headers) -> bool:
    """Whether the client said that it has this very answer (RFC 9110 §13.2.2)."""
    wanted = asked.get(names.IF_NONE_MATCH)
    if wanted is not None:
        tag = headers.get(names.ETAG, "").removeprefix("W/")
        return wanted.strip() == "*" or tag in {each.removeprefix("W/") for each in _TAG.findall(wanted)}
    since, modified = asked.get(names.IF_MODIFIED_SINCE), headers.get(names.LAST_MODIFIED, headers.get(names.DATE))
    if since is None or modified is None:
        return False
    then, now = http_date(since), http_date(modified)
    return then is not None and now is not None and now <= then


def not_modified(headers: Headers) -> dict[str, str]:
    """The headers of a 304 (RFC 9110 §15.4.5)."""
    return {name: value for name, value in headers.items() if name in _OF_A_304}


def given(asked: Headers, headers: dict[str, str], status: int, body: bytes) -> Given:
    """What a client that asks with these headers gets of a whole stored answer."""
    if is_known(asked, headers):
        return Given(304, not_modified(headers), b"")
    bounds = _bounds(asked, headers, len(body)) if status == 200 and names.RANGE in asked else None
    if bounds is None:
        return Given(status, headers, body)
    first, end = bounds
    if first >= end:
        return Given(
            416, {**not_modified(headers), names.CONTENT_RANGE: f"bytes */{len(body)}", names.CONTENT_LENGTH: "0"}, b""
        )
    part = body[first:end]
    cut = {names.CONTENT_RANGE: f"bytes {first}-{end - 1}/{len(body)}", names.CONTENT_LENGTH: str(len(part))}
    return Given(206, {**headers, **cut}, part)


def _bounds(asked: Headers, headers: Headers, size: int) -> tuple[int, int] | None:
    """Of the part that is asked for, in bytes; none left where it lies behind the end. None: give the whole, as for
    several parts at a time."""
    condition = asked.get(names.IF_RANGE)
    if condition is not None and condition not in (_strong_tag(headers), headers.get(names.LAST_MODIFIED)):
        return None
    match = _RANGE.fullmatch(asked[names.RANGE])
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return max(0, size - int(match[2])), size
    first = int(match[1])
    end = min(size, int(match[2]) + 1) if match[2] else size
    if match[2] and int(match[2]) < first:
        return None
    return (first, end) if first < size else (size, size)


def _strong_tag(headers: Headers) -> str | None:
    tag = headers.get(names.ETAG)
    return tag if tag is not None and not tag.startswith("W/") else None

"""An answer as it will stand on the shelf, and a stored one as a client gets it. Stores and fetches nothing."""

from email.utils import formatdate
from typing import Final

from proxy import names
from proxy.core import caching, conditional
from proxy.core.cache_control import http_date
from proxy.state.shelf import Stored
from proxy.traffic import Asked, Exchange, Fetched, Reply

# What of an upstream's headers is needed to judge its answer again, after a 304
_TOLD: Final = (
    names.CACHE_CONTROL,
    names.CDN_CACHE_CONTROL,
    names.CONTENT_ENCODING,
    names.CONTENT_LENGTH,
    names.DATE,
    names.ETAG,
    names.EXPIRES,
    names.LAST_MODIFIED,
    names.SURROGATE_CONTROL,
    names.TRANSFER_ENCODING,
    names.VARY,
)


def drafted(
    asked: Asked, fetched: Fetched, body: bytes, operation: str, *, now: float, delay: float, wall: float
) -> Stored:
    """What will stand on the shelf. `now` on the monotonic clock, `delay` since the request went up, `wall` since
    1970."""
    told = dict(fetched.told)
    if http_date(told.get(names.DATE, "")) is None:
        told[names.DATE] = formatdate(wall, usegmt=True)  # RFC 9110 §6.6.1
    life = caching.life(told, asked.policy)
    hidden = caching.withheld(told) | {names.AGE}
    headers = {name: value for name, value in fetched.reply.headers.items() if name not in hidden}
    headers[names.DATE] = told[names.DATE]
    if control := caching.shown_control(headers.get(names.CACHE_CONTROL, ""), life, asked.policy):
        headers[names.CACHE_CONTROL] = control
    upward = asked.upward()
    return Stored(
        status=fetched.reply.status,
        headers=headers,
        body=body,
        told={name: told[name] for name in _TOLD if name in told},
        life=life,
        born_at=now - caching.initial_age(told, delay=delay, wall=wall),
        varies=tuple((name, caching.vary_value(upward, name)) for name in caching.vary_names(told) or ()),
        operation=operation,
        key_size=sum(len(part or "") for part in asked.key),
    )


def updated(stored: Stored, fetched: Fetched) -> Fetched:
    """The stored answer after a 304: it is of today, and what that says nothing of stays as it was."""
    update = dict(fetched.reply.headers)
    if names.CACHE_CONTROL not in fetched.told:
        update.pop(names.CACHE_CONTROL, None)  # ours
    headers, told = dict(stored.headers), dict(stored.told)
    for each in (headers, told):
        each.pop(names.DATE, None)
    return Fetched(Reply(stored.status, caching.freshened(headers, update)), caching.freshened(told, fetched.told))


def served(
    stored: Stored, asked: Asked, exchange: Exchange, age: float, result: str, words: str, *, is_whole: bool = True
) -> Reply:
    """A stored answer as this client gets it: whole, in part, or as word that it has it. `words` for Cache-Status."""
    exchange.cache = result
    exchange.operation = exchange.operation or stored.operation
    headers = {**stored.headers, names.CACHE_STATUS: names.PRODUCT + words, names.AGE: str(int(age))}
    if asked.headers.keys().isdisjoint(conditional.CONDITIONS):
        return Reply(stored.status, headers, stored.body)
    if is_whole and asked.method == "GET":
        return Reply(*conditional.given(asked.headers, headers, stored.status, stored.body))
    if conditional.is_known(asked.headers, headers):
        return Reply(304, conditional.not_modified(headers))
    return Reply(stored.status, headers, stored.body)


def marked(reply: Reply, exchange: Exchange, result: str, words: str) -> Reply:
    """An upstream's answer, with a word of what the cache did."""
    exchange.cache = result
    reply.headers[names.CACHE_STATUS] = names.PRODUCT + words
    return reply

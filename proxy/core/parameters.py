"""Parameters out of a request and into it, in query and form; all others stay byte for byte."""

from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_plus

from proxy import names
from proxy.model import Target
from proxy.traffic import Body


class Query(NamedTuple):
    """A query taken apart: its pairs as they came, their keys as they came, and the names that servers read in them."""

    pairs: list[str]
    keys: list[str]
    names: list[str]  # decoded, without blanks around, lower-case


_NOTHING: Final = Query([], [], [])


def split(query: str | None) -> Query:
    """`query` taken apart, once for all who look into it."""
    if not query:
        return _NOTHING
    pairs = query.split("&")
    keys = [pair.partition("=")[0] for pair in pairs]
    return Query(pairs, keys, [key.lower() if key.isalnum() else _name(key) for key in keys])


def without(target: Target, dropped: frozenset[str], query: Query | None = None) -> Target:
    """`target` less the parameters called so (lower-case), in any letter case and encoding. `query` is the target's,
    where it was taken apart before."""
    parts = query or split(target.query)
    if dropped.isdisjoint(parts.names):
        return target
    kept = [pair for pair, name in zip(parts.pairs, parts.names, strict=True) if name not in dropped]
    return Target(target.origin, target.path, "&".join(kept) if kept else None)


def form_without(form: bytes, dropped: frozenset[str]) -> bytes:
    """An urlencoded form less the fields called so."""
    fields = form.split(b"&")
    kept = [field for field in fields if _name(field.partition(b"=")[0].decode("latin-1")) not in dropped]
    return form if len(kept) == len(fields) else b"&".join(kept)


def encoded(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values as they stand in a query; nothing in them can end a value."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


def added(target: Target, body: Body, content_type: str, pairs: str) -> tuple[Target, Body]:
    """`pairs` (encoded) in their place: on a form POST fields of the form, so that a token stays out of access logs;
    else in the query."""
    if body.whole and content_type.partition(";")[0].strip().lower() == names.FORM_TYPE:
        whole = body.whole + b"&" + pairs.encode("ascii")
        return target, Body(whole, None, len(whole))
    return Target(target.origin, target.path, f"{target.query}&{pairs}" if target.query else pairs), body


def _name(key: str) -> str:
    return (unquote_plus(key) if "%" in key or "+" in key else key).strip().lower()

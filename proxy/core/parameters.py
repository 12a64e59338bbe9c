"""Parameters out of a request and into it, in query and form; all others stay byte for byte."""

from collections.abc import Iterable
from urllib.parse import quote, unquote_plus

from proxy import names
from proxy.model import Target
from proxy.traffic import Body


def without(target: Target, dropped: frozenset[str]) -> Target:
    """`target` less the parameters called so (lower-case), in any letter case and encoding."""
    query = target.query
    if not query:
        return target
    pairs = query.split("&")
    kept = [pair for pair in pairs if not _is_named(pair.partition("=")[0], dropped)]
    if len(kept) == len(pairs):
        return target
    return Target(target.origin, target.path, "&".join(kept) if kept else None)


def form_without(form: bytes, dropped: frozenset[str]) -> bytes:
    """An urlencoded form less the fields called so."""
    fields = form.split(b"&")
    kept = [field for field in fields if not _is_named(field.partition(b"=")[0].decode("latin-1"), dropped)]
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


def _is_named(raw: str, dropped: frozenset[str]) -> bool:
    name = unquote_plus(raw) if "%" in raw or "+" in raw else raw
    return name.strip().lower() in dropped

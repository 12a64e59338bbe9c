"""Parameters out of a request and into it, in query, form and JSON; all others stay byte for byte."""

import json
import re
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_plus

from proxy.core.content import is_form
from proxy.core.folding import folded
from proxy.core.operation_table import JUDGED
from proxy.errors import BadRequest
from proxy.secret import Secret
from proxy.traffic import Body
from proxy.urls import Target

MOST_PARAMETERS: Final = 2000
_MOST_ESCAPES: Final = 2**19  # in the values that are judged: decoding costs many times what sending does
_LONGEST_NAME: Final = 1024  # characters of a name that are looked at
_BLANKS: Final = re.compile(r"(?:[+\s]|%20|%0[9a-d])*", re.IGNORECASE)
# To PHP and to Node's qs `name[]` and `[name]` are `name`; to what is written in C it ends at a zero.
_PLAIN: Final = re.compile(r"[^\[\]\0]+")
_VALUES: Final = re.compile(r"=[^&]*")
_MOST_KEPT, _LONGEST_KEPT = 2048, 512  # queries' keys, and characters of those of one
_SKIPPED: Final = ("/", "#", "\ufeff")  # comments and marks, behind which .NET's and Java's readers find an object
_JSON: Final = json.JSONDecoder(object_pairs_hook=lambda pairs: _once(pairs), parse_int=str, parse_float=str)


class Keys(NamedTuple):
    """The keys of a query, as they came; the names that servers read in them, and where those stand that are judged."""

    written: tuple[str, ...]
    names: tuple[str, ...]  # as `name_of` gives them
    judged: tuple[int, ...]


class Query(NamedTuple):
    """A query and its keys."""

    text: str
    keys: Keys

    @property
    def pairs(self) -> list[str]:
        """As they came, one for each key."""
        return self.text.split("&") if self.text else []


class Field(NamedTuple):
    """A parameter in a body: its name as `name_of` gives it, and its value, decoded."""

    name: str
    value: str


_NOTHING: Final = Query("", Keys((), (), ()))
_keys: Final[dict[str, Keys]] = {}


def split(query: str | None) -> Query:
    """`query` taken apart, once for all who look into it. A map asks with ever new values under the same keys."""
    if not query:
        return _NOTHING
    text = _VALUES.sub("", query)
    keys = _keys.get(text)
    if keys is None:
        keys = _keys_of(text)
        if len(text) <= _LONGEST_KEPT:
            if len(_keys) >= _MOST_KEPT:
                _keys.clear()
            _keys[text] = keys
    return Query(query, keys)


def _keys_of(text: str) -> Keys:
    written = tuple(text.split("&"))
    found = tuple([key.lower() if key.isalnum() and key.isascii() else name_of(key) for key in written])
    return Keys(written, found, tuple([at for at, name in enumerate(found) if name in JUDGED]))


def name_of(key: str) -> str:
    """The name that a server may read in a key of a query or form, or in the name of a part: decoded, without blanks
    around and brackets, folded."""
    if len(key) > _LONGEST_NAME:
        start = _BLANKS.match(key)
        key = key[start.end() if start else 0 :][:_LONGEST_NAME]
    plain = _PLAIN.search(folded(unquote_plus(key) if "%" in key or "+" in key else key))
    return plain[0].strip() if plain else ""


def without(target: Target, dropped: frozenset[str], query: Query | None = None) -> Target:
    """`target` less the parameters called so (folded), in any letter case and encoding. `query` is the target's,
    where it was taken apart before."""
    parts = query or split(target.query)
    if dropped.isdisjoint(parts.keys.names):
        return target
    kept = [pair for pair, name in zip(parts.pairs, parts.keys.names, strict=True) if name not in dropped]
    return Target(target.origin, target.path, "&".join(kept) if kept else None)


def of_form(form: bytes, dropped: frozenset[str], read: frozenset[str]) -> tuple[bytes, list[Field]]:
    """An urlencoded form less the fields called as in `dropped`, and those called as in `read`. Raises BadRequest
    where there are more than anybody sends."""
    if form.count(b"&") >= MOST_PARAMETERS:
        raise too_many()
    kept: list[bytes] = []
    found: list[Field] = []
    escapes = 0
    for pair in form.split(b"&"):
        key, _, value = pair.partition(b"=")
        name = key.decode().lower() if key.isalnum() else name_of(key.decode("utf-8", "replace"))
        if name in dropped:
            continue
        kept.append(pair)
        if name in read:
            escapes += value.count(b"%")
            if escapes > _MOST_ESCAPES:
                raise BadRequest("The form has more escapes than can be judged.", slug="bad_body")
            found.append(Field(name, unquote_plus(value.decode("utf-8", "replace"))))
    return b"&".join(kept), found


def of_json(body: bytes, dropped: frozenset[str], read: frozenset[str]) -> list[Field]:
    """The members of a JSON object that are called as in `read`. Raises BadRequest where it cannot be understood, or
    has one called as in `dropped`: unlike a form it cannot be sent less a piece, byte for byte."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff").lstrip()
    if "\0" in text[:4]:
        raise BadRequest("A JSON body is taken in UTF-8 alone.", slug="bad_body")
    if not text.startswith(("{", *_SKIPPED)):
        return []
    try:
        document, _ = _JSON.raw_decode(text)
    except (ValueError, RecursionError):
        raise BadRequest("The JSON body cannot be understood.", slug="bad_body") from None
    found: list[Field] = []
    for key, value in document.items():
        name = name_of(key)
        if name in dropped:
            raise BadRequest(f"The JSON body has “{name}”, which is not for clients to give.", slug="bad_body")
        if name in read:
            found.append(Field(name, value if isinstance(value, str) else json.dumps(value)))
    return found


def forced(pairs: Iterable[tuple[str, Secret]]) -> list[Field]:
    """What a rule sets on every request (`setParameters`), in the clear."""
    return [Field(name, value.reveal()) for name, value in pairs]


def encoded(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and values as they stand in a query; nothing in them can end a value."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


def added(target: Target, body: Body, content_type: str, pairs: str) -> tuple[Target, Body]:
    """`pairs` (encoded) in their place: on a form POST fields of the form, so that a token stays out of access logs;
    else in the query."""
    if body.whole and is_form(content_type):
        whole = body.whole + b"&" + pairs.encode("ascii")
        return target, Body(whole, None, len(whole))
    return Target(target.origin, target.path, f"{target.query}&{pairs}" if target.query else pairs), body


def too_many() -> BadRequest:
    return BadRequest(f"The request has more than {MOST_PARAMETERS} parameters.", slug="bad_body")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object whose names are told once: which of two a server takes is not ours to know."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name twice")
    return found

"""What the parameters of an ArcGIS request ask for, wherever they stand: in its query, its form, its JSON or its XML.
Decoded for judging alone: what is sent stays as it came.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote_plus

from proxy import names
from proxy.core import operation_table as table
from proxy.core.parameters import MOST_PARAMETERS, Field, Query, too_many
from proxy.core.soap import plain_text
from proxy.errors import BadRequest

# Lower-case names to all values, those of the query before those of the form; only names that are judged.
Parameters = Mapping[str, list[str]]

SAYS_NOTHING: Final = frozenset((names.FORMAT,))  # of what is done
_MOST_ESCAPES: Final = 2**15  # those of one value: writing them out costs many times what sending does
_DATA_LAYER: Final = re.compile(r"dataLayer", re.IGNORECASE)
_URL_SOURCE: Final = re.compile(r"\bur[il]\b", re.IGNORECASE)  # lenient readers take it without quotes and colon
_LINK: Final = re.compile(r"\bhref\s*=", re.IGNORECASE)
_JSON_ESCAPE: Final = re.compile(r"\\u00([0-7][0-9a-f])", re.IGNORECASE)


def read_parameters(query: Query, fields: Iterable[Field] = ()) -> Parameters:
    """The judged parameters of a query and a body (`fields`). Raises BadRequest where there are too many."""
    found: dict[str, list[str]] = {}
    if len(query.keys.names) > MOST_PARAMETERS:
        raise too_many()
    if query.keys.judged:
        pairs = query.pairs
        for at in query.keys.judged:
            found.setdefault(query.keys.names[at], []).append(_value(pairs[at]))
    for field in fields:
        if (name := field.name.lower()) in table.JUDGED:
            found.setdefault(name, []).append(field.value)
    return found


def format_alone(query: Query) -> str | None:
    """As `wanted_format`, where a query says nothing else that is judged, as nearly all do; None where it does."""
    keys = query.keys
    if not keys.judged:
        return "" if len(keys.names) <= MOST_PARAMETERS else None
    if len(keys.judged) > 1 or keys.names[keys.judged[0]] != names.FORMAT or len(keys.names) > MOST_PARAMETERS:
        return None
    return _value(query.pairs[keys.judged[0]]).strip().lower()


def _value(pair: str) -> str:
    value = pair.partition("=")[2]
    return unquote_plus(value) if "%" in value or "+" in value else value


def in_xml(body: bytes) -> list[Field]:
    """What an XML body says where a query would have parameters: the sources of its layers, and links to fetch."""
    text = plain_text(body)
    return [Field("layers", text), Field(table.FETCHING_XML, text)]


def wanted_format(parameters: Parameters) -> str:
    """The request's `f`, lower-case; "" where it has none."""
    return first(names.FORMAT, parameters).strip().lower()


def wants_jsonp(parameters: Parameters) -> bool:
    """Whether the answer is asked for as a script, which any page can read."""
    return names.CALLBACK in parameters and any(parameters[names.CALLBACK])


def has_data_layer(parameters: Parameters) -> bool:
    """Whether a layer's source names a table of a workspace: a read that leaves the published layers."""
    return not parameters.keys() <= SAYS_NOTHING and any(
        _DATA_LAYER.search(_plain(value)) for name in table.LAYER_SOURCES for value in parameters.get(name, ())
    )


def first(name: str, parameters: Parameters) -> str:
    """The first value of a parameter; "" where it is missing."""
    return next(iter(parameters.get(name, ())), "")


def makes_fetch(parameters: Parameters) -> bool:
    """Whether the server would fetch what the caller names."""
    return any(_is_fetched(name, value) for name, values in parameters.items() for value in values)


def _is_fetched(name: str, value: str) -> bool:
    if name in table.FETCHING:
        return _URL_SOURCE.search(_plain(value)) is not None
    return (name in table.FETCHING_URLS and value != "") or (
        name == table.FETCHING_XML and _LINK.search(value) is not None
    )


def _plain(value: str) -> str:
    """JSON with the escaped ASCII letters written out. Raises BadRequest where that would take too long."""
    if value.count("\\u00") > _MOST_ESCAPES:
        raise BadRequest("A parameter has more escapes than can be judged.", slug="bad_body")
    return _JSON_ESCAPE.sub(lambda match: chr(int(match[1], 16)), value) if "\\" in value else value

"""What an ArcGIS request does, and whether a rule lets it. The last path segment decides, never the verb: several
edits work by GET, and many reads are POST. Unknown is an edit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from proxy import names
from proxy.core import operation_table as table
from proxy.model import Access, Rule, Target

# Lower-case names to all values, those of the query before those of the form.
Parameters = Mapping[str, list[str]]

_SOAP_LOOK: Final = 8192
_SOAP_BODY: Final = re.compile(
    rb"<(?:[\w.-]+:)?Body(?:\s[^<>]*)?>\s*(?:<!--.*?-->\s*)*<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)", re.DOTALL
)
# Any spelling of the word: JSON may escape letters, and a false alarm costs one opt-in.
_DATA_LAYER: Final = re.compile(r"dataLayer|\\u00", re.IGNORECASE)
_SOURCES: Final = ("dynamiclayers", "layer", "layers")
_ID: Final = re.compile(r"[0-9a-f-]+|[0-9]+", re.IGNORECASE)
_OGC: Final = re.compile(r"(wms|wfs|wcs|wps|wmts)(server)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Operation:
    """What a request does. `name` is the last path segment that says it, as in `allowOperations`."""

    name: str
    access: Access


def operation(method: str, target: Target, *, parameters: Parameters, soap_element: str | None) -> Operation:
    """The operation of a request; `soap_element` is the first element of its SOAP Body."""
    segments = [segment for segment in unquote(target.path).lower().split("/") if segment]
    if (forbidden := _forbidden(segments)) is not None:
        return Operation(forbidden, Access.ALL)
    index = next((i for i, segment in enumerate(segments) if segment in table.READ), None)
    if index is None:
        return _outside_service(method, segments, soap_element)
    service, below = segments[index], segments[index + 1 :]
    if "rest" not in segments[:index] and "services" in segments[:index]:
        return _soap_or_ogc(method, below, parameters, soap_element)
    if service in table.READ_BY_GET:
        return _by_verb(method, below[-1] if below else service)
    return _of_service(service, below)


def refuse_reason(rule: Rule, done: Operation) -> str | None:
    """None if `rule` lets `done` through, else a sentence that names the operation and what would allow it."""
    name = done.name.lower()
    if name in rule.deny_operations:
        return f"The operation {done.name} is denied (denyOperations)."
    if done.access <= rule.access or name in rule.allow_operations:
        return None
    needed = done.access.name.lower()
    has = rule.access.name.lower()
    return f"{done.name} needs access: {needed}, or {done.name} in allowOperations; the rule has access: {has}."


def soap_element(prefix: bytes) -> str | None:
    """The first element of a SOAP Body, without its prefix; None where there is none, or a document type that could
    redefine what is read."""
    look = prefix[:_SOAP_LOOK]
    if b"<!DOCTYPE" in look.upper() or b"<!ENTITY" in look.upper():
        return None
    match = _SOAP_BODY.search(look)
    return match[1].decode("ascii") if match else None


def read_parameters(query: str | None, form: bytes) -> Parameters:
    """The parameters of a query and an urlencoded form, decoded for judging alone: what is sent stays as it came."""
    found: dict[str, list[str]] = {}
    for text in (query or "", form.decode("latin-1")):
        if text:
            for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
                found.setdefault(name.strip().lower(), []).append(value)
    return found


def wanted_format(parameters: Parameters) -> str:
    """The request's `f`, lower-case; "" where it has none."""
    return first(names.FORMAT, parameters).lower()


def wants_jsonp(parameters: Parameters) -> bool:
    """Whether the answer is asked for as a script, which any page can read."""
    return any(parameters.get(names.CALLBACK, ()))


def has_data_layer(parameters: Parameters) -> bool:
    """Whether a layer's source names a table of a workspace: a read that leaves the published layers."""
    return any(_DATA_LAYER.search(value) for name in _SOURCES for value in parameters.get(name, ()))


def first(name: str, parameters: Parameters) -> str:
    """The first value of a parameter; "" where it is missing."""
    return next(iter(parameters.get(name, ())), "")


def _forbidden(segments: list[str]) -> str | None:
    for index, segment in enumerate(segments):
        before = segments[:index]
        if segment in table.FORBIDDEN and "rest" not in before[:-1] and "services" not in before:
            return segment
        if segment in ("generatetoken", "uploads") or (segment == "system" and before[-1:] == ["services"]):
            return segment
        if segment in table.FORBIDDEN_SHARING and "sharing" in before:
            return segment
        if segment in ("admin", "login", "logout", "generatetoken") and before[-1:] == ["rest"]:
            return segment
        if segment == "directories" and before[-1:] == ["rest"] and not table.OPEN_DIRECTORIES & set(segments[index:]):
            return segment
    return None


def _outside_service(method: str, segments: list[str], element: str | None) -> Operation:
    last = segments[-1] if segments else "/"
    if element is not None and "services" in segments and "rest" not in segments:
        return _of_soap(element)
    if "rest" in segments and ("services" in segments or last in ("rest", "info")) and "sharing" not in segments:
        return Operation("catalog", Access.READ)
    return _by_verb(method, last)


def _by_verb(method: str, name: str) -> Operation:
    return Operation(name, Access.READ if method in ("GET", "HEAD") else Access.EDIT)


def _of_service(service: str, below: list[str]) -> Operation:
    """The last segment that is a name: behind it stand ids, and behind a folder of data anything."""
    for index, segment in enumerate(below):
        if segment in table.DATA_FOLDERS and segment in table.READ[service]:
            rest = below[index + 1 :]
            verb = rest[-1] if rest else ""
            is_name = verb.isalpha() and segment in ("jobs", "replicas", "versions")
            return (
                Operation(verb, Access.EDIT)
                if is_name and verb in ("cancel", "alter", "delete")
                else Operation(segment, Access.READ)
            )
    last = next((segment for segment in reversed(below) if not _ID.fullmatch(segment)), None)
    if last is None:
        return Operation(service, Access.READ)
    if last in table.READ[service]:
        return Operation(last, Access.READ)
    if last in table.EXECUTE.get(service, ()):
        return Operation(last, Access.EXECUTE)
    if service == "gpserver" and len(below) == 1:
        return Operation("task", Access.READ)
    if service == "utilitynetworkserver" and last == "query":
        return Operation(last, Access.READ)
    if service == "knowledgegraphserver" and below == ["graph", "query"]:
        return Operation("query", Access.READ)
    return Operation(last, Access.EDIT)


def _soap_or_ogc(method: str, below: list[str], parameters: Parameters, element: str | None) -> Operation:
    """`/services/…`: OGC endpoints by their `request`, SOAP by the first element of its Body."""
    ogc = next((segment for segment in below if _OGC.fullmatch(segment)), None)
    if ogc is not None and element is None:
        request = first("request", parameters).lower()
        if request in table.OGC_READ or (not request and method in ("GET", "HEAD") and ogc.startswith("wmts")):
            return Operation(request or "wmts", Access.READ)
        if request in table.OGC_EXECUTE:
            return Operation(request, Access.EXECUTE)
        return Operation(request or "ogc", Access.EDIT)
    if element is not None:
        return _of_soap(element)
    return _by_verb(method, "wsdl" if "wsdl" in parameters else "soap")


def _of_soap(element: str) -> Operation:
    is_read = element.lower().startswith(table.SOAP_READ)
    return Operation(element, Access.READ if is_read else Access.EDIT)

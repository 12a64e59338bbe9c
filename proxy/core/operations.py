"""What an ArcGIS request does, and whether a rule lets it. The last path segment decides, never the verb: several
edits work by GET, and many reads are POST. Unknown is an edit. The names stand in `operation_table`.
"""

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy import names
from proxy.core import operation_table as table
from proxy.core.demands import SAYS_NOTHING, Parameters, makes_fetch
from proxy.core.folding import segments_of
from proxy.model import Access, Rule
from proxy.urls import Target

_LONGEST_NAME: Final = 80
_MOST_TYPES: Final = 8  # of services, in one path
_LONGEST_KEPT: Final = 512  # characters
_JOB: Final = re.compile(r"j[0-9a-f]+")
_GLOBAL_ID: Final = re.compile(r"\{?[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\}?|j[0-9a-f]{32}")


class Kind(enum.StrEnum):
    """What was asked: a fixed set, fit for a metric's label."""

    CATALOG = "catalog"
    SERVICE = "service"
    SOAP = "soap"
    OGC = "ogc"
    PORTAL = "portal"
    RESTRICTED = "restricted"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Operation:
    """What a request does.

    `name` is the lower-case segment that decided, as it is written in `allowOperations`; `also` are further names it
    goes by (the task of a geoprocessing service). `remote_fetch`: the server is made to fetch what the caller names.
    """

    name: str
    access: Access
    kind: Kind = Kind.OTHER
    remote_fetch: bool = False
    also: tuple[str, ...] = ()


def operation(method: str, target: Target, *, parameters: Parameters, soap_element: str | None) -> Operation:
    """The operation of a request; `soap_element` is the first element of its SOAP Body (`soap.soap_element`)."""
    is_read_verb = method in names.SAFE_METHODS
    if soap_element is None and parameters.keys() <= SAYS_NOTHING and len(target.path) <= _LONGEST_KEPT:
        return _by_path(is_read_verb, target.path)
    return _judged(is_read_verb, target.path, parameters, soap_element)


@lru_cache(maxsize=8192)
def _by_path(is_read_verb: bool, path: str) -> Operation:
    """Most requests are told by their path alone, and a map repeats its paths."""
    return _judged(is_read_verb, path, {}, None)


def _judged(is_read_verb: bool, path: str, parameters: Parameters, soap_element: str | None) -> Operation:
    segments = segments_of(path)
    start, is_rest = _services(segments)
    types = [index for index in range(start or 0, len(segments)) if segments[index] in table.READ]
    type_at = types[0] if types else len(segments)
    if (word := _restricted(segments, start, type_at, is_rest=is_rest)) is not None:
        return Operation(word[:_LONGEST_NAME], Access.ALL, Kind.RESTRICTED)
    if start is not None and not is_rest:
        done = _below_services(is_read_verb, segments[start:], parameters, soap_element)
        # Gateways have REST there, too
        types = [at for at in types if at + 1 < len(segments) and segments[at + 1] not in table.OGC_SERVERS]
        done = max((done, *_of_services(is_read_verb, segments, types, parameters)), key=_weight)
    elif types:
        done = max(_of_services(is_read_verb, segments, types, parameters), key=_weight)
    elif start is not None:
        below = segments[start:]
        is_catalog = len(below) < 2  # the services, or those of one folder
        done = Operation(below[-1], Access.EDIT) if not is_catalog else Operation("services", Access.READ, Kind.CATALOG)
    elif segments[-1:] == ["rest"] or (segments[-2:-1] == ["rest"] and segments[-1] in ("info", "self", "healthcheck")):
        done = Operation(segments[-1], Access.READ, Kind.CATALOG)
    elif "sharing" in segments:
        done = _of_portal(is_read_verb, segments[segments.index("sharing") + 1 :])
    else:
        done = _by_verb(is_read_verb, segments[-1] if segments else "/")
    return _finished(done, parameters)


def refuse_reason(rule: Rule, done: Operation) -> str | None:
    """None if `rule` lets `done` through, else a sentence that names the rule, the operation and what allows it."""
    if done.access <= rule.access and not rule.deny_operations:
        return None
    called = (done.name.lower(), *done.also)
    if rule.deny_operations and any(name.lower() in called for name in rule.deny_operations):
        return f"The rule {rule.name} refuses the operation {done.name}: it stands in denyOperations."
    if done.access <= rule.access or any(name.lower() in called for name in rule.allow_operations):
        return None
    needed, has = done.access.name.lower(), rule.access.name.lower()
    why = ", which makes the server fetch a URL of the caller's choice" if done.remote_fetch else ""
    own = done.also[0] if done.also else done.name
    return (
        f"The rule {rule.name} has access: {has}, and the operation {done.name}{why} needs access: {needed}"
        f" or “{own}” in allowOperations."
    )


def _services(segments: list[str]) -> tuple[int | None, bool]:
    """Where the names of folders and services begin, and whether it is behind `rest/services`."""
    places = [index for index, segment in enumerate(segments) if segment == "services"]
    for index in places:
        if index and segments[index - 1] == "rest":
            return index + 1, True
    return (places[0] + 1, False) if places else (None, False)


def _restricted(segments: list[str], start: int | None, type_at: int, *, is_rest: bool) -> str | None:
    """The segment that makes a request one of administration or of credentials. A folder may be called `admin`, so
    behind `services` the names are free, up to the service's type."""
    if start is not None and segments[start : start + 1] == ["system"]:
        return "system"
    if "uploads" in segments[type_at:] or "generatetoken" in segments:
        return "uploads" if "uploads" in segments[type_at:] else "generatetoken"
    is_folder_space = start is not None and (is_rest or type_at < len(segments))
    end = start if is_folder_space else len(segments)
    if "sharing" in segments[:end]:
        at = segments.index("sharing") + 1
        at += segments[at : at + 1] == ["rest"]
        place = segments[at] if at < len(segments) else ""
        if place in table.RESTRICTED_SHARING:
            return place
        end = at if place in table.PORTAL_PLACES else end
    for index, segment in enumerate(segments[:end]):
        if segment in table.RESTRICTED:
            return segment
        if segment == "directories" and segments[index - 1 : index] == ["rest"]:
            return None if table.OPEN_DIRECTORIES.intersection(segments[index + 1 : index + 2]) else segment
    return None


def _by_verb(is_read_verb: bool, name: str, kind: Kind = Kind.OTHER) -> Operation:
    return Operation(name, Access.READ if is_read_verb else Access.EDIT, kind)


def _of_services(
    is_read_verb: bool, segments: list[str], types: list[int], parameters: Parameters
) -> Iterator[Operation]:
    """What is done by each reading of the path: a folder, too, may be called as a type of services is."""
    if len(types) > _MOST_TYPES:
        yield Operation(segments[-1], Access.EDIT)
    for at in types[:_MOST_TYPES]:
        yield _of_service(is_read_verb, segments[at], segments[at + 1 :], parameters)


def _of_service(is_read_verb: bool, service: str, below: list[str], parameters: Parameters) -> Operation:
    """An operation of a REST service. Every name below the service must be a read for the request to be one."""
    if service in table.READ_BY_GET:
        return _by_verb(is_read_verb, below[-1] if below else service, Kind.SERVICE)
    reads, runs = table.READ[service], table.EXECUTE.get(service, ())
    task = below[0] if below and service in table.NAMED_PARTS and below[0] not in table.NEVER_DATA | reads else ""
    done = Operation(service, Access.READ, Kind.SERVICE)
    before = ""
    for index, segment in enumerate(below[1:] if task else below, start=1 if task else 0):
        if segment in reads:
            if done.access is Access.READ:
                done = Operation(segment, Access.READ, Kind.SERVICE)
            if segment in table.DATA_FOLDERS:
                edits = table.NEVER_DATA.intersection(below[index + 1 :])
                return Operation(min(edits), Access.EDIT, Kind.SERVICE) if edits else done
        elif not _is_id(segment) and (before != "jobs" or not _JOB.fullmatch(segment)):
            is_run = segment in runs or (segment == "createreplica" and _is_detached(parameters))
            access = Access.EXECUTE if is_run else Access.EDIT
            if access > done.access:
                done = Operation(segment, access, Kind.SERVICE)
        before = segment
    if service == "gpserver" and done.access is Access.EDIT:
        # A tool may edit anything and fetch anything: the operator names those that may run.
        return Operation(done.name, Access.EDIT, Kind.SERVICE, remote_fetch=True, also=(task,) if task else ())
    return done


def _is_id(segment: str) -> bool:
    return (segment.isascii() and segment.isdigit()) or _GLOBAL_ID.fullmatch(segment) is not None


def _is_detached(parameters: Parameters) -> bool:
    """Whether a replica is a mere copy, which the server does not keep."""
    models = parameters.get("syncmodel", ())
    return bool(models) and all(model.strip().lower() == "none" for model in models)


def _below_services(is_read_verb: bool, below: list[str], parameters: Parameters, element: str | None) -> Operation:
    """`/services/…`: OGC endpoints by their `request`, SOAP by the first element of its Body."""
    ogc = next((segment for segment in reversed(below) if segment in table.OGC_SERVERS), None)
    if ogc is not None:
        return _of_ogc(is_read_verb, ogc, parameters, element)
    if element is not None:
        is_read = element.lower().startswith(table.SOAP_READ) and not element.lower().startswith(table.SOAP_NO_READ)
        return Operation(element.lower() or "soap", Access.READ if is_read else Access.EDIT, Kind.SOAP)
    return _by_verb(is_read_verb, "wsdl" if "wsdl" in parameters else "soap", Kind.SOAP)


def _of_ogc(is_read_verb: bool, server: str, parameters: Parameters, element: str | None) -> Operation:
    """All that the request says it is must be a read: which one the server believes is not ours to know."""
    requests = [request.strip().lower() for request in parameters.get("request", ()) if request]
    if element is not None:
        requests.append(element.lower())
    elif not is_read_verb and server in table.OGC_BY_BODY:
        requests.append("")  # the body could not be read
    done = Operation(server, Access.READ if is_read_verb else Access.EDIT, Kind.OGC)
    if requests:
        done = max((Operation(name or server, _ogc_access(name), Kind.OGC) for name in requests), key=_weight)
    return done


def _ogc_access(request: str) -> Access:
    if request in table.OGC_READ:
        return Access.READ
    return Access.EXECUTE if request in table.OGC_EXECUTE else Access.EDIT


def _weight(done: Operation) -> Access:
    return done.access


def _of_portal(is_read_verb: bool, below: list[str]) -> Operation:
    """A portal's items, users and groups: reads by GET alone, and by name."""
    name, before = "sharing", ""
    for segment in below[1:] if below[:1] == ["rest"] else below:
        if before in table.PORTAL_FOLDERS:
            break
        is_name = before in table.PORTAL_NAMED and segment not in table.PORTAL_EXECUTE
        if segment in table.PORTAL_EXECUTE:
            return Operation(segment, Access.EXECUTE, Kind.PORTAL)
        if segment not in table.PORTAL_READ and not is_name and not _is_id(segment):
            return Operation(segment, Access.EDIT, Kind.PORTAL)
        name, before = (name if is_name else segment), ("" if is_name else segment)
    return _by_verb(is_read_verb, name, Kind.PORTAL)


def _finished(done: Operation, parameters: Parameters) -> Operation:
    """A read that makes the server fetch a URL is more than a read: it has the network position of the GIS."""
    fetches = done.remote_fetch or makes_fetch(parameters)
    if not fetches and len(done.name) <= _LONGEST_NAME:
        return done
    access = max(done.access, Access.EXECUTE) if fetches else done.access
    return Operation(done.name[:_LONGEST_NAME], access, done.kind, fetches, done.also)

"""Whether the file itself gives secrets away: those that are written in it, where everyone can read it."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from proxy.identity import OutboundProxy
from proxy.model import StoreAddress
from proxy.secret import Secret
from proxy.settings.document import Complaint, Document, KeyPath
from proxy.settings.permissions import READABLE, WRITABLE, is_open, mending
from proxy.settings.schema import Settings
from proxy.telemetry.redaction import names_a_secret


def exposed(settings: Settings, document: Document, path: Path) -> list[Complaint]:
    """At most one complaint: one command mends it."""
    if is_open(path, WRITABLE):
        return [Complaint(0, (), f"everyone on this machine can change this file; {mending(path)}")]
    if is_open(path, READABLE):
        for place in _secrets(settings, ()):
            if place not in document.referring:
                what = f"this is written out, and everyone on this machine can read the file; {mending(path)}"
                return [document.complaint(place, f"{what}, or write ${{NAME}} or ${{file:…}} here")]
    return []


def _secrets(value: object, path: KeyPath) -> Iterator[KeyPath]:
    match value:
        case Secret():
            # a header and a parameter may also say what everyone may know
            if path[-2:-1] not in (("headers",), ("setParameters",)) or names_a_secret(str(path[-1])):
                yield path
        case OutboundProxy(password=Secret()) | StoreAddress(password=Secret()):
            yield path
        case BaseModel():
            for name in type(value).model_fields:
                yield from _secrets(getattr(value, name), (*path, name))
        case dict():
            for name, child in value.items():
                yield from _secrets(child, (*path, name))
        case list():
            for index, child in enumerate(value):
                yield from _secrets(child, (*path, index))

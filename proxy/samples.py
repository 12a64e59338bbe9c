"""What `check --live` asks a rule's server for, and what an answer says, in words. Pure: asks nobody."""

import json
import math
from dataclasses import dataclass
from typing import Final

from proxy import names
from proxy.core.redirect import sent
from proxy.core.servers import server_of
from proxy.model import Rule
from proxy.urls import Target

_OGC: Final = ("wmsserver", "wfsserver", "wcsserver")
_CATALOG: Final = "/rest/services"
_DIRECTORIES: Final = "/rest/directories/"
_MOST_FOLDERS, _MOST_SERVICES = 3, 3
_SECURED: Final = frozenset((names.CODE_TOKEN_INVALID, names.CODE_TOKEN_REQUIRED))
# Kinds that are asked for where a rule's URL ends at a service's name
_KINDS: Final = ("MapServer", "FeatureServer", "ImageServer")


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: what it was, in words, and what to do where it is not `good`. `document` is its JSON object."""

    target: Target
    words: str
    good: bool
    code: int  # HTTP's, or the one in ArcGIS's error body
    advice: str
    document: dict[str, object]

    @property
    def is_catalog(self) -> bool:
        """Whether services and folders are listed in it."""
        return self.good and not {"services", "folders"}.isdisjoint(self.document)


def own_url(rule: Rule) -> Target:
    """The rule's own URL, asked as its service is asked."""
    last = rule.path.rpartition("/")[2].lower()
    if last in _OGC:
        return Target(rule.origin, rule.path, f"SERVICE={last[:3].upper()}&REQUEST=GetCapabilities")
    return Target(rule.origin, rule.path or "/", "f=json")


def is_of_files(target: Target) -> bool:
    """Whether pictures and results are fetched there, one by one, and no list of them is to be had."""
    return _DIRECTORIES in f"{target.path.lower()}/"


def others(rule: Rule, own: Target) -> list[Target]:
    """What is asked for where the rule's own URL is not a thing that answers: a site's catalog below it, or the
    service whose name alone was written."""
    base = own.path.rstrip("/")
    if not rule.match_all:
        return []
    if server_of(sent(rule, own)) is None:
        return [Target(own.origin, f"{base}{_CATALOG}", "f=json")]
    _, _, name = base.lower().partition(f"{_CATALOG}/")
    if name and not any(segment.endswith("server") for segment in name.split("/")):
        return [Target(own.origin, f"{base}/{kind}", "f=json") for kind in _KINDS]
    return []


def root_of(catalog: Target) -> str:
    """The path of the whole catalog, from which all names count."""
    end = catalog.path.lower().find(_CATALOG)
    return catalog.path[: end + len(_CATALOG)] if end >= 0 else catalog.path.rstrip("/")


def folders(catalog: Seen, root: str) -> list[Target]:
    """The first folders that a catalog lists."""
    named = [name for name in _list(catalog.document, "folders") if isinstance(name, str)]
    return [Target(catalog.target.origin, f"{root}/{name}", "f=json") for name in named[:_MOST_FOLDERS]]


def services(catalog: Seen, root: str) -> list[Target]:
    """The first services that a catalog, or a folder of one, lists."""
    found = []
    for entry in _list(catalog.document, "services")[:_MOST_SERVICES]:
        name, kind = (entry.get("name"), entry.get("type")) if isinstance(entry, dict) else (None, None)
        if isinstance(name, str) and isinstance(kind, str):
            found.append(Target(catalog.target.origin, f"{root}/{name}/{kind}", "f=json"))
    return found


def name_of(target: Target, root: str) -> str:
    """A service as its catalog names it."""
    return target.path[len(root) :].strip("/")


def read(target: Target, status: int, content_type: str, body: bytes, *, has_credential: bool) -> Seen:
    """What an answer tells. An HTTP 400, 404 or 405 of a URL that is no service of ArcGIS is an answer like any."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    is_object = isinstance(document, dict)
    error = document.get("error") if is_object else None
    if isinstance(error, dict):
        code = error.get("code")
        code = code if isinstance(code, int) else status
        words = f"{code}: {error.get('message')}"
        is_nothing = "not found" in words.lower()  # which ArcGIS says with 404, 400 or 500
        advice = _advice(404 if is_nothing else code, has_credential)
        return Seen(target, words, good=False, code=code, advice=advice, document={})
    kind = _described(document) if is_object else f"{content_type or 'no type'}, {len(body)} bytes"
    good = status < 400
    advice = "" if good else _advice(status, has_credential)
    return Seen(target, f"HTTP {status}, {kind}", good, status, advice, document if good and is_object else {})


def _advice(code: int, has_credential: bool) -> str:
    if code == 404:
        return "Nothing is there: correct the url of the rule, its folder and the kind of service."
    if code == 400:
        return "The server does not know this URL: correct the url of the rule."
    if has_credential:
        return ""
    if code in _SECURED:
        return "This service is secured: give the rule a credential."
    if code == names.CODE_UNAUTHORIZED:
        return "The web server asks for a login: give the rule a credential of type basic, digest, ntlm or negotiate."
    if code == 403:
        return "The server lets nobody in unknown: give the rule a credential, headers or a clientCertificate."
    return ""


def life(seconds: float) -> str:
    """A token's."""
    if math.isinf(seconds):
        return "used as it is, until it is revoked"
    return f"{round(seconds / 60)} min left" if seconds >= 90 else f"{round(seconds)} s left"


def _described(document: dict[str, object]) -> str:
    counts = [
        f"{len(value)} {key}" for key in ("services", "folders", "layers", "tables") if (value := _list(document, key))
    ]
    title = document.get("mapName") or document.get("name") or document.get("title")
    said = [title] if isinstance(title, str) and title else []
    return ", ".join([*said, *counts]) or f"JSON with {len(document)} keys"


def _list(document: dict[str, object], key: str) -> list[object]:
    value = document.get(key)
    return value if isinstance(value, list) else []

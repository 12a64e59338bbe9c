"""Who may ask: referer, origin, preflight, and the CORS headers of any answer.

A referer check keeps other pages out, not other programs: anyone can send the header. It is there so that foreign
pages cannot spend our credential through their visitors' browsers.
"""

import re
from typing import Final

from proxy import names
from proxy.core import hosts
from proxy.errors import NotAllowed
from proxy.model import AdmitPolicy, RefererEntry
from proxy.traffic import Headers
from proxy.urls import DEFAULT_PORTS, Origin

_ENTRY: Final = re.compile(
    r"(?:(?:(?P<scheme>https?):)?//)?(?P<wildcard>\*\*?\.)?(?P<host>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?P<path>/[^?#\s]*)?",
    re.IGNORECASE,
)
_PAGE: Final = re.compile(r"(https?)://([a-z0-9._-]+)(?::([0-9]{1,5}))?(/[^?#]*)?(?:[?#].*)?", re.IGNORECASE)
_HEADER_LIST: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")

_EXPOSED: Final = ", ".join(
    (names.CONTENT_LENGTH, names.ETAG, names.X_REQUEST_ID, names.CACHE_STATUS, names.RETRY_AFTER)
)
_PREFLIGHT_SECONDS: Final = "86400"
ANYONE: Final = RefererEntry(None, "", None, "", None, anyone=True)


def parse_entry(text: str) -> RefererEntry:
    """One `allowedReferers` or `allowedOrigins` entry.

    `https://maps.example.com` (any path), `maps.example.com` (both schemes), `*.` one label, `**.` any depth,
    `/viewer/*` a path on whole segments, `*` anyone. Raises ValueError with a sentence.
    """
    if text == "*":
        return ANYONE
    match = _ENTRY.fullmatch(text)
    if match is None or (match["port"] and int(match["port"]) > 65535):
        raise ValueError("write an origin such as https://maps.example.com, *.example.com or https://host/viewer/*")
    path = match["path"]
    if path is not None:
        path = None if path in ("/", "/*") else path.removesuffix("*")
        if path is not None and "*" in path:
            raise ValueError("a * may stand only at the end of the path, as in /viewer/*")
    return RefererEntry(
        scheme=match["scheme"].lower() if match["scheme"] else None,
        host=match["host"].lower(),
        port=int(match["port"]) if match["port"] else None,
        wildcard=(match["wildcard"] or "").removesuffix("."),
        path=path,
    )


def parse_page(url: str) -> tuple[Origin, str] | None:
    """Origin and path of a page's URL, as a Referer gives it; None for anything else.

    `@esri/arcgis-rest-js` and `http` are real Referers: they are not pages and match nothing.
    """
    match = _PAGE.fullmatch(url)
    if match is None:
        return None
    scheme = match[1].lower()
    port = int(match[3]) if match[3] else DEFAULT_PORTS[scheme]
    return Origin(scheme, match[2].lower(), port), match[4] or "/"


def admit(policy: AdmitPolicy, headers: Headers, own_origin: Origin | None) -> None:
    """Raises NotAllowed (slug `origin` or `referer`) unless the asking page may use the proxy.

    A foreign Origin is refused even beside an allowed Referer. Where the Origin is our own (same-origin POSTs send
    it), the Referer decides.
    """
    origin_text = headers.get(names.ORIGIN, "")
    if origin_text:
        if allows_origin(policy, origin_text):
            return
        page = parse_page(origin_text)
        if page is None or not _is_own(policy, page[0], own_origin):
            raise _foreign_origin()
    referer = headers.get(names.REFERER, "")
    if names_no_page(referer):
        if policy.allow_missing or any(entry.anyone for entry in policy.referers):
            return
        raise NotAllowed(
            "The request names no page that it comes from (no Referer header, or no address in it).",
            "Programs other than browsers need allowMissingReferer: true in proxy.yaml.",
            slug="referer",
        )
    if not allows_referer(policy, referer):
        raise NotAllowed(
            "Requests from this page are not allowed.",
            "Add the page's address to allowedReferers in proxy.yaml.",
            slug="referer",
        )


def names_no_page(referer: str) -> bool:
    """`http` and `@esri/arcgis-rest-js` are what programs send; no browser does."""
    return "://" not in referer


def require_name(policy: AdmitPolicy, headers: Headers, *, is_fronted: bool) -> None:
    """Raises NotAllowed (slug `referer`) where a request names no page, as programs do and a page that hides, and asks
    by a name that is not ours: see `hosts`. Only where the names that are ours are known.

    `is_fronted`: by a proxy in front, which says by which name it was asked, or has judged that itself.
    """
    if not policy.allow_missing or not policy.own_origins or not names_no_page(headers.get(names.REFERER, "")):
        return
    host = headers.get(names.X_FORWARDED_HOST if is_fronted else names.HOST, "")
    if host and not hosts.is_known(policy, host):
        raise NotAllowed(
            "The request names no page that it comes from, and asks by a name that is not this proxy's.",
            "Ask by the name in server.publicUrl or by an address; a proxy in front has to pass the Host header on.",
            slug="referer",
        )


def require_page(policy: AdmitPolicy, headers: Headers, own_origin: Origin | None) -> None:
    """More than `admit`: the request must name a page that is listed by its own name. For what is changed by a login
    that browsers send along by themselves: another page could make them send it, with its own address hidden.

    Raises NotAllowed (slug `referer`).
    """
    origin = headers.get(names.ORIGIN, "")
    page = parse_page(origin)
    if origin:
        is_named = allows_origin(policy, origin, by_name=True) or (page and _is_own(policy, page[0], own_origin))
    else:
        is_named = allows_referer(policy, headers.get(names.REFERER, ""), by_name=True)
    if is_named:
        return
    raise NotAllowed(
        "A change in a user's name must come from a page that is listed by name.",
        "The page must send its Origin or Referer, and stand in allowedReferers or allowedOrigins; * does not count.",
        slug="referer",
    )


def allows_referer(policy: AdmitPolicy, referer: str, *, by_name: bool = False) -> bool:
    """Whether a Referer matches an entry; path and query of the page matter only where the entry has a path.
    `by_name`: "*" does not count."""
    page = parse_page(referer)
    return any(
        not by_name if entry.anyone else page is not None and _matches(entry, *page) for entry in policy.referers
    )


def allows_origin(policy: AdmitPolicy, origin: str, *, by_name: bool = False) -> bool:
    """Whether an Origin header is listed. `null` never is, and a port that is not written means the default one.
    `by_name`: "*" does not count."""
    page = parse_page(origin)
    if page is None:
        return False
    for entry in policy.origins:
        if entry.anyone and not by_name:
            return True
        if _matches_host(entry, page[0]) and page[0].port == (entry.port or DEFAULT_PORTS[page[0].scheme]):
            return True
    return False


def a_page(policy: AdmitPolicy) -> str:
    """A page that is let in, to ask as; "" where none is needed or there is none."""
    for entry in policy.referers:
        if entry.anyone:
            return "https://maps.example.com/"
        host = f"x.{entry.host}" if entry.wildcard else entry.host
        port = f":{entry.port}" if entry.port else ""
        return f"{entry.scheme or 'https'}://{host}{port}{entry.path or '/'}"
    return ""


def cors_headers(policy: AdmitPolicy, origin: str) -> dict[str, str]:
    """The CORS headers of any answer, errors included: without them a browser reports every refusal of ours as a
    network failure. Cookies are let along where users' logins are in one, and for pages listed by name alone."""
    if not policy.origins:
        return {}
    if not origin or not allows_origin(policy, origin):
        return {names.VARY: "Origin"}
    answer = {
        names.VARY: "Origin",
        names.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
        names.ACCESS_CONTROL_EXPOSE_HEADERS: _EXPOSED,
    }
    if policy.with_cookies and allows_origin(policy, origin, by_name=True):
        answer[names.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
    return answer


def preflight_headers(policy: AdmitPolicy, headers: Headers, methods: str) -> dict[str, str]:
    """The answer to OPTIONS. `methods` is the list that this target takes, e.g. "GET, HEAD, POST".

    Raises NotAllowed (slug `origin`) for a page of a foreign origin.
    """
    answer = {names.ALLOW: methods}
    origin = headers.get(names.ORIGIN, "")
    if not origin:
        return answer
    if not allows_origin(policy, origin):
        raise _foreign_origin()
    answer |= cors_headers(policy, origin)
    answer[names.ACCESS_CONTROL_ALLOW_METHODS] = methods
    answer[names.ACCESS_CONTROL_MAX_AGE] = _PREFLIGHT_SECONDS
    asked = headers.get(names.ACCESS_CONTROL_REQUEST_HEADERS, "")
    if asked and len(asked) <= 1024 and _HEADER_LIST.fullmatch(asked):
        answer[names.ACCESS_CONTROL_ALLOW_HEADERS] = asked
    answer[names.VARY] = f"Origin, {names.ACCESS_CONTROL_REQUEST_HEADERS}"
    return answer


def _foreign_origin() -> NotAllowed:
    return NotAllowed(
        "Pages of this origin may not use the proxy.",
        "Add the page's origin to allowedReferers (or allowedOrigins) in proxy.yaml.",
        slug="origin",
    )


def _is_own(policy: AdmitPolicy, origin: Origin, own_origin: Origin | None) -> bool:
    return origin == own_origin or origin in policy.own_origins


def _matches(entry: RefererEntry, origin: Origin, path: str) -> bool:
    if not _matches_host(entry, origin) or (entry.port is not None and entry.port != origin.port):
        return False
    if entry.path is None or path == entry.path:
        return True
    return entry.path.endswith("/") and (path.startswith(entry.path) or f"{path}/" == entry.path)


def _matches_host(entry: RefererEntry, origin: Origin) -> bool:
    if entry.scheme is not None and entry.scheme != origin.scheme:
        return False
    if not entry.wildcard:
        return origin.host == entry.host
    if not origin.host.endswith(f".{entry.host}"):
        return False
    labels = origin.host[: -len(entry.host) - 1]
    return bool(labels) and (entry.wildcard == "**" or "." not in labels)

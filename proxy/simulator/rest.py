"""The REST side of the server: what it says of itself, its folders and services, and how each kind of request is told
that a token is missing or bad."""

from typing import Any, Final

from aiohttp import web

from proxy.simulator import answers, vector
from proxy.simulator.accounts import Issued
from proxy.simulator.answers import Document, json_answer, page, token_failure
from proxy.simulator.ogc import SERVERS
from proxy.simulator.site import Asked, Site

# By folder and name; Base is drawn beforehand, as tiles
SERVICES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Secure": {"City": ("MapServer", "FeatureServer", "ImageServer"), "Base": ("MapServer", "VectorTileServer")},
    "Public": {"City": ("MapServer", "FeatureServer")},
}
ONLINE_TENANT: Final = "0123456789ABCDEF"


def info(site: Site) -> Document:
    """`rest/info`, with the fields of the release."""
    options = site.options
    document: Document = {"currentVersion": options.version}
    if options.full_version:
        document["fullVersion"] = options.full_version
    if options.soap_release:
        document |= {"soapUrl": f"{site.url}/services", "secureSoapUrl": None}
    if options.federated:
        document["owningSystemUrl"] = site.portal_url
    if options.takes_portal_tokens:
        document["owningTenant"] = ONLINE_TENANT
    auth: Document = {"isTokenBasedSecurity": options.has_tokens}
    if options.has_tokens:
        auth["tokenServicesUrl"] = site.token_service
        if options.tells_validity:
            short = options.short_minutes
            auth["shortLivedTokenValidity"] = int(short) if short == int(short) else short
    return {**document, "authInfo": auth}


def visible(*, is_known: bool) -> list[str]:
    """The services as folder/name/type; secured ones are left out for those without a token."""
    return [
        f"{folder}/{name}/{kind}"
        for folder, named in sorted(SERVICES.items())
        if is_known or folder != "Secure"
        for name, kinds in named.items()
        for kind in kinds
    ]


def forbidden(site: Site, holder: Issued | None, parts: list[str]) -> Document | None:
    """Why somebody with a good token may not see a secured service."""
    if parts[:1] != ["Secure"]:
        return None
    if holder is not None and holder.is_app and not site.options.app_may:
        return answers.NOT_SHARED
    return answers.denied(site.options.denial, "/".join(parts[:2])) if site.options.denial else None


def missing(site: Site) -> Document:
    """How this site says that no token came."""
    return answers.HOSTED_REQUIRED if site.options.bodies == "hosted" else answers.REQUIRED


def invalid(site: Site) -> Document:
    return answers.PORTAL_INVALID if site.options.bodies == "hosted" else answers.INVALID


def refuse(site: Site, asked: Asked, document: Document) -> web.Response:
    """How a missing or bad token is told depends on what was asked for."""
    options, parts, form = site.options, asked.lower, asked.parameters.get("f", "html")
    if parts[:1] == ["services"]:
        style = options.ogc_failure if parts[-1] in SERVERS else options.soap_failure
    elif "tile" in parts:
        style = options.tile_failure
    elif form == "image":
        style = options.image_failure
    elif form == "html":
        return _directory(site, answers.LOGIN_PAGE.format(context=options.context))
    else:
        style = options.json_failure
    return token_failure(style, document, options, asked.parameters)


def answer(site: Site, asked: Asked, parts: list[str], holder: Issued | None, *, is_known: bool) -> web.Response:
    """Folders and services; `parts` are those below the services' root."""
    if len(parts) < 3:
        return _catalog(site, asked, parts, is_known=is_known)
    folder, name, kind, *rest = parts
    if kind not in SERVICES.get(folder, {}).get(name, ()):
        return _failed(site, asked, answers.missing_service(f"{folder}/{name}/{kind}", site.options.missing_code))
    if folder == "Secure" and not is_known:
        return refuse(site, asked, missing(site))
    why = forbidden(site, holder, parts)
    if why is not None:
        return _failed(site, asked, why)
    if asked.parameters.get("f", "html") == "html" and not rest:
        return _directory(site, f"<html><body><h2>{folder}/{name} ({kind})</h2></body></html>")
    root, services, parameters = f"{site.services_url}/{folder}/{name}/{kind}", site.services, asked.parameters
    match kind:
        case "MapServer":
            response = services.map_server(root, rest, parameters, is_cached=name == "Base")
        case "FeatureServer":
            response = services.feature_server(rest, parameters, asked.body)
        case "VectorTileServer":
            response = vector.answer(rest, site.options)
        case _:
            response = services.image_server(root, rest, parameters)
    return response if response is not None else _failed(site, asked, answers.INVALID_URL)


def _catalog(site: Site, asked: Asked, parts: list[str], *, is_known: bool) -> web.Response:
    """Secured services are left out for those without a token; a secured folder asks for one."""
    if parts == ["Secure"] and not is_known:
        return refuse(site, asked, missing(site))
    version = site.options.version
    if not parts:
        folders = sorted(SERVICES) if is_known else ["Public"]
        document: dict[str, Any] = {"currentVersion": version, "folders": folders, "services": []}
    elif parts[0] in SERVICES and len(parts) == 1:
        named = SERVICES[parts[0]].items()
        listed = [{"name": f"{parts[0]}/{name}", "type": kind} for name, kinds in named for kind in kinds]
        document = {"currentVersion": version, "folders": [], "services": listed}
    else:
        document = answers.INVALID_URL
    return json_answer(document, site.options, asked.parameters)


def _directory(site: Site, text: str) -> web.Response:
    return page(text) if site.options.has_directory else page("Services Directory has been disabled", 403)


def _failed(site: Site, asked: Asked, document: Document) -> web.Response:
    return json_answer(document, site.options, asked.parameters, is_error=True)

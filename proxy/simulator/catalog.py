"""SOAP below `/services`: the catalog that says where tokens come from, service descriptions, and a service that
answers anything (wire reference, section 2.2). Who may ask is decided in `server.py`."""

import re
from typing import Final
from xml.sax.saxutils import escape

from aiohttp import web

from proxy.simulator.options import Options
from proxy.simulator.site import Asked, Site

_ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
_NAMESPACE: Final = "http://www.esri.com/schemas/ArcGIS/"
_FIRST: Final = re.compile(r"<(?:[\w.-]+:)?Body[^>]*>\s*<(?:(?P<prefix>[\w.-]+):)?(?P<name>[\w.-]+)(?P<rest>[^>]*)>")
_OPERATIONS: Final = (
    "GetFolders",
    "GetMessageFormats",
    "GetMessageVersion",
    "GetServiceDescriptions",
    "GetServiceDescriptionsEx",
    "GetTokenServiceURL",
    "RequiresTokens",
)


def namespace(options: Options) -> str:
    """The target namespace: it carries the release."""
    return f"{_NAMESPACE}{options.soap_release}"


def catalog(site: Site, asked: Asked, services: list[str]) -> web.Response:
    """`/services` itself; `services` are the folder/name/type that the asker may see."""
    if is_wsdl(asked):
        return _xml(_description(site.options, f"{site.url}/services", _OPERATIONS))
    operation, fault = _operation(site.options, asked)
    if fault is not None:
        return fault
    match operation:
        case "RequiresTokens":
            inner = f"<Result>{str(site.options.has_tokens).lower()}</Result>"
        case "GetTokenServiceURL":
            inner = f"<TokenServiceURL>{escape(site.token_service.rstrip('/'))}</TokenServiceURL>"
        case "GetMessageVersion":
            release = (site.options.soap_release or "").replace(".", "")
            inner = f"<MessageVersion>esriArcGISVersion{release}</MessageVersion>"
        case "GetMessageFormats":
            inner = "<MessageFormats>esriServiceCatalogMessageFormatSoap</MessageFormats>"
        case "GetFolders":
            names = sorted({name.partition("/")[0] for name in services})
            inner = f"<FolderNames>{''.join(f'<String>{name}</String>' for name in names)}</FolderNames>"
        case "GetServiceDescriptions" | "GetServiceDescriptionsEx":
            inner = f"<ServiceDescriptions>{''.join(_listed(site, name) for name in services)}</ServiceDescriptions>"
        case _:
            return _fault(f"Unknown operation {operation}")
    return _xml(_answer(site.options, operation, inner))


def service(site: Site, asked: Asked, parts: list[str]) -> web.Response:
    """`/services/<folder>/<name>/<type>`: its description, or an answer to any operation."""
    if is_wsdl(asked):
        return _xml(_description(site.options, f"{site.url}/services/{'/'.join(parts)}", ("GetServerInfo",)))
    operation, fault = _operation(site.options, asked)
    return fault if fault is not None else _xml(_answer(site.options, operation, "<Result>ok</Result>"))


def is_wsdl(asked: Asked) -> bool:
    return "wsdl" in asked.request.query_string.lower()


def _operation(options: Options, asked: Asked) -> tuple[str, web.Response | None]:
    """The first element of the Body, and a fault where it cannot be read or speaks another release's language."""
    text = asked.body.decode("utf-8", "replace")
    found = _FIRST.search(text)
    if found is None:
        return "", _fault("The request is no SOAP envelope")
    declared = f"xmlns:{found['prefix']}" if found["prefix"] else "xmlns"
    # the declaration stands on the element itself or further out; the nearest counts
    named = re.findall(rf"\s{re.escape(declared)}\s*=\s*[\"']([^\"']*)[\"']", text[: found.end()])
    if options.is_soap_strict and named[-1:] != [namespace(options)]:
        return "", _fault(f"The namespace of {found['name']} is not {namespace(options)}")
    return found["name"], None


def _fault(text: str) -> web.Response:
    """SOAP 1.1, sections 4.4 and 6.2: a fault is HTTP 500."""
    inner = f"<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{escape(text)}</faultstring></soap:Fault>"
    return _xml(_envelope(inner), 500)


def _answer(options: Options, operation: str, inner: str) -> str:
    """Document/literal, wrapped: the children are not qualified, so a prefix keeps the namespace from them."""
    return _envelope(f'<tns:{operation}Response xmlns:tns="{namespace(options)}">{inner}</tns:{operation}Response>')


def _envelope(inner: str) -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{_ENVELOPE}">'
        f"<soap:Body>{inner}</soap:Body></soap:Envelope>"
    )


def _listed(site: Site, name: str) -> str:
    path, _, kind = name.rpartition("/")
    url = f"{site.url}/services/{name}"
    described = f"<Name>{path}</Name><Type>{kind}</Type><Url>{escape(url)}</Url><ParentType></ParentType>"
    return f"<ServiceDescription>{described}</ServiceDescription>"


def _description(options: Options, url: str, operations: tuple[str, ...]) -> str:
    """A WSDL as far as clients read it: the namespace, the operations, and an absolute address."""
    named = "".join(f'<operation name="{name}"/>' for name in operations)
    return (
        '<?xml version="1.0" encoding="utf-8"?><definitions xmlns="http://schemas.xmlsoap.org/wsdl/" '
        f'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" targetNamespace="{namespace(options)}">'
        f'<portType name="ServicePort">{named}</portType><service name="Service"><port name="ServicePort">'
        f'<soap:address location="{escape(url)}"/></port></service></definitions>'
    )


def _xml(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/xml")

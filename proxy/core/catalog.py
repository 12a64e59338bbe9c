"""What is asked of ArcGIS's SOAP catalog, and what it says: where tokens come from on servers without `rest/info`, and
to our own clients that none are needed.

Reads with two patterns, no XML parser: an upstream's document is not worth the attacks on one. Source: Esri's SOAP
SDK, Catalog (document/literal; the namespace carries the release, the results are not qualified).
"""

import html
import re
from typing import Final

_NAMESPACE: Final = re.compile(rb"targetNamespace\s*=\s*[\"'](http://www\.esri\.com/schemas/ArcGIS/[0-9.]{1,8})[\"']")
_DECLARED: Final = re.compile(rb"[\"'](http://www\.esri\.com/schemas/ArcGIS/[0-9.]{1,8})[\"']")
_SOAP_12: Final = "http://www.w3.org/2003/05/soap-envelope"
_SOAP_11: Final = "http://schemas.xmlsoap.org/soap/envelope/"
# Esri's clients ask the first, and if it is so the second; then they ask their user for a name and a password.
_QUIET: Final = {
    "requirestokens": ("RequiresTokens", "<Result>false</Result>"),
    "gettokenserviceurl": ("GetTokenServiceURL", "<TokenServiceURL></TokenServiceURL>"),
}
_RESULT: Final = rb"<(?:[\w.-]{1,64}:)?%s(?:\s[^<>]{0,200})?>([^<>]{0,2048})<"


def target_namespace(wsdl: bytes) -> str | None:
    """The catalog's namespace; None where this is no description of one."""
    match = _NAMESPACE.search(wsdl)
    return match[1].decode("ascii") if match else None


def question(operation: str, namespace: str) -> bytes:
    """The request of an operation without arguments, e.g. GetTokenServiceURL."""
    return _enveloped(f'<{operation} xmlns="{namespace}"/>', _SOAP_11)


def quiet_answer(operation: str, request: bytes) -> bytes | None:
    """The answer to an operation (lower case) that would have a client ask for a login: no token is needed, and none
    is given out. In the request's own language; None for any other operation."""
    asked = _QUIET.get(operation)
    namespace = _DECLARED.search(request) if asked is not None else None
    if asked is None or namespace is None:
        return None
    name, inner = asked
    body = f'<tns:{name}Response xmlns:tns="{namespace[1].decode("ascii")}">{inner}</tns:{name}Response>'
    return _enveloped(body, _SOAP_12 if _SOAP_12.encode() in request else _SOAP_11)


def _enveloped(body: str, envelope: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{envelope}"><soap:Body>'
        f"{body}</soap:Body></soap:Envelope>"
    ).encode("ascii")


def result(answer: bytes, element: str) -> str | None:
    """The text of the first element called so, whatever its prefix; None where there is none."""
    match = re.search(_RESULT % element.encode("ascii"), answer)
    return html.unescape(match[1].decode("utf-8", "replace")).strip() if match else None

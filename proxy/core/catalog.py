"""What is asked of ArcGIS's SOAP catalog, and what it says: where tokens come from on servers without `rest/info`.

Reads with two patterns, no XML parser: an upstream's document is not worth the attacks on one. Source: Esri's SOAP
SDK, Catalog (document/literal; the namespace carries the release, the results are not qualified).
"""

import html
import re
from typing import Final

_NAMESPACE: Final = re.compile(rb"targetNamespace\s*=\s*[\"'](http://www\.esri\.com/schemas/ArcGIS/[0-9.]{1,8})[\"']")
_RESULT: Final = rb"<(?:[\w.-]{1,64}:)?%s(?:\s[^<>]{0,200})?>([^<>]{0,2048})<"


def target_namespace(wsdl: bytes) -> str | None:
    """The catalog's namespace; None where this is no description of one."""
    match = _NAMESPACE.search(wsdl)
    return match[1].decode("ascii") if match else None


def question(operation: str, namespace: str) -> bytes:
    """The request of an operation without arguments, e.g. GetTokenServiceURL."""
    envelope = "http://schemas.xmlsoap.org/soap/envelope/"
    return (
        f'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="{envelope}"><soap:Body>'
        f'<{operation} xmlns="{namespace}"/></soap:Body></soap:Envelope>'
    ).encode("ascii")


def result(answer: bytes, element: str) -> str | None:
    """The text of the first element called so, whatever its prefix; None where there is none."""
    match = re.search(_RESULT % element.encode("ascii"), answer)
    return html.unescape(match[1].decode("utf-8", "replace")).strip() if match else None

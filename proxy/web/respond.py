"""Our errors as the JSON that ArcGIS clients understand: one shape, the HTTP status equal to the code in it.

On anything with the codes 401, 498, 499 or a bare 403 the ArcGIS JavaScript SDK 4.x/5.x opens its sign-in dialog,
whatever the HTTP status; so a 403 of ours carries the subcode and message code that keep it quiet, and the others
are never sent.
"""

import json
import math
import os
import re
from typing import Final

from proxy import __version__, names
from proxy.core.hygiene import COMMON
from proxy.errors import MethodNotAllowed, ProxyError
from proxy.traffic import Reply
from proxy.web.head import METHODS

_SSL: Final = re.compile("ssl", re.IGNORECASE)
_JSON: Final = "application/json;charset=utf-8"


def error_reply(error: ProxyError, request_id: str) -> Reply:
    """The error envelope; CORS headers are put on by whoever sends it, as on any answer."""
    envelope: dict[str, object] = {
        "code": error.status,
        "message": error.message,
        "details": [*error.details, f"Request id: {request_id}"],
        "messageCode": f"PROXY_{error.slug.upper()}",
    }
    if error.status == names.CODE_FORBIDDEN:
        envelope |= {"subcode": names.QUIET_SUBCODE, "messageCode": names.QUIET_MESSAGE_CODE}
        # In a 403 the SDK reads "ssl" as "ask again over https"; a rule's URL may hold the word.
        envelope["message"] = _SSL.sub("TLS", error.message)
    reply = json_reply(error.status, {"error": envelope})
    if error.retry_after is not None:
        reply.headers[names.RETRY_AFTER] = str(max(1, math.ceil(error.retry_after)))
    return reply


def error_bytes(error: ProxyError, *, is_head: bool = False) -> bytes:
    """The whole answer to what never became a request; the connection ends with it. `is_head`: without its body."""
    request_id = os.urandom(16).hex()
    reply = error_reply(error, request_id)
    body = reply.body if isinstance(reply.body, bytes) and not is_head else b""
    headers = reply.headers | {names.X_REQUEST_ID: request_id, names.CONNECTION: "close"}
    if error.status == MethodNotAllowed.status:
        headers[names.ALLOW] = ", ".join(METHODS)
    lines = [f"HTTP/1.1 {reply.status} Refused", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode("ascii") + body


def ping_reply(configuration: str) -> Reply:
    """What `?ping` answered in the older proxies: monitoring scripts look for these three keys."""
    return json_reply(200, {"Proxy Version": __version__, "Configuration File": configuration, "Log File": "OK"})


def json_reply(status: int, document: object) -> Reply:
    """A small JSON answer of our own, which nobody keeps."""
    body = json.dumps(document, ensure_ascii=True).encode()
    headers = {
        names.CONTENT_TYPE: _JSON,
        names.CONTENT_LENGTH: str(len(body)),
        names.CACHE_CONTROL: "no-store",
    }
    return Reply(status, headers | COMMON, body)

"""The bodies that ArcGIS gives, byte for byte where a source confirms them (wire reference, sections 1 and 4)."""

import gzip
import json
from typing import Any, Final

from aiohttp import web

from proxy.simulator.options import Options

Document = dict[str, Any]


def _error(code: int, message: str, details: str | list[str] | None = None, **more: str) -> Document:
    return {"error": {"code": code, **more, "message": message, "details": [] if details is None else details}}


# --- a token is missing, bad, or not enough ---------------------------------------------------------------------------
REQUIRED: Final = _error(499, "Token Required")
INVALID: Final = _error(498, "Invalid Token")
HOSTED_REQUIRED: Final = {
    "error": {"code": 499, "message": "Token Required", "messageCode": "GWM_0003", "details": ["Token Required"]}
}
PORTAL_INVALID: Final = _error(498, "Invalid token.")
NOT_SHARED: Final = _error(
    403, "You do not have permissions to access this resource or perform this operation.", messageCode="GWM_0003"
)
ITEM_MISSING: Final = _error(400, "Item does not exist or is inaccessible.", messageCode="CONT_0001")
INVALID_URL: Final = _error(400, "Invalid URL")
ADMIN_REQUIRED: Final = {
    "status": "error",
    "messages": ["Unauthorized access.Token not found. You can generate a token using the 'generateToken' operation."],
    "code": 499,
}
_DENIALS: Final = {
    "role": _error(403, "User does not have permissions to access '{service}.mapserver'"),
    "role_older": _error(500, "Unauthorized access"),
    "privilege": _error(
        403,
        "Token is valid but access is denied.",
        ["User does not have permissions to store geocoding results."],
    ),
}

# --- token services ---------------------------------------------------------------------------------------------------
WRONG_PASSWORD: Final = _error(401, "You are not authorized to access this information", "Invalid credentials")
PORTAL_WRONG_PASSWORD: Final = _error(400, "Unable to generate token.", ["Invalid username or password."])
PORTAL_NAMELESS: Final = _error(400, "Unable to generate token.", ["'username' must be specified."])
# The wording is seen on the OAuth page; that a token service says it in this envelope is inferred.
LOCKED: Final = _error(400, "Unable to generate token.", ["Too many invalid attempts. Please try again later."])
NO_USER: Final = _error(201, "Exception in generating token", "Invalid request")
NO_CLIENT: Final = _error(201, "Exception in generating token", "Client id cannot be determined")
GET_DISABLED: Final = _error(405, "Method not supported", "HTTP GET is disabled")
POST_QUERY: Final = _error(
    405,
    "Method not supported",
    "Generate Token request should not contain username and password in the query string.",
)
UNBOUND_TEXT: Final = "Client ID is required for long expiration tokens."
UNBOUND_LONG: Final = _error(201, "Failed to generate a token for the user.", UNBOUND_TEXT)
NO_MACHINES: Final = {
    "status": "error",
    "messages": ["Could not access any server machines. Please contact your system administrator."],
}
NOT_FEDERATED: Final = _error(
    400, "Unable to generate token.", ["The server is not federated with this portal or its URL is not valid."]
)


def _app_error(error: str, text: str) -> Document:
    """Not RFC 6749's: `error` is an object, with the standard's two members inside."""
    return {"error": {"code": 400, "error": error, "error_description": text, "message": text, "details": []}}


APP_UNKNOWN: Final = _app_error("invalid_client_id", "Invalid client_id")
APP_WRONG_SECRET: Final = _app_error("invalid_request", "Invalid client_secret")
APP_WRONG_GRANT: Final = _app_error("invalid_request", "Invalid grant_type")

# --- pages ------------------------------------------------------------------------------------------------------------
LOGIN_PAGE: Final = """<html><head><title>Login</title>
<link href="{context}/rest/static/main.css" rel="stylesheet"/></head>
<body><table><tr><td class="titlecell">ArcGIS REST Services Directory</td></tr></table>
<form action="{context}/rest/login" method="post"><input name="username"/>
<input type="password" name="password"/></form></body></html>"""
ERROR_PAGE: Final = (
    "<html><head><title>Error: {message}</title></head><body><h2>{message}</h2>Code: {code}</body></html>"
)
USAGE_PAGE: Final = (
    "Invalid request<br>Usage: {url}?request=gettoken&username=username&password=password"
    "<br>{url}/generateToken?username=username&password=password<br>{url}/gettoken.html"
)


def missing_service(name: str, code: int) -> Document:
    """A service that is not there: the code depends on the release, and Online names nothing."""
    return INVALID_URL if code == 400 else _error(code, f"Service {name} not found")


def denied(kind: str, service: str) -> Document:
    """What a good token without the right meets; `kind` as in `Options.denial`."""
    error = _DENIALS[kind]["error"]
    return {"error": {**error, "message": error["message"].replace("{service}", service)}}


def json_answer(document: Any, options: Options, parameters: dict[str, str], *, is_error: bool = False) -> web.Response:
    """`f=json`, `pjson`, JSONP, gzipped or with the type of an older release, as the options say."""
    is_pretty = parameters.get("f") == "pjson" or (is_error and options.is_pretty)
    text = json.dumps(document, indent=1 if is_pretty else None, separators=None if is_pretty else (",", ":"))
    kind = options.error_type if is_error else "application/json;charset=UTF-8"
    callback = parameters.get("callback")
    if callback:
        text, kind = f"{callback}({text});", options.jsonp_type
    body = text.encode()
    headers = {"Content-Type": kind}
    if is_error and options.is_gzipped:
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


def token_failure(style: str, document: Document, options: Options, parameters: dict[str, str]) -> web.Response:
    """How a missing or bad token is told, by one of the styles in `Options`."""
    code, message = int(document["error"]["code"]), str(document["error"]["message"])
    match style:
        case "status_only":
            return web.Response(status=code, reason=message)
        case "html200" | "http400":
            text = ERROR_PAGE.format(code=code, message=message)
            return web.Response(status=200 if style == "html200" else 400, text=text, content_type="text/html")
        case "redirect":
            return web.Response(status=302, headers={"Location": f"{options.context}/rest/login?redirect=x"})
        case "xml":
            return web.Response(text=service_exception(message), content_type="text/xml")
    response = json_answer(document, options, parameters, is_error=True)
    response.set_status({"status": code, "status401": 401}.get(style, 200))
    return response


def service_exception(text: str) -> str:
    """How OGC services tell a failure (WMS 1.3.0, section 7.2.3.1 and annex A)."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ServiceExceptionReport version="1.3.0" '
        f'xmlns="http://www.opengis.net/ogc"><ServiceException>{text}</ServiceException></ServiceExceptionReport>'
    )


def page(text: str, status: int = 200) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html")

"""The bodies that ArcGIS gives, byte for byte where a source confirms them (wire reference, section 4)."""

import gzip
import json
from typing import Any, Final

from aiohttp import web

from proxy.simulator.options import Options

REQUIRED: Final = {"error": {"code": 499, "message": "Token Required", "details": []}}
INVALID: Final = {"error": {"code": 498, "message": "Invalid Token", "details": []}}
PORTAL_INVALID: Final = {"error": {"code": 498, "message": "Invalid token.", "details": []}}
WRONG_PASSWORD: Final = {
    "error": {
        "code": 401,
        "message": "You are not authorized to access this information",
        "details": "Invalid credentials",
    }
}
PORTAL_WRONG_PASSWORD: Final = {
    "error": {"code": 400, "message": "Unable to generate token.", "details": ["Invalid username or password."]}
}
GET_DISABLED: Final = {"error": {"code": 405, "message": "Method not supported", "details": "HTTP GET is disabled"}}
LOGIN_PAGE: Final = """<html><head><title>Login</title>
<link href="{context}/rest/static/main.css" rel="stylesheet"/></head>
<body><table><tr><td class="titlecell">ArcGIS REST Services Directory</td></tr></table>
<form action="{context}/rest/login" method="post"><input name="username"/>
<input type="password" name="password"/></form></body></html>"""
ERROR_PAGE: Final = (
    "<html><head><title>Error: {message}</title></head><body><h2>{message}</h2>Code: {code}</body></html>"
)


def json_answer(document: Any, options: Options, parameters: dict[str, str], *, is_error: bool = False) -> web.Response:
    """`f=json`, `pjson`, JSONP, gzipped or with the type of an older release, as the options say."""
    is_pretty = parameters.get("f") == "pjson" or (is_error and options.is_pretty)
    text = json.dumps(document, indent=1 if is_pretty else None, separators=None if is_pretty else (",", ":"))
    kind = options.error_type if is_error else "application/json;charset=UTF-8"
    callback = parameters.get("callback")
    if callback:
        text, kind = f"{callback}({text});", "application/javascript;charset=UTF-8"
    body = text.encode()
    headers = {"Content-Type": kind}
    if is_error and options.is_gzipped:
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)


def token_failure(style: str, document: dict[str, Any], options: Options, parameters: dict[str, str]) -> web.Response:
    """How a missing or bad token is told, by one of the styles in `Options`."""
    code, message = int(document["error"]["code"]), str(document["error"]["message"])
    if style == "status_only":
        return web.Response(status=code, reason=message)
    if style == "html200":
        return web.Response(text=ERROR_PAGE.format(code=code, message=message), content_type="text/html")
    if style == "redirect":
        return web.Response(status=302, headers={"Location": f"{options.context}/rest/login?redirect=x"})
    response = json_answer(document, options, parameters, is_error=True)
    if style == "status":
        response.set_status(code)
    return response


def page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")

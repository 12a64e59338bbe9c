"""What stands in front of ArcGIS: a web server that wants HTTP Basic, or a gateway that wants a header of its own on
every request, images included. Knows nothing of tokens."""

import binascii
from base64 import b64decode
from typing import Final

from aiohttp import web

from proxy import names
from proxy.simulator import answers
from proxy.simulator.accounts import is_same
from proxy.simulator.options import Options

_PAGE: Final = "<html><head><title>401 - Unauthorized</title></head><body>Access is denied.</body></html>"


def gateway(options: Options, request: web.BaseRequest) -> web.Response | None:
    """The 401 of an API of one's own in front; None where it lets the request in. Its body is not ArcGIS's."""
    if options.gateway_header is None:
        return None
    name, value = options.gateway_header
    if is_same(request.headers.get(name, ""), value):
        return None
    return web.json_response({"statusCode": 401, "message": "Access denied: missing or invalid key."}, status=401)


def wants_login(scheme: str, realm: str, options: Options, request: web.BaseRequest) -> web.Response | None:
    """The challenge of a web tier of that scheme; None where there is none, or the login is right."""
    if not scheme or is_logged_in(options, request):
        return None
    response = answers.page(_PAGE, 401)
    response.headers[names.WWW_AUTHENTICATE] = f'Basic realm="{realm}"'
    return response


def is_logged_in(options: Options, request: web.BaseRequest) -> bool:
    scheme, _, value = request.headers.get(names.AUTHORIZATION, "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        given = b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return is_same(given, f"{options.web_tier_user}:{options.web_tier_password}")

"""The token services: the server's JSON and text ones, the portal's, and the exchange between them."""

import asyncio
import json
from typing import Any

from aiohttp import web

from proxy.simulator import answers
from proxy.simulator.accounts import Accounts
from proxy.simulator.options import Options

_SERVER, _PORTAL = "server", "portal"


async def server_token(
    accounts: Accounts, options: Options, request: web.BaseRequest, form: dict[str, str]
) -> web.Response:
    """`/tokens/generateToken`, and `/tokens` with `request=getToken`."""
    fault = await _fault(options, request)
    if fault is not None:
        return fault
    if request.method != "POST":
        return answers.json_answer(answers.GET_DISABLED, options, {})
    if not accounts.log_in(form.get("username", ""), form.get("password", "")):
        return answers.json_answer(answers.WRONG_PASSWORD, options, {})
    token, expires = _issue(accounts, options, form, _SERVER)
    if form.get("f") != "json":
        return web.Response(text=token)
    return answers.json_answer(_shaped(options, token, expires), options, {})


async def portal_token(
    accounts: Accounts, options: Options, request: web.BaseRequest, form: dict[str, str]
) -> web.Response:
    """`/sharing/rest/generateToken`: a login, or a portal token for a server's."""
    fault = await _fault(options, request)
    if fault is not None:
        return fault
    if "serverUrl" in form:
        held = accounts.find(form.get("token", ""), _PORTAL, request.headers.get("Referer"))
        if held is None:
            return answers.json_answer(answers.PORTAL_INVALID, options, {})
        accounts.exchanges += 1
        token, expires = _issue(accounts, options, form, _SERVER)
    elif accounts.log_in(form.get("username", ""), form.get("password", "")):
        token, expires = _issue(accounts, options, form, _PORTAL)
    else:
        return answers.json_answer(answers.PORTAL_WRONG_PASSWORD, options, {})
    return answers.json_answer({**_shaped(options, token, expires), "ssl": False}, options, {})


def _issue(accounts: Accounts, options: Options, form: dict[str, str], issuer: str) -> tuple[str, int]:
    asked = float(form.get("expiration") or 60) * 60
    bound = form.get("referer") if options.binds_referer and form.get("client") == "referer" else None
    # longer lives are capped without a word
    return accounts.issue(form.get("username", ""), issuer, min(asked, options.token_seconds), bound)


def _shaped(options: Options, token: str, expires: int) -> dict[str, Any]:
    shapes: dict[str, dict[str, Any]] = {
        "no_expires": {"token": token},
        "text_expires": {"token": token, "expires": str(expires)},
        "seconds": {"token": token, "expires": expires // 1000},
        "past": {"token": token, "expires": 1000},
    }
    return shapes.get(options.token_fault, {"token": token, "expires": expires})


async def _fault(options: Options, request: web.BaseRequest) -> web.Response | None:
    if options.token_delay:
        await asyncio.sleep(options.token_delay)
    match options.token_fault:
        case "html":
            return answers.page("<html><body>Could not access any server machines.</body></html>")
        case "machines":
            text = "Could not access any server machines. Please contact your system administrator."
            return web.Response(
                text=json.dumps({"status": "error", "messages": [text]}), content_type="application/json"
            )
        case "status500":
            return web.Response(status=500, text="Internal Server Error")
        case "redirect":
            return web.Response(status=302, headers={"Location": "http://evil.example/tokens"})
        case "empty":
            return web.Response(text="")
        case "drop":
            assert request.transport is not None  # noqa: S101 - it is there until now
            request.transport.abort()
            return web.Response()
        case _:
            return None

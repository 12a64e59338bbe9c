"""App logins at the portal (OAuth 2 client credentials) as ArcGIS speaks them, which is not RFC 6749: lives are asked
for in minutes and told in seconds, and failures are objects with HTTP 200 (wire reference, section 1.6)."""

from typing import Any, Final

from aiohttp import web

from proxy.simulator import answers, tokens
from proxy.simulator.accounts import is_same
from proxy.simulator.answers import Document, json_answer
from proxy.simulator.site import Asked, Site

_DEFAULT_MINUTES: Final = 120.0


async def answer(site: Site, asked: Asked, operation: str) -> web.Response:
    """`oauth2/token` or `oauth2/revokeToken`, in lower case."""
    match operation:
        case "token":
            return await _token(site, asked)
        case "revoketoken":
            fields = asked.folded
            site.accounts.revoke(fields.get("auth_token") or fields.get("token", ""))
            return json_answer({"success": True}, site.options, asked.parameters)
        case _:
            return json_answer(answers.INVALID_URL, site.options, asked.parameters, is_error=True)


async def _token(site: Site, asked: Asked) -> web.Response:
    options, fields = site.options, asked.folded
    given = await tokens.fault(options, asked)
    if given is not None:
        return given
    refusal = _refusal(site, asked, fields)
    if refusal is not None:
        return json_answer(refusal, options, fields)
    site.accounts.logins += 1
    life = tokens.seconds(options, fields, options.app_minutes, _DEFAULT_MINUTES)
    # A referer that is named is not bound to: an app has none of its own
    token, _ = site.accounts.issue(fields["client_id"], "portal", life, None, is_app=True)
    return json_answer(_shaped(options.token_fault, token, life), options, fields)


def _refusal(site: Site, asked: Asked, fields: dict[str, str]) -> Document | None:
    if asked.request.method != "POST":
        return answers.GET_DISABLED
    if fields.get("grant_type", "") != "client_credentials":
        return answers.APP_WRONG_GRANT
    secret = site.options.apps.get(fields.get("client_id", ""))
    if secret is None:
        site.accounts.refusals += 1
        return answers.APP_UNKNOWN
    if not is_same(secret, fields.get("client_secret", "")):
        site.accounts.refusals += 1
        return answers.APP_WRONG_SECRET
    return None


def _shaped(fault: str, token: str, life: float) -> dict[str, Any]:
    whole = int(life)
    if fault == "no_expires":
        return {"access_token": token}
    return {"access_token": token, "expires_in": str(whole) if fault == "text_expires" else whole}

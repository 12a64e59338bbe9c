"""The server's own token services, JSON and text (wire reference, sections 1.1 and 1.2), and what can be wrong with
any token service. The portal's are in `portal.py`."""

import asyncio
from typing import Any, Final

from aiohttp import web

from proxy.simulator import answers
from proxy.simulator.answers import Document, json_answer
from proxy.simulator.options import Options
from proxy.simulator.site import Asked, Site

_JSON_FORMS: Final = ("json", "pjson")
_CONFIGURED: Final = {
    "locked": answers.LOCKED,
    "unbound_long": answers.UNBOUND_LONG,
    "post_query": answers.POST_QUERY,
    "machines": answers.NO_MACHINES,
}
_DEFAULT_MINUTES: Final = 60.0


def service(options: Options, parts: list[str]) -> str:
    """Which token service a path (lower-case parts below the context) is: json, text, or "" for none."""
    path = [part.lower() for part in options.token_path.split("/") if part]
    is_json_alone = path[-1:] == ["generatetoken"]
    if options.has_tokens and parts == (path if is_json_alone else [*path, "generatetoken"]):
        return "json" if options.json_tokens else ""
    return "text" if options.has_tokens and parts == path and options.text_tokens else ""


async def answer(site: Site, asked: Asked, kind: str) -> web.Response:
    """A token for the server, by its `kind` of service, or why not."""
    given = await fault(site.options, asked)
    if given is not None:
        return given
    fields = asked.folded
    form = fields.get("f", "html" if kind == "json" else "")
    is_text = kind == "text" and (form not in _JSON_FORMS or not site.options.json_tokens)
    if is_text and fields.get("request", "").lower() != "gettoken":
        return answers.page(answers.USAGE_PAGE.format(url=f"{site.url}{site.options.token_path}"))
    refusal = _refusal(site, asked, fields)
    if refusal is not None:
        return _told(refusal, site.options, fields, is_text=is_text)
    token, expires = _issue(site, asked, fields)
    if is_text:
        return web.Response(text=token)
    if form not in _JSON_FORMS:
        return answers.page(f"<html><body>Token: {token}</body></html>")
    return json_answer(shaped(site.options, token, expires), site.options, asked.parameters)


def _refusal(site: Site, asked: Asked, fields: dict[str, str]) -> Document | None:
    """Why there is no token; the password is looked at last, so that it is not counted otherwise."""
    options = site.options
    user, password = fields.get("username", ""), fields.get("password", "")
    if asked.request.method != "POST" and not options.allow_get:
        return answers.GET_DISABLED
    in_query = {name.lower() for name in asked.query} & {"username", "password"}
    if asked.request.method == "POST" and in_query and not options.allow_post_query:
        return answers.POST_QUERY
    if not user or not password:
        return answers.NO_USER if options.bodies == "server" else answers.PORTAL_NAMELESS
    referer, address = binding(asked, fields)
    asks_binding = bool(fields.get("client") or fields.get("clientid"))
    if asks_binding and referer is None and address is None:
        return answers.NO_CLIENT
    if not asks_binding and options.unbound_long == "refuse" and minutes(fields) > options.short_minutes:
        return answers.UNBOUND_LONG
    if not site.accounts.log_in(user, password):
        return answers.WRONG_PASSWORD if options.bodies == "server" else answers.PORTAL_WRONG_PASSWORD
    return None


def _told(document: Document, options: Options, fields: dict[str, str], *, is_text: bool) -> web.Response:
    """The text service knows a status for wrong passwords, a sentence, and the envelope of what 10.3 refuses."""
    if is_text and document is answers.WRONG_PASSWORD:
        return answers.page("<html><body><h1>Forbidden</h1></body></html>", options.text_refusal)
    if is_text and document is not answers.GET_DISABLED and document is not answers.POST_QUERY:
        return web.Response(text=f"{document['error']['message']} {document['error']['details']}")
    return json_answer(document, options, fields)


def _issue(site: Site, asked: Asked, fields: dict[str, str]) -> tuple[str, int]:
    options = site.options
    referer, address = binding(asked, fields)
    is_bound = referer is not None or address is not None
    longest = options.long_minutes if is_bound else options.short_minutes
    return site.accounts.issue(
        fields["username"],
        "server",
        seconds(options, fields, longest),
        referer if options.binds_referer else None,
        address=address,
    )


def binding(asked: Asked, fields: dict[str, str]) -> tuple[str | None, str | None]:
    """The referer and the address that a token is asked for: `client`, or 9.3's `clientid=ref.<url>`."""
    way, _, value = fields.get("clientid", "").partition(".")
    way = fields.get("client", "").lower() or way
    match way:
        case "referer":
            return fields.get("referer") or None, None
        case "ref":
            return value or None, None
        case "ip":
            return None, fields.get("ip") or value or None
        case "requestip":
            return None, asked.request.remote
        case _:
            return None, None


def minutes(fields: dict[str, str], default: float = _DEFAULT_MINUTES) -> float:
    """The life that is asked for; what is no life is taken as nothing asked."""
    try:
        asked = float(fields.get("expiration") or fields.get("timeout") or default)
    except ValueError:
        return default
    return asked if asked > 0 else default


def seconds(options: Options, fields: dict[str, str], longest: float, default: float = _DEFAULT_MINUTES) -> float:
    """The life that is given, `longest` in minutes: what is more is capped without a word."""
    life = min(minutes(fields, default), longest) * 60
    return life if options.token_seconds is None else min(life, options.token_seconds)


def shaped(options: Options, token: str, expires: int) -> dict[str, Any]:
    """A good answer, or one of the odd ones that clients must live with."""
    shapes: dict[str, dict[str, Any]] = {
        "no_expires": {"token": token},
        "text_expires": {"token": token, "expires": str(expires)},
        "seconds": {"token": token, "expires": expires // 1000},
        "past": {"token": token, "expires": 1000},
    }
    return shapes.get(options.token_fault, {"token": token, "expires": expires})


async def fault(options: Options, asked: Asked) -> web.Response | None:
    """What `Options.token_fault` has any token service answer in place of its own."""
    if options.token_delay:
        await asyncio.sleep(options.token_delay)
    if options.token_fault in _CONFIGURED:
        return json_answer(_CONFIGURED[options.token_fault], options, {})
    match options.token_fault:
        case "html":
            return answers.page("<html><body>Could not access any server machines.</body></html>")
        case "status500":
            return web.Response(status=500, text="Internal Server Error")
        case "redirect":
            return web.Response(status=302, headers={"Location": "http://evil.example/tokens"})
        case "flood":
            return web.Response(text='{"token": "' + "a" * 10_000_000)
        case "empty":
            return web.Response(text="")
        case "drop":
            assert asked.request.transport is not None  # noqa: S101 - it is there until now
            asked.request.transport.abort()
            return web.Response()
        case _:
            return None

"""The portal beside the server: its logins, the exchange of its tokens for a server's, and its items (wire reference,
sections 1.4, 1.5 and 4.1). App logins are in `oauth.py`."""

from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from proxy.simulator import answers, oauth, tokens
from proxy.simulator.accounts import Issued
from proxy.simulator.answers import Document, json_answer
from proxy.simulator.site import Asked, Site

_DEFAULT_MINUTES: Final = 120.0
_NAME: Final = "Havenport"


async def answer(site: Site, asked: Asked) -> web.StreamResponse:
    """Any request below `/portal/` that the web tier let in."""
    path = [part for part in asked.request.path.split("/") if part][1:]
    match [part.lower() for part in path]:
        case ["sharing", "rest", "info"]:
            return json_answer(_info(site), site.options, asked.parameters)
        case ["sharing", "rest", "generatetoken"] | ["sharing", "generatetoken"]:
            return await _token(site, asked)
        case ["sharing", "rest", "oauth2", operation] | ["sharing", "oauth2", operation]:
            return await oauth.answer(site, asked, operation)
        case ["sharing", "rest", *rest] if rest:
            return _content(site, asked, rest)
        case _:
            return answers.page("<html>Not Found</html>", 404)


def _info(site: Site) -> Document:
    """A portal behind a web tier has no tokens to ask for with a password."""
    auth: Document = {"isTokenBasedSecurity": not site.options.portal_web_tier}
    if not site.options.portal_web_tier:
        auth = {"tokenServicesUrl": site.portal_token_url, **auth}
    return {"owningSystemUrl": site.portal_url, "authInfo": auth}


async def _token(site: Site, asked: Asked) -> web.Response:
    """`generateToken`: a login, or a portal token for a server's."""
    options, fields = site.options, asked.folded
    given = await tokens.fault(options, asked)
    if given is not None:
        return given
    outcome = _exchange(site, asked, fields) if "serverurl" in fields else _login(site, asked, fields)
    if isinstance(outcome, dict):
        return json_answer(outcome, options, fields)
    token, expires = outcome
    return json_answer({**tokens.shaped(options, token, expires), "ssl": False}, options, fields)


def _login(site: Site, asked: Asked, fields: dict[str, str]) -> tuple[str, int] | Document:
    user, password = fields.get("username", ""), fields.get("password", "")
    if not user and site.options.portal_web_tier:
        return _issue(site, asked, fields, Issued(site.options.web_tier_user, "portal", 0.0))
    if not user:
        return answers.PORTAL_NAMELESS
    if not site.accounts.log_in(user, password):
        return answers.PORTAL_WRONG_PASSWORD
    return _issue(site, asked, fields, Issued(user, "portal", 0.0))


def _exchange(site: Site, asked: Asked, fields: dict[str, str]) -> tuple[str, int] | Document:
    """A server's token for the portal's, or for whom the web tier let in. An ended one cannot be exchanged."""
    token = fields.get("token") or asked.token  # a field of this operation, however tokens are heard elsewhere
    if token or not site.options.portal_web_tier:
        held = site.holder(asked, "portal", token)
    else:
        held = Issued(site.options.web_tier_user, "portal", 0.0)
    if held is None:
        return answers.PORTAL_INVALID
    if site.options.exchange_fault == "not_federated" or not _is_ours(site, fields["serverurl"]):
        return answers.NOT_FEDERATED
    site.accounts.exchanges += 1
    return _issue(site, asked, fields, Issued(held.user, "server", 0.0, is_app=held.is_app))


def _is_ours(site: Site, url: str) -> bool:
    """The server's root or a service below it, by whatever name the client reaches it."""
    path, context = urlsplit(url).path.rstrip("/"), site.options.context
    return path == context or path.startswith(f"{context}/")


def _issue(site: Site, asked: Asked, fields: dict[str, str], whom: Issued) -> tuple[str, int]:
    options = site.options
    referer, address = tokens.binding(asked, fields)
    life = tokens.seconds(options, fields, options.portal_minutes, _DEFAULT_MINUTES)
    bound = referer if options.binds_referer else None
    return site.accounts.issue(whom.user, whom.issuer, life, bound, address=address, is_app=whom.is_app)


def _content(site: Site, asked: Asked, rest: list[str]) -> web.Response:
    """`portals/self` and items, for those who may see them."""
    held = site.holder(asked, "portal")
    if asked.token and held is None:
        return _failed(site, asked, answers.PORTAL_INVALID)
    is_signed_in = held is not None or bool(site.options.portal_web_tier)
    match rest:
        case ["portals", "self"] if site.options.portal_anonymous or is_signed_in:
            return json_answer(_self(site, held), site.options, asked.parameters)
        case ["portals", "self"]:
            return _failed(site, asked, answers.HOSTED_REQUIRED)
        case ["content", "items", item, *more] if more in ([], ["data"]):
            sharing = site.options.items.get(item)
            if sharing is None:
                return _failed(site, asked, answers.ITEM_MISSING)
            if sharing != "public" and not is_signed_in:
                return _failed(site, asked, answers.HOSTED_REQUIRED)
            is_kept_from_app = held is not None and held.is_app and not site.options.app_may
            if sharing == "unshared" or (sharing == "private" and is_kept_from_app):
                return _failed(site, asked, answers.NOT_SHARED)
            document = _data(site) if more else _item(site, item)
            return json_answer(document, site.options, asked.parameters)
        case _:
            return _failed(site, asked, answers.INVALID_URL)


def _failed(site: Site, asked: Asked, document: Document) -> web.Response:
    return json_answer(document, site.options, asked.parameters, is_error=True)


def _self(site: Site, held: Issued | None) -> Document:
    described: dict[str, Any] = {"id": "0123456789ABCDEF", "name": _NAME, "allSSL": False, "supportsOAuth": True}
    user = held.user if held is not None and not held.is_app else ""
    if site.options.portal_web_tier and not user:
        user = site.options.web_tier_user  # already signed in by the web server in front
    return {**described, "user": {"username": user}} if user else described


def _item(site: Site, item: str) -> Document:
    return {
        "id": item,
        "owner": "webmap",
        "title": _NAME,
        "type": "Map Service",
        "access": "public" if site.options.items[item] == "public" else "private",
        "url": f"{site.services_url}/Secure/City/MapServer",
    }


def _data(site: Site) -> Document:
    layer = {"id": "city", "title": _NAME, "url": f"{site.services_url}/Secure/City/MapServer"}
    return {"operationalLayers": [layer], "version": "2.29"}

"""User and password of an ArcGIS Server or portal, exchanged for tokens. Stores nothing, retries nothing.

The wire: `generateToken` takes a form by POST, answers most failures with HTTP 200, and binds the token to the
referer that was named, which must then be sent with every use.
"""

import html
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, quote_plus, urlencode

from proxy import names
from proxy.core import lifetime
from proxy.credentials.answers import GoodAnswer, read_answer
from proxy.credentials.discover import Discovery, ServerInfo, json_object
from proxy.errors import (
    CredentialMisconfigured,
    CredentialRefused,
    NotAllowed,
    ProxyError,
    TokenRejected,
    TokenUnavailable,
    UpstreamFailed,
)
from proxy.model import ArcGISCredential, Origin, Route, Secret, Server, Target
from proxy.ports import Clock, Fetcher, TokenSource, WallClock
from proxy.traffic import Answer, Audience, Token

_TIMEOUT: Final = 15.0  # seconds
_CLOCKS_AGREE: Final = 2.0  # seconds
_GENERATE: Final = "/tokens/generateToken"
_PORTAL_GENERATE: Final = "/sharing/rest/generateToken"
# Where a server that names no token service is asked in turn: 10.0 and later, 12.0, a portal
_GUESSES: Final = (_GENERATE, "/security/tokens/generateToken", _PORTAL_GENERATE)
_TEXT_ENDPOINT: Final = re.compile(r"/tokens/?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ArcGISProvider:
    """Implements `ports.TokenProvider` for one `ArcGISCredential`."""

    credential: ArcGISCredential
    route: Route
    fetcher: Fetcher
    discovery: Discovery
    clock: Clock
    wall_clock: WallClock

    def fingerprint(self) -> str:
        return self.credential.fingerprint()

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        """See `ports.TokenProvider.fetch`. A configured token service is asked as it stands; else the server says
        whether it issues tokens itself or trusts a portal's."""
        if self.credential.token_service is not None:
            return await self._log_in([self.credential.token_service], audience, None)
        info = await self._info(audience.server)
        portal = self._portal(audience.server, info)
        if portal is not None and portal != audience.server:
            return await self._exchange(portal, audience, tokens)
        return await self._log_in(self._endpoints(audience.server, info), audience, info)

    async def _info(self, server: Server) -> ServerInfo:
        try:
            return await self.discovery.info(server, self.route)
        except UpstreamFailed as error:
            raise _down(error) from None

    def _portal(self, server: Server, info: ServerInfo) -> Server | None:
        """The portal whose tokens `server` takes: the configured one, or the one it names on its own origin."""
        portal = self.credential.portal
        if info.owning_system is None:
            # One that names no token service either says nothing against the configured portal
            return portal if info.token_services is None else None
        if portal is not None:
            return portal
        self._believe(server, info.owning_system.origin, "portal", "portalUrl")
        return info.owning_system

    def _endpoints(self, server: Server, info: ServerInfo) -> list[Target]:
        """Where to log in; each further one is asked only where the one before does not exist."""
        if info.token_services is None:
            if self.credential.portal == server:
                return [server.target(_PORTAL_GENERATE)]
            guesses = [server.target(path) for path in _GUESSES]
            return [*guesses, server.target("/tokens")]
        self._believe(server, info.token_services.origin, "token service", "tokenServiceUri")
        endpoint = replace(info.token_services, query=None)
        # `…/arcgis/tokens/` is the old text service, alone before 10.0; since then the JSON one is right below it
        text = replace(endpoint, path=endpoint.path.removesuffix("/generateToken").rstrip("/"))
        if not _TEXT_ENDPOINT.search(text.path):
            return [endpoint]
        return [replace(text, path=f"{text.path}/generateToken"), text]

    def _believe(self, server: Server, origin: Origin, what: str, setting: str) -> None:
        portal = self.credential.portal
        if origin == server.origin or (portal is not None and origin == portal.origin):
            return
        raise CredentialMisconfigured(
            f"The server names a {what} on another origin ({origin}), and no password is sent there unasked.",
            f"If that is right, set {setting} on the credential.",
            slug="foreign_token_service",
        )

    async def _log_in(self, endpoints: Iterable[Target], audience: Audience, info: ServerInfo | None) -> Token:
        fields = {"username": self.credential.username}
        answer, text = Answer(404, {}, b""), False
        for endpoint in endpoints:
            text = _TEXT_ENDPOINT.search(endpoint.path) is not None
            old = {"request": "getToken"} if text else {}
            if text and audience.referer:
                old["clientid"] = f"ref.{audience.referer}"  # the binding, as releases before 10.0 call it
            form = self._form(audience, old | fields, {"password": self.credential.password})
            answer = await self._post(endpoint, form, audience)
            if answer.status not in (404, 405):
                break
        try:
            return self._token(read_answer(answer, text=text), audience, info)
        except TokenRejected:
            raise CredentialRefused("The token service wants a token to give one.") from None
        except (CredentialRefused, CredentialMisconfigured, TokenUnavailable) as error:
            raise _silenced(error, answer, self.credential.password) from None

    async def _exchange(self, portal: Server, audience: Audience, tokens: TokenSource) -> Token:
        """A portal's token for a federated server's. A portal token that has ended cannot be exchanged: it is
        dropped, and the exchange tried once more with the next one."""
        info = await self._info(portal)
        endpoint = self._endpoints(portal, info)[0] if info.token_services else portal.target(_PORTAL_GENERATE)
        for is_last in (False, True):
            held = await tokens.get(Audience(audience.credential, portal, audience.referer))
            form = self._form(
                audience, {"serverUrl": str(audience.server), "request": "getToken"}, {"token": held.value}
            )
            answer = await self._post(endpoint, form, audience)
            try:
                return self._token(read_answer(answer, text=False), audience, None)
            except TokenRejected:
                tokens.reject(held)
                if is_last:
                    break
            except (CredentialRefused, CredentialMisconfigured, TokenUnavailable) as error:
                raise _silenced(error, answer, held.value) from None
        raise TokenUnavailable("The portal does not exchange its own token.", retry_after=30)

    def _form(self, audience: Audience, fields: dict[str, str], secrets: dict[str, Secret]) -> str:
        binding = {"client": "referer", "referer": audience.referer} if audience.referer else {"client": "requestip"}
        shown = {name: secret.reveal() for name, secret in secrets.items()}
        return urlencode({"f": "json", **fields, **shown, **binding, "expiration": str(self.credential.expiration)})

    async def _post(self, endpoint: Target, form: str, audience: Audience) -> Answer:
        headers = {names.CONTENT_TYPE: names.FORM_TYPE, names.ACCEPT: "application/json, text/plain"}
        if audience.referer:
            headers[names.REFERER] = audience.referer
        try:
            return await self.fetcher.fetch(
                "POST", endpoint, route=self.route, timeout=_TIMEOUT, headers=headers, body=form.encode("ascii")
            )
        except UpstreamFailed as error:
            raise _down(error) from None
        except NotAllowed as error:
            raise CredentialMisconfigured(
                "The token service is at an address that is not allowed.", *error.details, slug=error.slug
            ) from None

    def _token(self, good: GoodAnswer, audience: Audience, info: ServerInfo | None) -> Token:
        now, wall_now = self.clock(), self.wall_clock()
        # The service's own clock counts where the two disagree; its Date has whole seconds only
        if good.server_time is not None and abs(good.server_time - wall_now) > _CLOCKS_AGREE:
            wall_now = good.server_time
        seconds = lifetime.life(
            good.expires,
            wall_now=wall_now,
            requested=self.credential.expiration * 60.0,
            short_validity=info.short_validity if info else None,
        )
        return Token(good.token, audience, now, now + seconds)


def _down(error: UpstreamFailed) -> TokenUnavailable:
    """The service is down, the credential is not wrong: a 503 that says when to come back."""
    return TokenUnavailable(error.message, *error.details, slug=error.slug, retry_after=1)


def _silenced(error: ProxyError, answer: Answer, secret: Secret) -> ProxyError:
    """`error`, less the service's own words where its answer repeats the secret it was sent."""
    plain = secret.reveal()
    forms = {plain, quote(plain, safe=""), quote_plus(plain), html.escape(plain)}
    document = json_object(answer, any_status=True)
    said = answer.body.decode("utf-8", "replace") + json.dumps(document, ensure_ascii=False)
    if not plain or not any(form in said or json.dumps(form, ensure_ascii=False)[1:-1] in said for form in forms):
        return error
    return type(error)(
        "The token service does not give a token; its words are not shown, since they repeat what must stay secret.",
        slug=error.slug,
        retry_after=error.retry_after,
    )

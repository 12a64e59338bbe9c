"""User and password of an ArcGIS Server or portal, exchanged for tokens. Stores nothing, retries nothing.

The wire: `generateToken` takes a form by POST, answers most failures with HTTP 200, and binds the token to the
referer that was named, which must then be sent with every use.
"""

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from proxy import names
from proxy.core import lifetime
from proxy.credentials.answers import GoodAnswer, read_answer
from proxy.credentials.discover import Discovery, ServerInfo
from proxy.errors import CredentialMisconfigured, CredentialRefused, TokenRejected, TokenUnavailable, UpstreamFailed
from proxy.model import Answer, ArcGISCredential, Audience, Origin, Route, Secret, Server, Target, Token
from proxy.ports import Clock, Fetcher, TokenSource, WallClock

_TIMEOUT: Final = 15.0  # seconds
_CLOCKS_AGREE: Final = 2.0  # seconds
_GENERATE: Final = "/tokens/generateToken"
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
            return await self._log_in(self.credential.token_service, audience, None)
        info = await self.discovery.info(audience.server, self.route)
        portal = self._portal(audience.server, info)
        if portal is not None and portal != audience.server:
            return await self._exchange(portal, audience, tokens)
        return await self._log_in(self._endpoint(audience.server, info), audience, info)

    def _portal(self, server: Server, info: ServerInfo) -> Server | None:
        """The portal whose tokens `server` takes: the configured one, or the one it names on its own origin."""
        if info.owning_system is None:
            return None
        portal = self.credential.portal
        if portal is not None:
            return portal
        self._believe(server, info.owning_system.origin, "portal", "portalUrl")
        return info.owning_system

    def _endpoint(self, server: Server, info: ServerInfo) -> Target:
        if info.token_services is None:
            if self.credential.portal == server:
                return server.target("/sharing/rest/generateToken")
            return server.target(_GENERATE)
        self._believe(server, info.token_services.origin, "token service", "tokenServiceUri")
        endpoint = info.token_services
        # `…/arcgis/tokens/` is the old text service; the JSON one is right below it (10.0 and later)
        return replace(endpoint, path=_TEXT_ENDPOINT.sub(_GENERATE, endpoint.path), query=None)

    def _believe(self, server: Server, origin: Origin, what: str, setting: str) -> None:
        portal = self.credential.portal
        if origin == server.origin or (portal is not None and origin == portal.origin):
            return
        raise CredentialMisconfigured(
            f"The server names a {what} on another origin ({origin}), and no password is sent there unasked.",
            f"If that is right, set {setting} on the credential.",
            slug="foreign_token_service",
        )

    async def _log_in(self, endpoint: Target, audience: Audience, info: ServerInfo | None) -> Token:
        form = self._form(audience, {"username": self.credential.username}, {"password": self.credential.password})
        answer = await self._post(endpoint, form, audience)
        text = _TEXT_ENDPOINT.search(endpoint.path) is not None
        if answer.status in (404, 405) and endpoint.path.endswith(_GENERATE) and self.credential.token_service is None:
            # Releases before 10.0 have the text service alone
            endpoint = replace(endpoint, path=endpoint.path.removesuffix("/generateToken"))
            text = True
            answer = await self._post(endpoint, f"request=getToken&{form}", audience)
        try:
            return self._token(read_answer(answer, text=text), audience, info)
        except TokenRejected:
            raise CredentialRefused("The token service wants a token to give one.") from None

    async def _exchange(self, portal: Server, audience: Audience, tokens: TokenSource) -> Token:
        """A portal's token for a federated server's. A portal token that has ended cannot be exchanged: it is
        dropped, and the exchange tried once more with the next one."""
        info = await self.discovery.info(portal, self.route)
        endpoint = self._endpoint(portal, info) if info.token_services else portal.target("/sharing/rest/generateToken")
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
            # The service is down, the credential is not wrong: a 503 that says when to come back
            raise TokenUnavailable(error.message, *error.details, slug=error.slug, retry_after=1) from None

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

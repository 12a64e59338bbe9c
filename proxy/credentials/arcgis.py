"""User and password of an ArcGIS Server or portal: a login, or a login and an exchange. Asks through `service.py`."""

import re
from dataclasses import dataclass, replace
from typing import Final

from proxy.credentials.binding import is_online, see_to_it
from proxy.credentials.challenges import closed, nowhere, wants_login
from proxy.credentials.discover import ServerInfo
from proxy.credentials.service import PORTAL_GENERATE, TokenService, binding
from proxy.errors import CredentialMisconfigured, CredentialRefused, TokenRejected
from proxy.identity import ArcGISCredential
from proxy.ports import TokenSource
from proxy.secret import fingerprint
from proxy.traffic import Answer, Audience, Token
from proxy.urls import Origin, Server, Target

# Where a server that names no token service is asked in turn: 10.0 and later, 12.0, a portal
_GUESSES: Final = ("/tokens/generateToken", "/security/tokens/generateToken", PORTAL_GENERATE)
_TEXT_ENDPOINT: Final = re.compile(r"/tokens/?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ArcGISProvider:
    """Implements `ports.TokenProvider` for one `ArcGISCredential`."""

    credential: ArcGISCredential
    service: TokenService

    def fingerprint(self) -> str:
        return fingerprint(self.credential)

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        """See `ports.TokenProvider.fetch`. A configured token service is asked as it stands; else the server says
        whether it issues tokens itself or trusts a portal's."""
        see_to_it(self.credential, audience)
        if self.credential.token_service is not None:
            return await self._log_in([self.credential.token_service], audience, None)
        info = await self.service.site(audience)
        portal = self._portal(audience.server, info)
        if portal is not None and portal != audience.server:
            return await self.service.through_portal(portal, audience, tokens)
        if info.token_services is None:
            self._see_why(info)
        return await self._log_in(self._endpoints(audience.server, info), audience, info)

    def _see_why(self, info: ServerInfo) -> None:
        """Raises where a server says nothing of tokens and there is a reason: no password is sent on a guess then."""
        if info.logins:
            raise wants_login(info.logins)
        if info.refusal is not None:
            raise closed(info.refusal)
        if info.is_wrong_url:
            raise nowhere()

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
                return [server.target(PORTAL_GENERATE)]
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
        if is_online(origin) and is_online(server.origin):
            return  # the operator lists an ArcGIS Online server: its accounts are ArcGIS Online's
        raise CredentialMisconfigured(
            f"The server names a {what} on another origin ({origin}), and no password is sent there unasked.",
            f"If that is right, set {setting} on the credential.",
            slug="foreign_token_service",
        )

    async def _log_in(self, endpoints: list[Target], audience: Audience, info: ServerInfo | None) -> Token:
        password = self.credential.password
        endpoint, answer, text = endpoints[0], Answer(404, {}, b""), False
        for endpoint in endpoints:
            text = _TEXT_ENDPOINT.search(endpoint.path) is not None
            fields = {"username": self.credential.username, **binding(audience)}
            if text:
                fields["request"] = "getToken"
                if audience.referer:
                    fields["clientid"] = f"ref.{audience.referer}"  # the binding, as releases before 10.0 call it
            secrets = {"password": password}
            answer = await self.service.post(endpoint, fields, secrets, referer=audience.referer)
            if answer.status not in (404, 405):
                break
        validity = info.short_validity if info else None
        try:
            return self.service.read(answer, audience, password, at=endpoint, text=text, validity=validity)
        except TokenRejected:
            raise CredentialRefused("The token service wants a token to give one.") from None

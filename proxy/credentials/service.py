"""Asks token services: what all credentials that become tokens have in common. Stores nothing, retries nothing.

The wire: a form by POST, answered with HTTP 200 whatever became of it; the token is bound to the referer that was
named, which must then be sent with every use.
"""

import html
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_plus, urlencode

from proxy import names
from proxy.core import lifetime
from proxy.core.redact import whole_without
from proxy.credentials.answers import GoodAnswer, read_answer
from proxy.credentials.binding import is_online
from proxy.credentials.challenges import WEB_LOGIN, in_front_of
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
from proxy.identity import Route
from proxy.ports import Clock, Fetcher, TokenSource, WallClock
from proxy.secret import Secret
from proxy.traffic import Answer, Audience, Token
from proxy.upstream.conceal import secrets_of_identity
from proxy.urls import Server, Target

PORTAL_GENERATE: Final = "/sharing/rest/generateToken"
NO_SITE: Final = "no_site"
_TIMEOUT: Final = 15.0  # seconds
_MOST_ENCODINGS: Final = 3  # one over the other
_CLOCKS_AGREE: Final = 2.0  # seconds


@dataclass(frozen=True, slots=True)
class TokenService:
    """What a provider asks with. `routes` leads to a target; `expiration` is the life asked for, in minutes."""

    fetcher: Fetcher
    discovery: Discovery
    clock: Clock
    wall_clock: WallClock
    routes: Callable[[Target], Route]
    expiration: int

    async def info(self, server: Server) -> ServerInfo:
        """What `server` says about itself. Raises TokenUnavailable where it cannot be asked, or UpstreamTimeout."""
        try:
            return await self.discovery.info(server, self.routes(server.target("/")))
        except UpstreamFailed as error:
            raise _down(error) from None
        except NotAllowed as error:
            raise _not_reached(error) from None

    async def site(self, audience: Audience) -> ServerInfo:
        """What the server of `audience` says about itself. Raises as `info`, and CredentialMisconfigured where a client
        alone says that there is a site and no site says so itself: it may be somebody's page, made to be asked."""
        info = await self.info(audience.server)
        if audience.is_guess and not info.is_of_a_site:
            raise CredentialMisconfigured(
                "This URL is on no ArcGIS site that answers as one, so nobody signs in there.",
                "Write a rule for the site itself, such as https://gis.example.com/arcgis.",
                slug=NO_SITE,
            )
        return info

    async def post(
        self, endpoint: Target, fields: Mapping[str, str], secrets: Mapping[str, Secret], *, referer: str
    ) -> Answer:
        """One question. Raises TokenUnavailable, UpstreamTimeout, CredentialMisconfigured or CredentialRefused."""
        shown = {name: secret.reveal() for name, secret in secrets.items()}
        form = urlencode({"f": "json", **fields, **shown, "expiration": str(self.expiration)})
        headers = {names.CONTENT_TYPE: names.FORM_TYPE, names.ACCEPT: "application/json, text/plain"}
        if referer:
            headers[names.REFERER] = referer
        route = self.routes(endpoint)
        try:
            return await self.fetcher.fetch(
                "POST", endpoint, route=route, timeout=_TIMEOUT, headers=headers, body=form.encode("ascii")
            )
        except UpstreamFailed as error:
            raise _down(error) from None
        except NotAllowed as error:
            raise _not_reached(error) from None

    def read(
        self,
        answer: Answer,
        audience: Audience,
        secret: Secret | None,
        *,
        text: bool = False,
        at: Target | None = None,
        what: str = "user name or password",
        setting: str = "tokenServiceUri",
        validity: float | None = None,
    ) -> Token:
        """The token in `answer`. `secret` is what was sent `at` a target, beside its route's own: words that repeat one
        are not passed on. `what` is how an operator knows it, `setting` where the address is written; `validity` the
        server's own word on the life of its tokens, in seconds.

        Raises as `answers.read_answer`.
        """
        try:
            return self._token(read_answer(answer, text=text, what=what, setting=setting), audience, validity)
        except (CredentialRefused, CredentialMisconfigured, TokenUnavailable) as error:
            identity = self.routes(at or audience.server.target("/")).identity
            sent = (secret.reveal(),) if secret is not None else ()
            raise _silenced(error, answer, (*sent, *secrets_of_identity(identity))) from None

    async def exchange(self, portal: Server, audience: Audience, held: Token | None) -> Token:
        """A federated server's token for the portal's, or for whom the portal's web server knows us as.

        Raises TokenRejected (498: the portal's token has ended), or as `post` and `read`.
        """
        fields = {"serverUrl": str(audience.server), "request": "getToken", **binding(audience)}
        secrets = {names.TOKEN: held.value} if held is not None else {}
        endpoint = await self._exchange_endpoint(portal)
        answer = await self.post(endpoint, fields, secrets, referer=audience.referer)
        try:
            if held is None:
                return self.read(answer, audience, None, at=endpoint, what="login", setting="portalUrl")
            return self.read(answer, audience, held.value, at=endpoint, what="portal token", setting="portalUrl")
        except CredentialRefused as error:
            # The portal knows us: what it refuses is this server
            raise CredentialMisconfigured(
                f"The portal gives no token for this server. {error.message}",
                "Is the server federated with this portal, and may the user see it?",
                slug="not_federated",
            ) from None

    async def through_portal(self, portal: Server, audience: Audience, tokens: TokenSource) -> Token:
        """The portal's token, exchanged. One that has ended cannot be: it is dropped, and the exchange tried once
        more with the next. ArcGIS Online's own servers take its tokens as they are."""
        if audience.is_guess:
            await self.site(audience)
        for _ in range(2):
            held = await self._of_portal(portal, audience, tokens)
            if is_online(portal.origin) and is_online(audience.server.origin):
                return Token(held.value, audience, held.obtained_at, held.expires_at)
            try:
                return await self.exchange(portal, audience, held)
            except TokenRejected:
                tokens.reject(held)
        raise TokenUnavailable("The portal does not exchange its own token.", retry_after=30)

    async def _of_portal(self, portal: Server, audience: Audience, tokens: TokenSource) -> Token:
        try:
            return await tokens.get(Audience(audience.credential, portal, audience.referer))
        except CredentialMisconfigured as error:
            raise (in_front_of(portal, error) if error.slug == WEB_LOGIN else error) from None

    async def _exchange_endpoint(self, portal: Server) -> Target:
        """As the portal names it, if on its own origin: what it names elsewhere gets no token."""
        info = await self.info(portal)
        named = info.token_services
        if named is None or named.origin != portal.origin:
            return portal.target(PORTAL_GENERATE)
        return Target(named.origin, named.path)

    def _token(self, good: GoodAnswer, audience: Audience, validity: float | None) -> Token:
        now, wall_now = self.clock(), self.wall_clock()
        # The service's own clock counts where the two disagree; its Date has whole seconds only
        if good.server_time is not None and abs(good.server_time - wall_now) > _CLOCKS_AGREE:
            wall_now = good.server_time
        seconds = lifetime.life(
            good.expires,
            wall_now=wall_now,
            requested=self.expiration * 60.0,
            short_validity=good.seconds if good.seconds is not None else validity,
        )
        return Token(good.token, audience, now, now + seconds)


def binding(audience: Audience) -> dict[str, str]:
    """The fields that bind a token to the referer, or to our address where none is sent."""
    if not audience.referer:
        return {"client": "requestip"}
    return {"client": "referer", "referer": audience.referer}


def _down(error: UpstreamFailed) -> TokenUnavailable:
    """The service is down, the credential is not wrong: a 503 that says when to come back."""
    return TokenUnavailable(
        error.message.replace("The server", "The token service", 1), *error.details, slug=error.slug, retry_after=1
    )


def _not_reached(error: NotAllowed) -> CredentialMisconfigured:
    """A 502, not a 403: nobody's request was denied, the proxy's own was."""
    what = "The token service is at an address that is not allowed."
    if error.slug != "address":
        what = "The web server in front of the token service denies it to the proxy's login."
    return CredentialMisconfigured(what, *error.details, slug=error.slug)


def _silenced(error: ProxyError, answer: Answer, secrets: tuple[str, ...]) -> ProxyError:
    """`error`, less the service's own words where its answer repeats what it was sent: a word in part is a secret in
    part, so none is shown."""
    if not any(_holds(reading.encode("utf-8", "replace"), secrets) for reading in _readings(answer)):
        return error
    return type(error)(
        "The token service does not give a token; its words are not shown, since they repeat what must stay secret.",
        slug=error.slug,
        retry_after=error.retry_after,
    )


def _holds(text: bytes, secrets: tuple[str, ...]) -> bool:
    # of the short ones only the plain form is known there
    return whole_without(text, secrets)[1] > 0 or any(secret.encode() in text for secret in secrets if secret)


def _readings(answer: Answer) -> Iterator[str]:
    """What is said, in either charset, as it stands in JSON, and with its encodings taken off one by one."""
    document = json.dumps(json_object(answer, any_status=True), ensure_ascii=False)
    for text in (answer.body.decode("utf-8", "replace"), answer.body.decode("latin-1"), document):
        for _ in range(_MOST_ENCODINGS):
            yield text
            yield html.unescape(text)
            yield unquote_plus(text)
            text = unquote(html.unescape(text.replace("\\\\", "\\")))

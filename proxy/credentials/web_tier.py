"""Who the proxy is to the web server in front of ArcGIS: static headers, and HTTP logins with their hold-off.

Stands between the path and the transport, so that token services, discovery and maps are all asked with it. How a
scheme signs in is in `digest.py` and `windows.py`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cachetools import LRUCache

from proxy import names
from proxy.core import standing
from proxy.core.challenge import parse_challenges
from proxy.core.inject import identify
from proxy.core.standing import Standing
from proxy.credentials.digest import DigestSession
from proxy.credentials.windows import NO_TICKET, WindowsSession
from proxy.errors import CredentialMisconfigured, CredentialRefused, ProxyError, UpstreamTimeout
from proxy.model import HttpLogin, Identity, Origin, Route, Scheme
from proxy.ports import Clock, Transport, Upstream
from proxy.traffic import Outgoing, Reply

_MOST_ACCOUNTS: Final = 10_000  # a wildcard rule makes one of each host
_LOGINS: Final = {scheme.value.lower(): scheme for scheme in Scheme}


@dataclass(slots=True)
class _Account:
    """One login at one origin."""

    session: Upstream
    standing: Standing = field(default_factory=Standing)
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    error: ProxyError | None = None


class WebTier:
    """Implements `ports.Upstream`. `observe(event, credential, where)` is told of: obtained, refused."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        observe: Callable[[str, str, str], None] = lambda event, credential, where: None,
    ) -> None:
        self._transport, self._clock, self._observe = transport, clock, observe
        self._accounts: LRUCache[tuple[Identity, Origin], _Account] = LRUCache(_MOST_ACCOUNTS)

    async def send(self, outgoing: Outgoing) -> Reply:
        """See `ports.Upstream.send`. Raises CredentialRefused or CredentialMisconfigured besides."""
        identity = outgoing.route.identity
        if identity is None:
            return await self._transport.send(outgoing)
        outgoing = identify(outgoing, identity)
        if identity.login is None:
            return await self._transport.send(outgoing)
        account = self._account(identity, identity.login, outgoing.target.origin)
        if standing.goes_alone(account.standing):
            try:
                async with asyncio.timeout(_patience(outgoing.route)):
                    await account.alone.acquire()
            except TimeoutError:
                raise UpstreamTimeout("The server did not answer in time to the first login.") from None
            try:
                # Those before may have proven it meanwhile, and then nobody has to queue
                if standing.goes_alone(account.standing):
                    return await self._try(account, identity, identity.login, outgoing)
            finally:
                account.alone.release()
        return await self._try(account, identity, identity.login, outgoing)

    def snapshot(self) -> list[dict[str, object]]:
        """What the status page shows of each login, in the columns of `TokenStore.snapshot`."""
        now = self._clock()
        return [
            {
                "credential": identity.credential,
                "server": str(origin),
                "state": "held off"
                if standing.is_resting(account.standing, now)
                else "good"
                if account.standing.is_proven
                else "none",
                "secondsLeft": None,
                "place": identity.login.scheme.value if identity.login else None,
                "problem": account.error.message if account.error else None,
            }
            for (identity, origin), account in self._accounts.items()
        ]

    def _account(self, identity: Identity, login: HttpLogin, origin: Origin) -> _Account:
        account = self._accounts.get((identity, origin))
        if account is None:
            account = self._accounts[identity, origin] = _Account(self._session(login))
        return account

    def _session(self, login: HttpLogin) -> Upstream:
        match login.scheme:
            case Scheme.BASIC:
                return self._transport
            case Scheme.DIGEST:
                return DigestSession(login, self._transport)
            case _:
                return WindowsSession(login, self._transport)

    async def _try(self, account: _Account, identity: Identity, login: HttpLogin, outgoing: Outgoing) -> Reply:
        now = self._clock()
        if standing.is_resting(account.standing, now):
            error = account.error or _refused()
            raise type(error)(
                error.message, *error.details, slug=error.slug, retry_after=account.standing.held_until - now
            )
        try:
            reply = await account.session.send(outgoing)
            if reply.status == names.CODE_UNAUTHORIZED:
                reply.close()
                raise _not_taken(login.scheme, reply) or _refused()
        except (CredentialRefused, CredentialMisconfigured) as error:
            account.error = error
            if error.slug != NO_TICKET:  # nothing was tried, and a ticket may come any moment
                account.standing = standing.refused(account.standing, self._clock())
            self._observe("refused", identity.credential, str(outgoing.target.origin))
            raise
        if not account.standing.is_proven:
            self._observe("obtained", identity.credential, str(outgoing.target.origin))
        account.standing, account.error = standing.passed(account.standing), None
        return reply


def challenged(reply: Reply, *, with_headers: bool) -> ProxyError | None:
    """What a 401 means on a rule whose credential is no HTTP login: a web server asks for one, or does not take the
    static headers; None where it says nothing of the kind."""
    offered = _offered(reply)
    if offered:
        kinds = ", ".join(sorted(offered))
        return CredentialMisconfigured(
            f"The web server in front asks for a login of its own ({kinds}).",
            f"Set the type of the credential to {min(offered).lower()}.",
            slug="credential_misconfigured",
        )
    if with_headers:
        return CredentialRefused(
            "The server in front refuses the headers that the credential sends.", "Correct them in proxy.yaml."
        )
    return None


def _offered(reply: Reply) -> set[str]:
    asked = parse_challenges(reply.headers.get(names.WWW_AUTHENTICATE, ""))
    return {_LOGINS[each.scheme].value for each in asked if each.scheme in _LOGINS}


def _not_taken(scheme: Scheme, reply: Reply) -> ProxyError | None:
    offered = _offered(reply)
    is_windows = scheme in (Scheme.NTLM, Scheme.NEGOTIATE) and offered & {Scheme.NTLM.value, Scheme.NEGOTIATE.value}
    if not offered or scheme.value in offered or is_windows:
        return None
    kinds = ", ".join(sorted(offered))
    return CredentialMisconfigured(
        f"The web server does not take {scheme.value}; it offers {kinds}.",
        f"Set the type of the credential to {min(offered).lower()}.",
    )


def _refused() -> CredentialRefused:
    return CredentialRefused(
        "The web server refuses the proxy's user name or password.",
        "Correct the credential in proxy.yaml; until then it is not tried again at once, since accounts lock.",
    )


def _patience(route: Route) -> float:
    return route.connect_timeout + route.header_timeout

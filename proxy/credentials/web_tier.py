"""Who the proxy is to the web server in front of ArcGIS: static headers, and HTTP logins with their hold-off.

Stands between the path and the transport, so that token services, discovery and maps are all asked with it. How a
scheme signs in is in `digest.py` and `windows.py`, what a refusal is called in `challenges.py`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final, NoReturn

from cachetools import LRUCache

from proxy import names
from proxy.core import standing
from proxy.core.inject import identify
from proxy.core.standing import Standing
from proxy.credentials.accord import Accord
from proxy.credentials.challenges import NO_TICKET, denied, not_taken, refused
from proxy.credentials.digest import DigestSession
from proxy.errors import CredentialMisconfigured, CredentialRefused, ProxyError, UpstreamTimeout
from proxy.identity import HttpLogin, Identity, Route, Scheme
from proxy.ports import Clock, Commons, Transport, Upstream
from proxy.secret import fingerprint
from proxy.traffic import Body, Outgoing, Reply
from proxy.urls import Origin, Target

_MOST_ACCOUNTS: Final = 10_000  # a wildcard rule makes one of each host
_MOST_PASSED, _MOST_REFUSED = 4, 1024  # pages
_PAGE_REST: Final = 60.0  # seconds; rights are given, too

_Page = tuple[Origin, str]  # a path, whatever its query: web servers give rights to paths


@dataclass(frozen=True, slots=True)
class _Session:
    upstream: Upstream
    credential: str  # the first that used it, for the status page


class _DoubtedError(Exception):
    """The login is in doubt by now: whoever has not been sent yet waits."""


@dataclass(slots=True)
class _Account:
    """One login at one origin; of a Windows domain at all of them, for there it is one account that locks."""

    accord: Accord
    standing: Standing = field(default_factory=Standing)
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    error: ProxyError | None = None
    sessions: LRUCache[tuple[Scheme, Origin], _Session] = field(default_factory=lambda: LRUCache(_MOST_ACCOUNTS))
    passed: dict[_Page, tuple[Target, Route]] = field(default_factory=dict)  # a few, to ask again when in doubt
    confirmed: int = 0  # how often one of them took a doubt away
    refused: LRUCache[_Page, tuple[float, ProxyError]] = field(default_factory=lambda: LRUCache(_MOST_REFUSED))

    @property
    def is_doubted(self) -> bool:
        """Whether only one request at a time may go out, or it is just being asked why one was refused."""
        return self.alone.locked() or standing.goes_alone(self.standing)

    def check(self) -> None:
        """See `traffic.Outgoing`."""
        if self.is_doubted:
            raise _DoubtedError


class WebTier:
    """Implements `ports.Upstream`. `observe(event, credential, where)` is told of: obtained, refused."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        observe: Callable[[str, str, str], None] = lambda event, credential, where: None,
        commons: Commons | None = None,
    ) -> None:
        """`commons` is what is known together with other processes and machines."""
        self._transport, self._clock, self._observe, self._commons = transport, clock, observe, commons
        self._accounts: LRUCache[tuple[object, ...], _Account] = LRUCache(_MOST_ACCOUNTS)

    def send(self, outgoing: Outgoing) -> Coroutine[None, None, Reply]:
        """See `ports.Upstream.send`. Raises CredentialRefused or CredentialMisconfigured besides, and NotAllowed (slug
        `denied`) for what a good login may not see."""
        identity = outgoing.route.identity
        return self._transport.send(outgoing) if identity is None else self._sent_as(identity, outgoing)

    async def _sent_as(self, identity: Identity, outgoing: Outgoing) -> Reply:
        outgoing = identify(outgoing, identity)
        login = identity.login
        if login is None:
            return await self._transport.send(outgoing)
        account = self._account(login, outgoing.target.origin)
        while True:
            self._check(account, outgoing.target)
            if account.is_doubted:
                reply = await self._alone(account, identity, login, outgoing)
            else:
                reply = await self._among_others(account, identity, login, outgoing)
            if reply is not None:
                return reply

    async def _alone(self, account: _Account, identity: Identity, login: HttpLogin, outgoing: Outgoing) -> Reply | None:
        """None where those before have proven it meanwhile: then nobody has to queue."""
        async with self._turn(account, outgoing.route):
            self._check(account, outgoing.target)
            if not standing.goes_alone(account.standing):
                return None
            reply = await self._try(account, identity, login, outgoing)
            if reply.status == names.CODE_UNAUTHORIZED:
                await self._explain(account, identity, login, outgoing.target, reply, account.confirmed)
            return reply

    async def _among_others(
        self, account: _Account, identity: Identity, login: HttpLogin, outgoing: Outgoing
    ) -> Reply | None:
        """None where it was not sent: while it waited for a connection, another one was refused."""
        confirmed = account.confirmed
        try:
            reply = await self._try(account, identity, login, replace(outgoing, check=account.check))
        except _DoubtedError:
            return None
        if reply.status == names.CODE_UNAUTHORIZED:
            async with self._turn(account, outgoing.route):
                self._check(account, outgoing.target)
                await self._explain(account, identity, login, outgoing.target, reply, confirmed)
        return reply

    def snapshot(self) -> list[dict[str, object]]:
        """What the status page shows of each login, in the columns of `TokenStore.snapshot`."""
        now = self._clock()
        return [
            {
                "credential": session.credential,
                "server": str(origin),
                "state": "held off"
                if standing.is_resting(account.standing, now)
                else "good"
                if account.standing.is_proven
                else "none",
                "secondsLeft": None,
                "place": scheme.value,
                "problem": account.error.message if account.error else None,
            }
            for account in self._accounts.values()
            for (scheme, origin), session in account.sessions.items()
        ]

    def _account(self, login: HttpLogin, origin: Origin) -> _Account:
        """The same for all rules with this login, whatever headers or certificates they have besides. A machine's own
        ticket has no password that could lock it."""
        key: tuple[object, ...] = (login, origin)
        if login.scheme.is_windows and login.username:
            key = (login.username.casefold(), login.domain.casefold(), login.password)
        account = self._accounts.get(key)
        if account is None:
            # A machine's own ticket is nobody else's
            commons = self._commons if login.username else None
            account = self._accounts[key] = _Account(Accord(commons, ("login", fingerprint(key))))
        return account

    def _session(self, account: _Account, identity: Identity, login: HttpLogin, origin: Origin) -> Upstream:
        session = account.sessions.get((login.scheme, origin))
        if session is None:
            session = _Session(self._new_session(login), identity.credential)
            account.sessions[login.scheme, origin] = session
        return session.upstream

    def _new_session(self, login: HttpLogin) -> Upstream:
        match login.scheme:
            case Scheme.BASIC:
                return self._transport
            case Scheme.DIGEST:
                return DigestSession(login, self._transport)
            case _:
                # Only where it is needed: the libraries of Windows' logins take as much memory as all of ours
                from proxy.credentials.windows import WindowsSession

                return WindowsSession(login, self._transport)

    @asynccontextmanager
    async def _turn(self, account: _Account, route: Route) -> AsyncIterator[None]:
        """One at a time, of all that share: many would be as many wrong passwords. What others found out meanwhile is
        how the account stands."""
        try:
            async with asyncio.timeout(route.connect_timeout + route.header_timeout):
                await account.alone.acquire()
                try:
                    account.standing, error = await account.accord.begin(account.standing, self._clock())
                except BaseException:
                    account.alone.release()
                    raise
        except TimeoutError:
            raise UpstreamTimeout("The server did not answer in time to the first login.") from None
        account.error = error or account.error
        try:
            yield
        finally:
            try:
                await account.accord.end(account.standing, self._clock(), account.error)
            finally:
                account.alone.release()

    def _check(self, account: _Account, target: Target) -> None:
        """Raises where there is nothing to try."""
        now = self._clock()
        if standing.is_resting(account.standing, now):
            raise _again(account.error or refused(), account.standing.held_until - now)
        if account.refused:
            until, error = account.refused.get(_page(target), (0.0, None))
            if error is not None and now < until:
                raise _again(error, until - now)

    async def _try(self, account: _Account, identity: Identity, login: HttpLogin, outgoing: Outgoing) -> Reply:
        """The answer; closed where it has status 401, for `_explain`."""
        target = outgoing.target
        try:
            reply = await self._session(account, identity, login, target.origin).send(outgoing)
        except (CredentialRefused, CredentialMisconfigured) as error:
            self._refuse(account, identity, target, error)
            raise
        if reply.status == names.CODE_UNAUTHORIZED:
            reply.close()
        elif reply.status < 500 and (reply.is_signed_in or login.scheme is Scheme.BASIC):
            # What nobody had to sign in for proves nothing, and neither does a balancer whose servers start anew
            if not account.standing.is_proven:
                self._observe("obtained", identity.credential, str(target.origin))
            account.standing, account.error = standing.passed(account.standing), None
            if outgoing.method == "GET" and (len(account.passed) < _MOST_PASSED or _page(target) in account.passed):
                account.passed[_page(target)] = target, outgoing.route
        return reply

    async def _explain(
        self, account: _Account, identity: Identity, login: HttpLogin, target: Target, reply: Reply, confirmed: int
    ) -> NoReturn:
        """Raises what a 401 means; called by one at a time. A proven login that is refused for one page alone, and
        taken elsewhere, lacks a right: were that a wrong password, anybody could have it rest for all. `confirmed` is
        the account's when the request went out."""
        is_good: bool | None = None
        if account.confirmed > confirmed:
            is_good = True
        elif account.standing.is_proven:
            is_good = await self._is_taken_elsewhere(account, target)
            account.confirmed += is_good is True
        if is_good:
            account.standing = standing.passed(account.standing)
            account.passed.pop(_page(target), None)
        error = denied() if is_good else not_taken(login, reply) or refused()
        if not is_good:
            self._refuse(account, identity, target, error, is_certain=is_good is False)
        if _page(target) not in account.passed:
            # The same page over and over says nothing about the others
            account.refused[_page(target)] = self._clock() + _PAGE_REST, error
        raise error

    async def _is_taken_elsewhere(self, account: _Account, refused: Target) -> bool | None:
        """Whether a page that passed earlier passes again: the one try that may be in vain. None where there is none
        that asks for a login, which is found out without one."""
        for page, (target, route) in list(account.passed.items()):
            identity = route.identity
            if page == _page(refused) or identity is None or identity.login is None:
                continue
            bare = Outgoing("GET", target, {names.ACCEPT: "*/*"}, Body(), route)
            session = self._session(account, identity, identity.login, target.origin)
            try:
                status = await _status(self._transport, identify(bare, replace(identity, login=None)))
                if status < 500 and status != names.CODE_UNAUTHORIZED:
                    del account.passed[page]
                    continue
                status = await _status(session, identify(bare, identity)) if status < 500 else status
            except (CredentialRefused, CredentialMisconfigured):
                return False
            except ProxyError:
                return None
            return status != names.CODE_UNAUTHORIZED if status < 500 else None
        return None

    def _refuse(
        self, account: _Account, identity: Identity, target: Target, error: ProxyError, *, is_certain: bool = False
    ) -> None:
        account.error = error
        if error.slug != NO_TICKET:  # nothing was tried, and a ticket may come any moment
            account.standing = standing.refused(account.standing, self._clock(), is_certain=is_certain)
        self._observe("refused", identity.credential, str(target.origin))


def _again(error: ProxyError, seconds: float) -> ProxyError:
    return type(error)(error.message, *error.details, slug=error.slug, retry_after=seconds)


async def _status(upstream: Upstream, outgoing: Outgoing) -> int:
    reply = await upstream.send(outgoing)
    reply.close()
    return reply.status


def _page(target: Target) -> _Page:
    return target.origin, target.path

"""Who the proxy is to the web server in front of ArcGIS: static headers, and HTTP logins with their hold-off.

Stands between the path and the transport, so that token services, discovery and maps are all asked with it. How a
scheme signs in is in `digest.py` and `windows.py`, what a refusal is called in `challenges.py`, and what is known of a
login in `account.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from cachetools import LRUCache

from proxy import names
from proxy.core import standing
from proxy.core.inject import identify
from proxy.core.standing import Standing
from proxy.credentials.accord import LOGIN, Accord
from proxy.credentials.account import MOST_ACCOUNTS, Account, DoubtedError, Key, Known, Page, key_of
from proxy.credentials.basic import BasicSession
from proxy.credentials.challenges import NO_TICKET, denied, not_taken, refused
from proxy.credentials.digest import DigestSession
from proxy.credentials.drain import drain
from proxy.errors import CredentialMisconfigured, CredentialRefused, ProxyError
from proxy.identity import HttpLogin, Identity, Scheme
from proxy.model import Rule
from proxy.ports import Clock, Commons, Session, Transport
from proxy.secret import fingerprint
from proxy.traffic import Body, Outgoing, Reply, Topic, Word
from proxy.urls import Origin, Target

_READ: Final = 1.0  # seconds for an answer that nobody waits for

_Send = Callable[[Outgoing], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class _Who:
    """As whom something is asked."""

    account: Account
    identity: Identity
    login: HttpLogin


class WebTier:
    """Implements `ports.Upstream`. `observe(event, credential, where)` is told of: obtained, refused."""

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        observe: Callable[[str, str, str], None] = lambda event, credential, where: None,
        commons: Commons | None = None,
        rules: Callable[[], Iterable[Rule]] = tuple,
    ) -> None:
        """`commons` is what is known together with other processes and machines; on the own URLs of `rules` a login is
        tried first."""
        self._transport, self._clock, self._observe, self._commons = transport, clock, observe, commons
        self._rules = rules
        self._accounts: LRUCache[Key, Account] = LRUCache(MOST_ACCOUNTS)

    def send(self, outgoing: Outgoing) -> Coroutine[None, None, Reply]:
        """See `ports.Upstream.send`. Raises CredentialRefused or CredentialMisconfigured besides, and NotAllowed (slug
        `denied`) for what a good login may not see."""
        identity = outgoing.route.identity
        return self._transport.send(outgoing) if identity is None else self._sent_as(identity, outgoing)

    def heard(self, topic: Topic, word: Word) -> None:
        """What another process has found out of a login: it is not tried here as well."""
        for account in self._accounts.values():
            if account.accord.topic == topic:
                account.hear(word)

    async def _sent_as(self, identity: Identity, outgoing: Outgoing) -> Reply:
        outgoing = identify(outgoing, identity)
        who = self._who(identity, outgoing.target.origin)
        if who is None:
            return await self._transport.send(outgoing)
        while True:
            who.account.check_rest(outgoing.target)
            send = self._alone if who.account.is_doubted else self._among_others
            reply = await send(who, outgoing)
            if reply is not None:
                return reply

    async def _alone(self, who: _Who, outgoing: Outgoing) -> Reply | None:
        """None where the login has been proven, here or by those before: then nobody has to queue. Where no page tells
        how it stands, it is the client's own that proves or refuses it."""
        account = who.account
        async with account.turn(outgoing.route):
            account.check_rest(outgoing.target)
            if not standing.goes_alone(account.standing) or await self._is_good(account, outgoing.target):
                return None
            session = self._session(who, outgoing.target.origin)
            reply = await self._try(who, outgoing, session.send_anew)
            if reply.status == names.CODE_UNAUTHORIZED:
                raise self._refused(who, outgoing.target, reply)
            return reply

    async def _among_others(self, who: _Who, outgoing: Outgoing) -> Reply | None:
        """None where it was not sent: while it waited for a connection, another one was refused. A proven login that
        is refused for one page alone lacks a right: were that a wrong password, anybody could have it rest for all."""
        account, target = who.account, outgoing.target
        confirmed = account.confirmed
        try:
            session = self._session(who, target.origin)
            reply = await self._try(who, replace(outgoing, check=account.check), session.send)
        except DoubtedError:
            return None
        if reply.status != names.CODE_UNAUTHORIZED:
            return reply
        async with account.turn(outgoing.route):
            account.check_rest(target)
            if account.confirmed > confirmed or await self._is_good(account, target):
                raise self._denied(who, target)
            raise self._refused(who, target, reply)

    async def _is_good(self, account: Account, but: Target) -> bool:
        """Whether a page that tells (`Account.telling`) takes the login; False where none says anything. Raises where
        it is refused: the one try that may be in vain."""
        for page in account.telling(self._rules(), but):
            who = self._who(page.identity, page.target.origin)
            if who is None:
                continue
            asked = identify(Outgoing("GET", page.target, {names.ACCEPT: "*/*"}, Body(), page.route), page.identity)
            try:
                session = self._session(who, page.target.origin)
                reply = await self._try(who, asked, session.prove, is_telling=True)
            except (CredentialRefused, CredentialMisconfigured):
                raise
            except ProxyError:
                return False
            if reply.status == names.CODE_UNAUTHORIZED:
                raise self._refused(who, page.target, reply, is_telling=True)
            with suppress(ProxyError, TimeoutError):
                async with asyncio.timeout(_READ):
                    await drain(reply)
            if reply.status < 500 and reply.is_signed_in:
                self._passed(who, page.target, page.name if page.is_own else "")
                account.confirmed += 1
                return True
            if reply.status < 500:
                account.tells_nothing(page)
        return False

    def snapshot(self) -> list[dict[str, object]]:
        """What the status page shows of each login, in the columns of `TokenStore.snapshot`."""
        now = self._clock()
        return [
            {
                "credential": session.credential,
                "server": str(origin),
                "state": _state_of(account.standing, now),
                "secondsLeft": None,
                "triesAgainIn": round(account.standing.held_until - now)
                if standing.is_resting(account.standing, now)
                else None,
                "place": scheme.value,
                "problem": account.error.message if account.error else None,
            }
            for account in self._accounts.values()
            for (scheme, origin), session in account.sessions.items()
        ]

    def _who(self, identity: Identity, origin: Origin) -> _Who | None:
        """None where no login is configured."""
        login = identity.login
        if login is None:
            return None
        key = key_of(login, origin)
        account = self._accounts.get(key)
        if account is None:
            # A machine's own ticket is nobody else's
            commons = self._commons if login.username else None
            accord = Accord(commons, (LOGIN, fingerprint(key)))
            account = self._accounts[key] = Account(key, accord, self._clock)
        return _Who(account, identity, login)

    def _session(self, who: _Who, origin: Origin) -> Session:
        sessions, which = who.account.sessions, (who.login.scheme, origin)
        known = sessions.get(which)
        if known is None:
            known = sessions[which] = Known(self._new_session(who.login), who.identity.credential)
        return known.session

    def _new_session(self, login: HttpLogin) -> Session:
        match login.scheme:
            case Scheme.BASIC:
                return BasicSession(self._transport)
            case Scheme.DIGEST:
                return DigestSession(login, self._transport)
            case _:
                # Only where it is needed: the libraries of Windows' logins take as much memory as all of ours
                from proxy.credentials.windows import WindowsSession

                return WindowsSession(login, self._transport)

    async def _try(self, who: _Who, outgoing: Outgoing, send: _Send, *, is_telling: bool = False) -> Reply:
        """The answer; closed where it has status 401, which the caller explains."""
        account, target = who.account, outgoing.target
        try:
            reply = await send(outgoing)
        except (CredentialRefused, CredentialMisconfigured) as error:
            self._refuse(who, target, error, is_certain=is_telling)
            raise
        if reply.status == names.CODE_UNAUTHORIZED:
            reply.close()
        elif reply.status < 500 and reply.is_signed_in and not is_telling:
            # What nobody had to sign in for proves nothing, what comes on a connection that was signed in before is
            # yesterday's word, and a balancer whose servers start anew says nothing of it
            self._passed(who, target)
            if outgoing.method == "GET":
                account.took(Page(target, outgoing.route, who.identity, is_own=False))
        return reply

    def _passed(self, who: _Who, target: Target, proof: str = "") -> None:
        account = who.account
        if standing.is_resting(account.standing, self._clock()):
            return  # it was on its way when the rest began, and says nothing new
        if not account.standing.is_proven:
            self._observe("obtained", who.identity.credential, str(target.origin))
        account.standing, account.error = standing.passed(account.standing, proof), None

    def _denied(self, who: _Who, target: Target) -> ProxyError:
        """What a 401 means where the login is good."""
        error = denied()
        who.account.denies(target)
        who.account.rests_alone(target, error)
        return error

    def _refused(self, who: _Who, target: Target, reply: Reply, *, is_telling: bool = False) -> ProxyError:
        """What a 401 means where it is not, or nobody knows."""
        error = not_taken(who.login, reply) or refused()
        self._refuse(who, target, error, is_certain=is_telling)
        who.account.rests_alone(target, error)
        return error

    def _refuse(self, who: _Who, target: Target, error: ProxyError, *, is_certain: bool) -> None:
        account = who.account
        account.error = error
        if error.slug != NO_TICKET:  # nothing was tried, and a ticket may come any moment
            account.standing = standing.refused(account.standing, self._clock(), is_certain=is_certain)
        self._observe("refused", who.identity.credential, str(target.origin))


def _state_of(known: Standing, now: float) -> str:
    if standing.is_resting(known, now):
        return "held off"
    return "good" if known.is_proven else "none"

"""One login at a web server as this process knows it: how it stands, whose turn it is, and which pages tell.

Sends nothing, and decides nothing about a login; `web_tier.py` does the one, `core.standing` the other.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from cachetools import LRUCache

from proxy.core import standing
from proxy.core.servers import own_page
from proxy.core.standing import Standing
from proxy.credentials.accord import Accord
from proxy.credentials.challenges import refused
from proxy.errors import ProxyError, UpstreamTimeout
from proxy.identity import HttpLogin, Identity, Route, Scheme
from proxy.model import Rule
from proxy.ports import Clock, Session
from proxy.traffic import Word
from proxy.urls import Origin, Target

MOST_ACCOUNTS: Final = 10_000  # a wildcard rule makes one of each host
_MOST_PASSED, _MOST_PAGES = 4, 1024
_MOST_ASKED: Final = 8  # pages, until one of them tells
_PAGE_REST: Final = 60.0  # seconds; rights are given, too

Key = tuple[object, ...]


class DoubtedError(Exception):
    """The login is in doubt by now: whoever has not been sent yet waits."""


@dataclass(frozen=True, slots=True)
class Known:
    """How a scheme signs in at one origin."""

    session: Session
    credential: str  # the first that used it, for the status page


@dataclass(frozen=True, slots=True)
class Page:
    """One that can be asked whether the login is good."""

    target: Target
    route: Route
    identity: Identity
    is_own: bool  # a rule's own URL, which the operator chose

    @property
    def name(self) -> str:
        """See `page_of`."""
        return page_of(self.target)


@dataclass(slots=True)
class Account:
    """One login at one origin; of a Windows domain at all of them, for there it is one account that locks."""

    key: Key
    accord: Accord
    clock: Clock
    standing: Standing = field(default_factory=Standing)
    alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    error: ProxyError | None = None
    sessions: LRUCache[tuple[Scheme, Origin], Known] = field(default_factory=lambda: LRUCache(MOST_ACCOUNTS))
    confirmed: int = 0  # how often a page has told that the login is good
    _passed: dict[str, Page] = field(default_factory=dict)  # a few, to ask again when in doubt
    _refused: LRUCache[str, tuple[float, ProxyError]] = field(default_factory=lambda: LRUCache(_MOST_PAGES))
    _silent: LRUCache[str, float] = field(default_factory=lambda: LRUCache(_MOST_PAGES))  # until when

    @property
    def is_doubted(self) -> bool:
        """Whether only one request at a time may go out, or it is just being asked why one was refused."""
        return self.alone.locked() or standing.goes_alone(self.standing)

    def check(self) -> None:
        """See `traffic.Outgoing`."""
        if self.is_doubted:
            raise DoubtedError

    def check_rest(self, target: Target) -> None:
        """Raises where there is nothing to try."""
        now = self.clock()
        if standing.is_resting(self.standing, now):
            raise (self.error or refused()).anew(retry_after=self.standing.held_until - now)
        if self._refused:
            until, error = self._refused.get(page_of(target), (0.0, None))
            if error is not None and now < until:
                raise error.anew(retry_after=until - now)

    def hear(self, word: Word) -> None:
        """Another process has found something out. Who is just having a turn, or waiting for one, is told then."""
        if not self.alone.locked():
            self.standing, error = self.accord.hear(word, self.standing, self.clock())
            self.error = error or self.error

    @asynccontextmanager
    async def turn(self, route: Route) -> AsyncIterator[None]:
        """One at a time, of all that share: many would be as many wrong passwords. What others found out meanwhile is
        how the account stands."""
        try:
            async with asyncio.timeout(route.connect_timeout + route.header_timeout):
                await self.alone.acquire()
                try:
                    self.standing, error = await self.accord.begin(self.standing, self.clock())
                except BaseException:
                    self.alone.release()
                    raise
        except TimeoutError:
            raise UpstreamTimeout("The server did not answer in time to the first login.") from None
        self.error = error or self.error
        try:
            yield
        finally:
            try:
                await self.accord.end(self.standing, self.clock(), self.error)
            finally:
                self.alone.release()

    # --- pages --------------------------------------------------------------------------------------------------------

    def telling(self, rules: Iterable[Rule], but: Target) -> list[Page]:
        """Pages whose answer tells whether the login is good. For one that is proven, those that took it, without the
        page of `but`. For another, rules' own and those that took it once: each rest begins with the next of them,
        since rights may be lacking at any single one, and after the last it is the client's page that has to do."""
        own = _own_pages(rules, self.key, but.origin)
        if self.standing.is_proven:
            skipped = page_of(but)
            pages = [*(page for page in own if page.name == self.standing.proof), *self._passed.values()]
        else:
            skipped = ""
            pages = list({page.name: page for page in (*own, *self._passed.values())}.values())
            pages = pages[self.standing.rests % (len(pages) + 1) :]
        now = self.clock()
        asked = (page for page in pages if page.name != skipped and self._silent.get(page.name, 0.0) <= now)
        return list(islice(asked, _MOST_ASKED))

    def tells_nothing(self, page: Page) -> None:
        """It is for everybody."""
        self._passed.pop(page.name, None)
        self._silent[page.name] = self.clock() + _PAGE_REST

    def took(self, page: Page) -> None:
        """It passed with the login."""
        if len(self._passed) < _MOST_PASSED or page.name in self._passed:
            self._passed[page.name] = page

    def denies(self, target: Target) -> None:
        """The login is good, and not for this page."""
        name = page_of(target)
        self._passed.pop(name, None)
        self.standing = standing.denied(self.standing, name)

    def rests_alone(self, target: Target, error: ProxyError) -> None:
        """The same page over and over says nothing about the others."""
        if page_of(target) not in self._passed:
            self._refused[page_of(target)] = self.clock() + _PAGE_REST, error


def key_of(login: HttpLogin, origin: Origin) -> Key:
    """The same for all rules with this login, whatever headers or certificates they have besides. A machine's own
    ticket has no password that could lock it."""
    if login.scheme.is_windows and login.username:
        return login.username.casefold(), login.domain.casefold(), login.password
    return login, origin


def page_of(target: Target) -> str:
    """A path, whatever its query: web servers give rights to paths."""
    return f"{target.origin}{target.path}"


def _own_pages(rules: Iterable[Rule], key: Key, near: Origin) -> Iterator[Page]:
    """Of all rules with this login, in the order of the file: what a client asked for comes last, if at all."""
    for rule in sorted(rules, key=lambda rule: rule.scope.wildcard):
        identity = rule.route.identity
        if identity is None or identity.login is None:
            continue
        scope, is_near = identity.scope, identity.scope.covers(near)
        if scope.wildcard and not is_near:
            continue  # no host that anybody has named
        origin = near if is_near else scope.origin
        if key_of(identity.login, origin) == key:
            yield Page(own_page(rule, origin), rule.route, identity, is_own=True)

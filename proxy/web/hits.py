"""Hits, answered in the turn of the loop in which they came: no task, and no judging anew of a target once judged.

Everything that may differ from one request to the next is looked at as on the long way (`pipeline`): the page that
asks, the client's limit, what its headers want of the cache. Whatever is not as simple as that goes the long way.
"""

from collections.abc import Callable
from dataclasses import dataclass

from proxy import names
from proxy.core import admit, browsers, caching, conditional, hygiene
from proxy.core.caching import Wish
from proxy.errors import NotAllowed, RateLimited
from proxy.model import Rule
from proxy.ports import Allowance, Clock
from proxy.runtime import Current, Known, Runtime
from proxy.state.responses import HIT, Responses
from proxy.state.shelf import MOST_WRITTEN, Stored
from proxy.telemetry.lines import Hit
from proxy.traffic import Headers, Reply
from proxy.web import answer
from proxy.web.client import asker_of, name_request
from proxy.web.connection import Connection
from proxy.web.handler import put_on


@dataclass(frozen=True, slots=True)
class _Page:
    """What a client's headers mean under one rule, on one connection: they are the same for each of its pictures."""

    headers: Headers
    runtime: Runtime
    rule: Rule
    client: str
    wish: Wish
    said: Headers  # what its answers tell its browser
    is_conditional: bool
    request_id: str | None

    def upward(self) -> Headers:
        """What `Vary` speaks of."""
        return hygiene.to_upstream(self.headers, referer=self.rule.referer)


@dataclass(slots=True)
class Hits:
    """Answers hits: see `serving.Quick`. `record` is told of each."""

    current: Current
    allowance: Allowance
    responses: Responses
    clock: Clock
    record: Callable[[Hit], None]
    is_draining: Callable[[], bool]

    def __call__(self, connection: Connection) -> bool:
        head, runtime = connection.head, self.current.runtime
        path, _, raw = head.target.partition("?")
        known = runtime.known.get(raw)
        if known is None or head.method != "GET" or not head.minor or path not in runtime.configuration.paths:
            return False
        began = self.clock()
        page = connection.page
        if (
            not isinstance(page, _Page)
            or page.headers is not head.headers
            or page.rule is not known.rule
            or page.runtime is not runtime
        ):
            page = connection.page = _page(connection, runtime, known)
        if page is None or self.is_draining():
            return False
        found = self.responses.at_once(known.key, page.wish, page.upward)
        if found is None or (known.rule.rate is not None and not self._may_pass(known.rule, page.client)):
            return False
        stored, age = found
        request_id = name_request(page.request_id)
        status, size = _send(connection, page, stored, age, request_id)
        self.record(Hit(known, request_id, page.client, status, size, began, self.clock()))
        return True

    def _may_pass(self, rule: Rule, client: str) -> bool:
        """Counted, or not to be counted here."""
        try:
            return self.allowance.passes(rule, client)
        except RateLimited:
            return False  # the long way says so, and how long


def _page(connection: Connection, runtime: Runtime, known: Known) -> _Page | None:
    """None where the request has to be looked at."""
    headers, policy = connection.head.headers, known.policy
    asker = asker_of(connection, runtime.configuration)
    own = asker.own_origin
    referer, origin = headers.get(names.REFERER, ""), headers.get(names.ORIGIN, "")
    said = runtime.said.get((id(policy), origin, own, True))
    if (id(policy), referer, origin, own) not in runtime.admitted or said is None or browsers.needs_look(headers):
        return None
    try:
        admit.require_name(policy, headers, is_fronted=asker.is_trusted)
    except NotAllowed:
        return None  # the long way says so
    return _Page(
        headers=headers,
        runtime=runtime,
        rule=known.rule,
        client=asker.address,
        wish=caching.wish(headers),
        said=said,
        is_conditional=not headers.keys().isdisjoint(conditional.CONDITIONS),
        request_id=asker.request_id,
    )


def _send(connection: Connection, page: _Page, stored: Stored, age: float, request_id: str) -> tuple[int, int]:
    """Status, and bytes of the body that was sent."""
    if page.is_conditional:
        headers = {
            **stored.headers,
            names.CACHE_STATUS: f"{names.PRODUCT}{HIT}{int(stored.life.fresh - age)}",
            names.AGE: str(int(age)),
        }
        reply = Reply(*conditional.given(page.headers, headers, stored.status, stored.body))
        put_on(reply.headers, page.said)
        reply.headers[names.X_REQUEST_ID] = request_id
        return reply.status, answer.write(connection, reply)
    said, opening = stored.written[-1] if stored.written else (None, "")
    if said is not page.said:
        opening = _written(stored, page.said)
    opening = f"{opening}{int(stored.life.fresh - age)}\r\n{names.AGE}: {int(age)}\r\n"
    answer.write_opened(connection, opening, request_id, stored.body)
    return stored.status, len(stored.body)


def _written(stored: Stored, said: Headers) -> str:
    """All of the head that is the same each time, up to the number that ends Cache-Status. Made once, for those who are
    told the same."""
    found = next((each for each in stored.written if each[0] is said), None)
    if found is not None:
        return found[1]
    headers = {**stored.headers, names.CONTENT_LENGTH: str(len(stored.body))}
    put_on(headers, said)
    text = f"{answer.opening(stored.status, headers)}{names.CACHE_STATUS}: {names.PRODUCT}{HIT}"
    if len(stored.written) >= MOST_WRITTEN:
        del stored.written[0]
    stored.written.append((said, text))
    return text

"""Requests like those before them, passed on in the turn of the loop in which they come, and answered in that of their
answer: no task, and nothing judged anew that a course knows (`plan`).

What may differ from one request to the next is looked at as on the long way (`pipeline`): the query, who asks, the
client's limit, the token in hand. Whatever is not as simple as that goes the long way, and what turns out otherwise
once it was sent goes on there: an error, a rejected token, a long body.
"""

from typing import Final

from proxy import names
from proxy.attempts import Begun
from proxy.core import hygiene, inject
from proxy.core.classify import is_plainly_good
from proxy.core.inflate import in_the_clear
from proxy.core.mount import Wanted
from proxy.core.parameters import split
from proxy.core.repeated import Answered
from proxy.core.target import is_plain_query
from proxy.errors import ProxyError
from proxy.plan import MOST_SHOWN, course_of
from proxy.runtime import Authorized, Bearer, Course, Runtime
from proxy.shape import format_alone
from proxy.traffic import Body, Exchange, Outgoing, Reply, Token
from proxy.upstream.conceal import is_clean, with_token
from proxy.upstream.connection import Connection as ServerConnection
from proxy.upstream.connection import Stale
from proxy.upstream.transport import UpstreamTransport
from proxy.urls import Target
from proxy.web import answer
from proxy.web.client import Asker, asker_of, name_request
from proxy.web.connection import Connection
from proxy.web.handler import Door, incoming_of, put_on, said

_OK: Final = 200
_QUERY: Final = "f=json"  # of the example that shows where a token goes


class Express:
    """See `serving.Quick`. Whatever it does not answer is the door's."""

    def __init__(self, door: Door, transport: UpstreamTransport) -> None:
        self.door, self._transport = door, transport
        self.tokens, self._allowance = door.pipeline.attempts.tokens, door.pipeline.allowance
        self.clock = door.clock

    def __call__(self, connection: Connection) -> bool:
        head, runtime = connection.head, self.door.current.runtime
        path, _, raw = head.target.partition("?")
        base, _, query = raw.partition("?")
        asker, way = asker_of(connection, runtime.configuration), (base, head.method, id(head.headers))
        course = course_of(runtime, way, asker.own_origin, is_fronted=asker.is_trusted)
        if course is None or not course.is_express or not is_plain_query(query):
            return False
        if not head.minor or path not in runtime.configuration.paths or self.door.is_draining():
            return False
        parts = split(query)
        if format_alone(course, parts) is None:
            return False
        place, rule = course.place, course.rule
        bearer, pool = place.bearer, self._transport.ready(place.origin, rule.route)
        if bearer is None or pool is None or (token := self.tokens.at_hand(bearer.audience)) is None:
            return False
        began = self.clock()
        request_id = name_request(asker.request_id)
        try:
            authorized = self._authorized(course, bearer, token)
            first = pool.head(f"{place.path}?{query}{authorized.more}", authorized.headers, request_id)
            if rule.rate is not None and not self._allowance.passes(rule, asker.address):
                return False
        except ProxyError:
            return False  # the long way says so
        exchange = Exchange(request_id, head.method, began, asker.address)
        exchange.generation, exchange.policy, exchange.attempts = runtime.generation, place.policy, 1
        exchange.rule, exchange.credential = rule.name, bearer.credential.name
        exchange.target, exchange.query_keys = place.shown, parts.keys.written[:MOST_SHOWN]
        exchange.operation = course.operation.name if course.operation is not None else ""
        errand = _Errand(self, connection, runtime, asker, authorized, exchange)
        self.door.begun()
        connection.errand = errand
        errand.asked = pool.tell(first, asker.address, errand)
        return True

    def _authorized(self, course: Course, bearer: Bearer, token: Token) -> Authorized:
        """Raises CredentialMisconfigured where the token is not for this server: see `inject.authorize`."""
        place, rule = course.place, course.rule
        where = self.tokens.place(bearer.audience, rule.place, is_form=False, path=place.path)
        known = course.authorized
        if known is not None and known.token is token and known.place is where:
            return known
        example = Outgoing("GET", Target(place.origin, place.path, _QUERY), course.upward, Body(), rule.route)
        sent = inject.authorize(example, token, where, bearer.credential)
        more = (sent.target.query or "").removeprefix(_QUERY)
        secrets = with_token(place.secrets, token, self.clock)
        course.authorized = Authorized(token, where, sent.headers, more, secrets)
        return course.authorized


class _Errand:
    """One request, from the moment that it is sent. Implements `serving.Errand` for the client's connection, and
    `owner.Waiter` for the server's."""

    __slots__ = ("_asker", "_authorized", "_begun", "_client", "_error", "_exchange", "_express", "_runtime", "asked")

    def __init__(
        self,
        express: Express,
        client: Connection,
        runtime: Runtime,
        asker: Asker,
        authorized: Authorized,
        exchange: Exchange,
    ) -> None:
        self._express, self._client, self._runtime, self._asker = express, client, runtime, asker
        self._authorized, self._exchange = authorized, exchange
        self.asked: ServerConnection | None = None  # the server's connection
        self._begun: Begun | None = None  # there where the answer has begun and is for a task to send
        self._error: Exception | None = None

    # --- what the server's connection calls

    def done(self) -> bool:
        """See `owner.Waiter`. Never: when the client has left, `leave` says so."""
        return False

    def set_result(self, reply: Reply, /) -> None:
        """The answer has begun, and mostly is there."""
        self._heard()
        try:
            is_answered = self._is_answered(reply)
        except Exception as error:  # noqa: BLE001 - it is the server's connection that calls: the door says what failed
            reply.close()
            self.set_exception(error)
            return
        if is_answered:
            self._end("client_gone" if self._client.is_closing else "ok")
            self._client.answered()
        else:
            self._begun = Begun(self._authorized.token, self._authorized.place, reply)
            self._client.serve()

    def set_exception(self, error: Exception, /) -> None:
        """There is none."""
        self._heard()
        self._error = error
        self._client.serve()

    # --- what the client's connection calls

    def gone(self) -> None:
        """See `serving.Errand`."""
        if self.asked is not None:
            self.asked.leave(self)
        if self._begun is not None:
            self._begun.reply.close()
        self._end("client_gone")

    async def go_on(self) -> None:
        """See `serving.Errand`."""
        self._client.errand = None
        await self._express.door.answer(self._client, self._runtime, self._asker, self._exchange, self._reply())

    # --- inside

    def _heard(self) -> None:
        self._exchange.upstream_seconds = self._express.clock() - self._exchange.started_at

    def _end(self, outcome: str) -> None:
        self._client.errand = None
        self._exchange.outcome = outcome
        self._express.door.record(self._exchange)

    def _is_answered(self, reply: Reply) -> bool:
        """Sends it where it is plain that the client may have it as it is; whether it did."""
        authorized, client, exchange = self._authorized, self._client, self._exchange
        headers, body = reply.headers, reply.body
        if not isinstance(headers, Answered) or not isinstance(body, bytes):
            return False
        text = in_the_clear(headers, body)
        if not is_plainly_good(reply, text) or not is_clean(reply, text, authorized.secrets):
            return False
        opening = self._opening(headers)
        if not opening:
            return False
        date = headers.get(names.DATE) or answer.now()
        opening = f"{opening}{names.CONTENT_LENGTH}: {len(body)}\r\n{names.DATE}: {date}\r\n"
        self._express.tokens.accepted(authorized.token, authorized.place)
        answer.write_opened(client, opening, exchange.request_id, body)  # last: what fails before may be told
        exchange.status, exchange.bytes_out = reply.status, len(body)
        return True

    def _opening(self, headers: Answered) -> str:
        """Of the head, all that is the same each time; "" for pages, which need a look."""
        repeated, policy = headers.repeated, self._exchange.policy
        assert policy is not None  # noqa: S101 - a course has one
        told = said(self._runtime, policy, self._asker, is_theirs=True)
        known = repeated.opening
        if known is not None and known[0] is told:
            return known[1]
        if "html" in headers.get(names.CONTENT_TYPE, "").lower():
            return ""
        down = hygiene.repeated_to_client(repeated, private=True)
        # A date in a form of its own is among what is repeated
        same = {name: value for name, value in down.items() if name not in hygiene.CHANGING}
        put_on(same, told)
        text = answer.opening(_OK, same)
        repeated.opening = told, text
        return text

    async def _reply(self) -> Reply:
        exchange = self._exchange
        if isinstance(self._error, Stale):
            exchange.attempts = 0  # nobody has heard of it
        elif self._error is not None:
            raise self._error
        asked = Wanted(self._client.head.target.partition("?")[2])
        incoming = incoming_of(self._client, asked, self._asker, exchange)
        return await self._express.door.pipeline.resume(self._runtime, incoming, exchange, self._begun)

"""A request's head to `Incoming`, its `Reply` to the connection: the door that every request goes through.

The one place that catches everything, so that each request ends with an answer of ours and one record.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from proxy import names
from proxy.core import admit, browsers, hygiene
from proxy.core.mount import Wanted, wanted
from proxy.core.target import parse_request_target
from proxy.errors import ClientGone, NotFound, Overloaded, ProxyError
from proxy.model import AdmitPolicy
from proxy.pipeline import Pipeline
from proxy.plan import methods
from proxy.ports import Clock, Recorder
from proxy.runtime import Asking, Current, Runtime
from proxy.traffic import Exchange, Headers, Incoming, Reply
from proxy.upstream.pieces import counted
from proxy.web import answer
from proxy.web.client import Asker, asker_of, name_request
from proxy.web.connection import Connection
from proxy.web.respond import error_reply, json_reply, ping_reply

_LOG: Final = logging.getLogger(__name__)
_MOST_SAID, _LONGEST_ORIGIN = 4096, 256


@dataclass(slots=True)
class Door:
    """Handles the requests of the public listener. `begun` and `record` are told of each."""

    current: Current
    pipeline: Pipeline
    begun: Callable[[], None]
    record: Recorder
    clock: Clock
    is_draining: Callable[[], bool] = lambda: False

    async def __call__(self, connection: Connection) -> None:
        runtime = self.current.runtime
        asker = asker_of(connection, runtime.configuration)
        exchange = Exchange(name_request(asker.request_id), connection.head.method, self.clock(), asker.address)
        self.begun()
        await self.answer(connection, runtime, asker, exchange, self._reply(connection, runtime, asker, exchange))

    async def answer(
        self, connection: Connection, runtime: Runtime, asker: Asker, exchange: Exchange, coming: Awaitable[Reply]
    ) -> None:
        """Sends the reply that is coming, or the error that comes in its place, and has it recorded."""
        try:
            try:
                reply = await coming
                exchange.outcome, is_theirs = "ok", exchange.policy is not None
            except ClientGone:
                raise
            except Exception as error:  # noqa: BLE001 - the web edge: whatever it is, the client gets an answer
                reply, is_theirs = _failure(error, exchange), False
            policy = exchange.policy or runtime.configuration.admit
            put_on(reply.headers, said(runtime, policy, asker, is_theirs=is_theirs))
            reply.headers[names.X_REQUEST_ID] = exchange.request_id
            exchange.status = reply.status
            await answer.send(connection, reply, exchange)
        except (ClientGone, asyncio.CancelledError):
            exchange.outcome = "client_gone"
            raise
        finally:
            self.record(exchange)

    async def _reply(self, connection: Connection, runtime: Runtime, asker: Asker, exchange: Exchange) -> Reply:
        """The pipeline's, or one that needs no pipeline."""
        head, configuration = connection.head, runtime.configuration
        path = head.target.partition("?")[0]
        if path == "/healthz" and head.method in names.SAFE_METHODS:
            return json_reply(200, {"status": "ok"})
        asked = wanted(head.target, configuration.paths, runtime.mounts)
        if asked is None:
            raise NotFound("There is nothing here.", f"The proxy answers at {configuration.paths[0]}?https://host/…")
        if self.is_draining():
            raise Overloaded("The proxy is stopping.", retry_after=1)
        raw_target = asked.raw_target
        if raw_target is not None and raw_target.lower() == "ping" and head.method in names.SAFE_METHODS:
            return ping_reply("OK")
        if head.method == "OPTIONS":
            return _preflight(runtime, raw_target, head.headers, exchange)
        return await self.pipeline.handle(incoming_of(connection, asked, asker, exchange), exchange)


def incoming_of(connection: Connection, asked: Wanted, asker: Asker, exchange: Exchange) -> Incoming:
    """The request in flight, as the pipeline sees it."""
    head, inbox = connection.head, connection.inbox
    return Incoming(
        method=head.method,
        path=head.target.partition("?")[0],
        raw_target=asked.raw_target,
        headers=head.headers,
        client=asker.address,
        own_origin=asker.own_origin,
        body=None if inbox is None else counted(inbox, exchange),
        raw_headers=head.headers.raw,
        peer_is_trusted=asker.is_trusted,
        is_mounted=asked.is_mounted,
    )


def _failure(error: Exception, exchange: Exchange) -> Reply:
    """Errors are replies, too."""
    if isinstance(error, ProxyError):
        exchange.outcome, exchange.note = error.slug, error.for_log()
        exchange.advice = " ".join(error.details)
        return error_reply(error, exchange.request_id)
    # The name alone: a message or a traceback may hold what was in hand.
    _LOG.error("a request failed in an unforeseen way: %s", type(error).__name__)
    exchange.outcome, exchange.note = "internal", type(error).__name__
    return error_reply(ProxyError("The proxy failed; its log has the request id."), exchange.request_id)


def _preflight(runtime: Runtime, raw_target: str | None, headers: Headers, exchange: Exchange) -> Reply:
    """Answered here, never upstream: the target alone decides which pages and verbs."""
    rule = runtime.table.lookup(parse_request_target(raw_target)) if raw_target else None
    if rule is not None and rule.admit is not None:
        exchange.policy = rule.admit
    policy = exchange.policy or runtime.configuration.admit
    allowed = admit.preflight_headers(policy, headers, ", ".join((*methods(rule), "OPTIONS")))
    # The door adds what every reply has; doubled, a browser would refuse it
    for name in admit.cors_headers(policy, headers.get(names.ORIGIN, "")):
        allowed.pop(name, None)
    return Reply(204, allowed | {names.VARY: names.ACCESS_CONTROL_REQUEST_HEADERS} | hygiene.COMMON)


def put_on(headers: dict[str, str], told: Headers) -> None:
    """What answers tell a page's browser, beside what this one says."""
    if headers.keys().isdisjoint(told):
        headers.update(told)
    else:
        for name, value in told.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value


def said(runtime: Runtime, policy: AdmitPolicy, asker: Asker, *, is_theirs: bool) -> Headers:
    """What answers tell a page's browser: the same for all of its pictures."""
    last = asker.said
    if last is not None and last[0] is policy and last[1] is is_theirs:
        return last[2]
    asking = id(policy), asker.headers.get(names.ORIGIN, ""), asker.own_origin, is_theirs
    told = runtime.said.get(asking) or _say(runtime, policy, asking)
    asker.said = policy, is_theirs, told
    return told


def _say(runtime: Runtime, policy: AdmitPolicy, asking: Asking) -> dict[str, str]:
    """Kept for all who ask from there."""
    _, origin, own, is_theirs = asking
    told = browsers.answer_headers(policy, own, origin=origin, is_theirs=is_theirs)
    if len(origin) <= _LONGEST_ORIGIN:
        if len(runtime.said) >= _MOST_SAID:
            runtime.said.clear()
        runtime.said[asking] = told
    return told

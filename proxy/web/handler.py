"""A request's head to `Incoming`, its `Reply` to the connection: the door that every request goes through.

The one place that catches everything, so that each request ends with an answer of ours and one record.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy import names
from proxy.core import admit, browsers, hygiene
from proxy.core.mount import wanted
from proxy.core.target import parse_request_target
from proxy.errors import ClientGone, NotFound, Overloaded, ProxyError
from proxy.model import AdmitPolicy
from proxy.pipeline import Pipeline
from proxy.plan import methods
from proxy.ports import Clock, Recorder
from proxy.runtime import Asking, Current, Runtime
from proxy.traffic import Exchange, Headers, Incoming, Reply
from proxy.upstream.pieces import counted
from proxy.urls import Origin
from proxy.web import answer
from proxy.web.client import client_address, is_trusted, own_origin
from proxy.web.connection import Connection
from proxy.web.respond import error_reply, json_reply, ping_reply

_LOG: Final = logging.getLogger(__name__)
_MOST_SAID, _LONGEST_ORIGIN = 4096, 256


@dataclass(slots=True)
class Door:
    """Handles the requests of the public listener."""

    current: Current
    pipeline: Pipeline
    record: Recorder
    clock: Clock
    is_draining: Callable[[], bool] = lambda: False

    async def __call__(self, connection: Connection) -> None:
        headers = connection.head.headers
        # It names a request and guards nothing, so it need not be hard to guess
        request_id = hygiene.request_id(headers) or f"{random.getrandbits(128):032x}"
        exchange = Exchange(request_id, connection.head.method, self.clock())
        try:
            await answer.send(connection, await self._answer(connection, exchange), exchange)
        except (ClientGone, asyncio.CancelledError):
            exchange.outcome = "client_gone"
            raise
        finally:
            self.record(exchange)

    async def _answer(self, connection: Connection, exchange: Exchange) -> Reply:
        """The reply with the headers that every answer has; errors are replies too."""
        runtime = self.current.runtime
        origin = own_origin(connection, connection.head.headers, runtime.configuration)
        is_theirs = False
        try:
            opened = self._opened(connection, origin, exchange)
            reply = opened if isinstance(opened, Reply) else await self.pipeline.handle(opened, exchange)
            exchange.outcome, is_theirs = "ok", exchange.policy is not None
        except ProxyError as error:
            reply = error_reply(error, exchange.request_id)
            exchange.outcome, exchange.note = error.slug, error.for_log()
            exchange.advice = " ".join(error.details)
        except ClientGone:
            raise
        except Exception as error:  # noqa: BLE001 - the web edge: whatever it is, the client gets an answer
            # The name alone: a message or a traceback may hold what was in hand.
            _LOG.error("a request failed in an unforeseen way: %s", type(error).__name__)
            reply = error_reply(ProxyError("The proxy failed; its log has the request id."), exchange.request_id)
            exchange.outcome, exchange.note = "internal", type(error).__name__
        policy = exchange.policy or runtime.configuration.admit
        asking = id(policy), connection.head.headers.get(names.ORIGIN, ""), origin, is_theirs
        said, headers = runtime.said.get(asking) or _say(runtime, policy, asking), reply.headers
        put_on(headers, said)
        headers[names.X_REQUEST_ID] = exchange.request_id
        exchange.status = reply.status
        return reply

    def _opened(self, connection: Connection, origin: Origin | None, exchange: Exchange) -> Reply | Incoming:
        """What the pipeline is to answer, or an answer that needs no pipeline."""
        head, inbox, runtime = connection.head, connection.inbox, self.current.runtime
        configuration = runtime.configuration
        path = head.target.partition("?")[0]
        exchange.client = client_address(connection.peer, head.headers, configuration.trusted_proxies)
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
            return self._preflight(raw_target, head.headers, exchange)
        return Incoming(
            method=head.method,
            path=path,
            raw_target=raw_target,
            headers=head.headers,
            client=exchange.client,
            own_origin=origin,
            body=None if inbox is None else counted(inbox, exchange),
            raw_headers=head.headers.raw,
            peer_is_trusted=is_trusted(connection.peer, configuration.trusted_proxies),
            is_mounted=asked.is_mounted,
        )

    def _preflight(self, raw_target: str | None, headers: Headers, exchange: Exchange) -> Reply:
        """Answered here, never upstream: the target alone decides which pages and verbs."""
        runtime = self.current.runtime
        rule = runtime.table.lookup(parse_request_target(raw_target)) if raw_target else None
        if rule is not None and rule.admit is not None:
            exchange.policy = rule.admit
        policy = exchange.policy or runtime.configuration.admit
        allowed = admit.preflight_headers(policy, headers, ", ".join((*methods(rule), "OPTIONS")))
        # `_answer` adds what every reply has; doubled, a browser would refuse it
        for name in admit.cors_headers(policy, headers.get(names.ORIGIN, "")):
            allowed.pop(name, None)
        return Reply(204, allowed | {names.VARY: names.ACCESS_CONTROL_REQUEST_HEADERS} | hygiene.COMMON)


def put_on(headers: dict[str, str], said: Headers) -> None:
    """What answers tell a page's browser, beside what this one says."""
    if headers.keys().isdisjoint(said):
        headers.update(said)
    else:
        for name, value in said.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value


def _say(runtime: Runtime, policy: AdmitPolicy, asking: Asking) -> dict[str, str]:
    """What answers tell a page's browser is the same for all of its pictures."""
    _, origin, own, is_theirs = asking
    said = browsers.answer_headers(policy, own, origin=origin, is_theirs=is_theirs)
    if len(origin) <= _LONGEST_ORIGIN:
        if len(runtime.said) >= _MOST_SAID:
            runtime.said.clear()
        runtime.said[asking] = said
    return said

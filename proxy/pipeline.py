"""THE HOT PATH: admit → parse → match → who → allow → cache → [token → inject → send → classify] → conceal → clean.

What is decided is in `core/`; here stands the order, and what waits, but for the part in brackets: `attempts`. Knows no
aiohttp and no settings. Raises `ProxyError` and nothing else; every reply obtained is closed on every path.
"""

from dataclasses import dataclass, field, replace
from functools import partial

from proxy import links, names, refusals
from proxy.attempts import Attempts, Begun
from proxy.cached import asked, remember
from proxy.core import hygiene, users
from proxy.core.inflate import in_the_clear
from proxy.plan import Plan, decide, speak_for
from proxy.ports import Allowance, ServerInfoSource
from proxy.runtime import Current, Runtime
from proxy.server_info import answer_catalog, answer_info
from proxy.shape import Ready, finished, prepared
from proxy.state.responses import Responses
from proxy.traffic import Body, Changes, Exchange, Fetched, Incoming, Reply
from proxy.upstream import body as bodies
from proxy.upstream.conceal import conceal, is_clean
from proxy.upstream.peek import examine
from proxy.users.identify import Users


@dataclass(slots=True)
class Pipeline:
    """Answers requests by the current runtime."""

    current: Current
    attempts: Attempts
    infos: ServerInfoSource
    users: Users
    allowance: Allowance
    responses: Responses
    room: bodies.Room = field(default_factory=bodies.Room)

    async def handle(self, incoming: Incoming, exchange: Exchange) -> Reply:
        """The answer, its body still to be streamed. `exchange` gathers what is learned on the way."""
        runtime = self.current.runtime
        exchange.generation = runtime.generation
        if incoming.is_mounted:
            links.check_name(incoming)
        plan = decide(runtime, incoming, exchange)
        user = None
        if plan.rule.users is not None:
            user = await self.users.admit(runtime.configuration.users, plan.rule, incoming, exchange)
        if plan.rule.rate is not None:
            client = incoming.client if user is None else users.as_client(user)
            if not self.allowance.passes(plan.rule, client):
                await self.allowance.take(plan.rule, client)
        if plan.place.is_info:
            return await answer_info(self.infos, plan.rule, plan.target)
        wish = asked(plan, incoming, user) if plan.rule.cache is not None else None
        if wish is not None and (hit := self.responses.hit(wish, exchange)) is not None:
            remember(runtime, plan, incoming, wish, exchange)
            return hit  # the same request passed all that follows
        stay = self.room.stay() if incoming.body is not None else None
        try:
            body = Body() if stay is None else await bodies.take(incoming, stay, runtime.configuration.limits.body)
            ready = prepared(plan, incoming, body, exchange)
            if plan.place.credential is not None and stay is not None:
                said = answer_catalog(exchange.operation, body, incoming.headers.get(names.CONTENT_TYPE, ""))
                if said is not None:
                    return said
            if user is not None:
                speak_for(user, plan, incoming, ready.outgoing, reads=ready.reads)
            if wish is not None and ready.reads and incoming.method in names.SAFE_METHODS:
                fetch = partial(self._fetch, runtime, plan, incoming, ready)
                return await self.responses.answer(wish, exchange, fetch)
            fetched = await self._fetch(runtime, plan, incoming, ready, exchange, {})
            if not ready.reads or wish is not None:
                self.responses.written(wish, plan.target, exchange, fetched, edits=not ready.reads)
            return fetched.reply
        finally:
            if stay is not None:
                stay.close()

    async def resume(self, runtime: Runtime, incoming: Incoming, exchange: Exchange, begun: Begun | None) -> Reply:
        """As `handle`, from where a request stands that a course let in (`web.express`): `begun` is its first attempt,
        None where it has to be sent. Closes that attempt's answer where it raises."""
        try:
            plan = decide(runtime, incoming, exchange)
            ready = prepared(plan, incoming, Body(), exchange)
            ready.outgoing.is_second = begun is None
            return (await self._fetch(runtime, plan, incoming, ready, exchange, {}, begun)).reply
        except BaseException:
            if begun is not None:
                begun.reply.close()
            raise

    async def _fetch(
        self,
        runtime: Runtime,
        plan: Plan,
        incoming: Incoming,
        ready: Ready,
        exchange: Exchange,
        changes: Changes,
        begun: Begun | None = None,
    ) -> Fetched:
        """From the upstream, with some headers of the request changed."""
        outgoing, place = ready.outgoing, plan.place
        secrets = place.secrets
        if changes:
            outgoing = replace(outgoing, headers=hygiene.changed(outgoing.headers, changes))
        if place.bearer is not None:
            reply, text, secrets = await self.attempts.by_token(plan, place.bearer, ready, outgoing, exchange, begun)
        else:
            reply = await self.attempts.send(outgoing, exchange)
            text = in_the_clear(reply.headers, reply.body) if secrets else None
            if place.credential is not None:
                finding = await examine(reply, ready.wanted, place.path, secrets)
                if (denied := refusals.of_web_credential(finding, reply, place.credential)) is not None:
                    reply.close()
                    raise denied
        given = reply.headers
        try:
            if secrets and not is_clean(reply, text, secrets):
                await conceal(reply, secrets, exchange)
            # Its framing goes where a text is sent in the clear
            told = given if reply.headers is given else hygiene.framing(given) | reply.headers
            reply.headers = finished(runtime, plan, incoming, reply)
            if incoming.is_mounted or place.names_hosts:
                await links.lead_here(reply, runtime, incoming, plan.target)
        except BaseException:
            reply.close()
            raise
        return Fetched(reply, told)

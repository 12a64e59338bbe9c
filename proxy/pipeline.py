"""THE HOT PATH: admit → parse → match → who → allow → cache → [token → inject → send → classify] → conceal → clean.

What is decided is in `core/`; here stands the order, and all that waits. Knows no aiohttp and no settings. Raises
`ProxyError` and nothing else; every reply obtained is closed on every path.
"""

from dataclasses import dataclass, field, replace
from functools import partial

from proxy import links, names, refusals
from proxy.cached import asked, remember
from proxy.core import hygiene, inject, users
from proxy.core.classify import PASSED, Finding, Verdict, is_plainly_good
from proxy.core.content import is_form as is_form_type
from proxy.core.paths import is_file
from proxy.errors import UpstreamFailed
from proxy.identity import Place
from proxy.model import Rule
from proxy.plan import Plan, decide, speak_for
from proxy.ports import Allowance, Clock, ServerInfoSource, Tokens, Upstream
from proxy.runtime import Bearer, Current, Runtime
from proxy.server_info import answer_catalog, answer_info
from proxy.shape import Ready, finished, prepared
from proxy.state.responses import Responses
from proxy.traffic import Audience, Body, Changes, Exchange, Fetched, Incoming, Outgoing, Reply, Token
from proxy.upstream import body as bodies
from proxy.upstream.conceal import conceal, is_clean, with_token
from proxy.upstream.peek import examine
from proxy.users.identify import Users


@dataclass(slots=True)
class Pipeline:
    """Answers requests by the current runtime."""

    current: Current
    upstream: Upstream
    tokens: Tokens
    infos: ServerInfoSource
    users: Users
    allowance: Allowance
    responses: Responses
    clock: Clock
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

    async def _fetch(
        self, runtime: Runtime, plan: Plan, incoming: Incoming, ready: Ready, exchange: Exchange, changes: Changes
    ) -> Fetched:
        """From the upstream, with some headers of the request changed."""
        outgoing, place = ready.outgoing, plan.place
        secrets = place.secrets
        if changes:
            outgoing = replace(outgoing, headers=hygiene.changed(outgoing.headers, changes))
        if place.bearer is not None:
            reply, secrets = await self._attempts(plan, place.bearer, ready, outgoing, exchange)
        else:
            reply = await self._send(outgoing, exchange)
            if place.credential is not None:
                finding = await examine(reply, ready.wanted, place.path, secrets)
                if (denied := refusals.of_web_credential(finding, reply, place.credential)) is not None:
                    reply.close()
                    raise denied
        given = reply.headers
        try:
            if secrets and not is_clean(reply, secrets):
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

    async def _attempts(
        self, plan: Plan, bearer: Bearer, ready: Ready, outgoing: Outgoing, exchange: Exchange
    ) -> tuple[Reply, tuple[str, ...]]:
        """At most one renewal and, where the place of the token is not known yet, one change of place. Also
        what must not come down of what went up."""
        (credential, audience), rule, path = bearer, plan.rule, plan.place.path
        is_form = bool(outgoing.body.whole) and is_form_type(outgoing.headers.get(names.CONTENT_TYPE, ""))
        renewed: Token | None = None
        tried: list[Place] = []  # learned once a request passes
        while True:
            token = await self.tokens.get(audience)
            if token is renewed:
                raise refusals.rejected(token)  # the store holds off: there is no other token to try
            place = tried[-1] if tried else self.tokens.place(audience, rule.place, is_form=is_form, path=path)
            reply = await self._send(inject.authorize(outgoing, token, place, credential), exchange)
            secrets = with_token(plan.place.secrets, token, self.clock)
            finding = PASSED if is_plainly_good(reply) else await examine(reply, ready.wanted, path, secrets)
            if finding.verdict is Verdict.PASS:
                if tried:
                    self._learn(audience, tried, path)
                self.tokens.accepted(token, place)
                return reply, secrets
            reply.close()
            denied = refusals.of_token(finding, reply, rule, credential)
            if denied is not None:
                raise denied
            elsewhere = _next_place(finding, rule, place, is_form=is_form, was_renewed=renewed is not None)
            if elsewhere is not None:
                tried.append(elsewhere)
            else:
                self._reject(token, finding, exchange, can_heal=renewed is None, reads=ready.reads)
                renewed = token
            if not outgoing.body.replayable:
                self._learn(audience, tried, path)  # or it would never pass
                raise UpstreamFailed("The server wanted a fresh token; send the request again.", slug="not_replayable")

    def _learn(self, audience: Audience, places: list[Place], path: str) -> None:
        if not is_file(path):
            for place in places:
                self.tokens.learn(audience, place, path)

    def _reject(self, token: Token, finding: Finding, exchange: Exchange, *, can_heal: bool, reads: bool) -> None:
        """Drops this very token. Raises where sending again is not safe or was tried already."""
        if finding.verdict is Verdict.LOGIN and not reads:
            # Ambiguous: the edit may have been made. Only 498 and 499 say that the token was looked at first.
            raise UpstreamFailed("The server answered an edit with a sign-in page.", slug="login_page")
        self.tokens.reject(token)
        if not can_heal or not token.is_renewable:
            raise refusals.rejected(token)
        exchange.renewals += 1

    async def _send(self, outgoing: Outgoing, exchange: Exchange) -> Reply:
        exchange.attempts += 1
        began = self.clock()
        try:
            return await self.upstream.send(outgoing)
        finally:
            exchange.upstream_seconds += self.clock() - began


def _next_place(finding: Finding, rule: Rule, place: Place, *, is_form: bool, was_renewed: bool) -> Place | None:
    """Where the same token goes next, since it may be good and went unheard; None: another token is needed."""
    is_required = finding.verdict is Verdict.TOKEN_REQUIRED
    if is_required and rule.place is None and place is Place.HEADER:
        return Place.QUERY  # and if it is heard there, always
    if is_form and place is Place.QUERY and (was_renewed or is_required):
        return Place.URL  # it was a field of the form; some say "invalid" to that (Koop), which a fresh one shows
    return None

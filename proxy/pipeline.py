"""THE HOT PATH: admit → parse → match → allow → cache → [token → inject → send → classify] → conceal → clean.

What is decided is in `core/`; here stands the order, and all that waits. Knows no aiohttp and no settings. Raises
`ProxyError` and nothing else; every reply obtained is closed on every path.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from proxy import names, refusals
from proxy.cached import asked
from proxy.core import hygiene, inject, operations, parameters, rewrite
from proxy.core.classify import Finding, Verdict
from proxy.errors import NotAllowed, UpstreamFailed
from proxy.model import Access, Place, Rule
from proxy.plan import Plan, check_operation, decide
from proxy.ports import Clock, ServerInfoSource, Tokens, Upstream
from proxy.runtime import Current, Runtime
from proxy.server_info import answer_info
from proxy.state.allowance import Allowance
from proxy.state.responses import Responses
from proxy.traffic import Audience, Body, Changes, Exchange, Fetched, Incoming, Outgoing, Reply, Token
from proxy.upstream import body as bodies
from proxy.upstream.conceal import conceal, secrets_of
from proxy.upstream.peek import examine

_CACHED: Final = ("GET", "HEAD")
_Ready = tuple[Outgoing, str, bool]  # see `_prepared`
_Finish = Callable[[Reply], Reply]


@dataclass(slots=True)
class Pipeline:
    """Answers requests by the current runtime."""

    current: Current
    upstream: Upstream
    tokens: Tokens
    infos: ServerInfoSource
    allowance: Allowance
    responses: Responses
    clock: Clock

    async def handle(self, incoming: Incoming, exchange: Exchange) -> Reply:
        """The answer, its body still to be streamed. `exchange` gathers what is learned on the way."""
        runtime = self.current.runtime
        exchange.generation = runtime.generation
        plan = decide(runtime, incoming, exchange)
        self.allowance.take(plan.rule, incoming.client)
        if plan.is_info:
            return await answer_info(self.infos, plan.rule, plan.target)
        wish = asked(plan, incoming)
        if wish is not None and (hit := self.responses.hit(wish, exchange)) is not None:
            return hit  # the same request passed all that follows
        body = await bodies.take(incoming, limit=runtime.configuration.limits.body)
        ready = _prepared(plan, incoming, body, exchange)
        fetch, reads = partial(self._fetch, plan, ready, partial(_finished, runtime, plan, incoming.path)), ready[2]
        if wish is not None and reads and incoming.method in _CACHED:
            return await self.responses.answer(wish, exchange, fetch)
        fetched = await fetch(exchange, {})
        if not reads or wish is not None:
            self.responses.written(wish, plan.target, exchange, fetched, edits=not reads)
        return fetched.reply

    async def _fetch(self, plan: Plan, ready: _Ready, finish: _Finish, exchange: Exchange, changes: Changes) -> Fetched:
        """From the upstream, with some headers of the request changed."""
        (outgoing, wanted, reads), token = ready, None
        if changes:
            outgoing = replace(outgoing, headers=hygiene.changed(outgoing.headers, changes))
        if plan.audience is not None:
            reply, token = await self._attempts(plan, plan.audience, outgoing, wanted, exchange, heals=reads)
        else:
            reply = await self._send(outgoing, exchange)
            if plan.credential is not None:
                finding = await examine(reply, wanted, plan.target.path)
                if (denied := refusals.of_web_credential(finding, reply, plan.credential)) is not None:
                    reply.close()
                    raise denied
        framing = hygiene.framing(reply.headers)  # which goes where a text is sent in the clear
        try:
            if plan.credential is not None:
                await conceal(reply, secrets_of(plan.rule.route.identity, token), exchange)
            return Fetched(told=framing | reply.headers, reply=finish(reply))
        except BaseException:
            reply.close()
            raise

    async def _attempts(
        self, plan: Plan, audience: Audience, outgoing: Outgoing, wanted: str, exchange: Exchange, *, heals: bool
    ) -> tuple[Reply, Token]:
        """At most one renewal and, where the place of the token is not known yet, one change of place. The token is
        the one that was taken."""
        rule, credential = plan.rule, plan.credential
        assert credential is not None  # noqa: S101 - whoever has an audience has a credential
        is_form = bool(outgoing.body.whole) and bodies.is_form(outgoing.headers.get(names.CONTENT_TYPE, ""))
        renewed: Token | None = None
        while True:
            token = await self.tokens.get(audience)
            if token is renewed:
                raise refusals.rejected(token)  # the store holds off: there is no other token to try
            place = self.tokens.place(audience, rule.place, is_form=is_form)
            reply = await self._send(inject.authorize(outgoing, token, place, credential.token_param), exchange)
            finding = await examine(reply, wanted, plan.target.path)
            if finding.verdict is Verdict.PASS:
                self.tokens.accepted(token)
                return reply, token
            reply.close()
            denied = refusals.of_token(finding, reply, rule, credential)
            if denied is not None:
                raise denied
            if _is_unheard(finding, rule, place):
                # The token was good and went unheard: the same one again, in the query, now and from now on.
                self.tokens.learn(audience, Place.QUERY)
            elif is_form and place is Place.QUERY and (renewed is not None or _is_required(finding)):
                # So it did in the form; some say "invalid" to that (Koop), which a fresh token in a form shows
                self.tokens.learn(audience, Place.URL)
            else:
                self._reject(token, finding, exchange, can_heal=renewed is None, reads=heals)
                renewed = token
            if not outgoing.body.replayable:
                raise UpstreamFailed("The server wanted a fresh token; send the request again.", slug="not_replayable")

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


def _prepared(plan: Plan, incoming: Incoming, body: Body, exchange: Exchange) -> _Ready:
    """What goes up but for our credential, the format asked for, and whether it only reads.

    Raises NotAllowed where the operation is not allowed: a form's fields have to be judged, too.
    """
    rule, target = plan.rule, plan.target
    content_type = incoming.headers.get(names.CONTENT_TYPE, "")
    dropped = rule.drop_parameters
    if plan.credential is not None:
        dropped |= inject.credential_names(plan.credential.token_param)
    if dropped:
        target = parameters.without(target, dropped, plan.query)
        body = bodies.without(body, content_type, dropped)
    if rule.set_parameters:
        target, body = parameters.added(target, body, content_type, rule.set_parameters)
    whole = body.whole or b""
    query = plan.query if target is plan.target else parameters.split(target.query)
    given = operations.read_parameters(query, whole if whole and bodies.is_form(content_type) else b"")
    element = operations.soap_element(whole) if whole else None
    operation = operations.operation(incoming.method, target, parameters=given, soap_element=element)
    exchange.operation = operation.name
    wanted = check_operation(rule, operation, given)
    headers = hygiene.to_upstream(incoming.headers, referer=rule.referer, request_id=exchange.request_id)
    outgoing = Outgoing(incoming.method, target, headers, body, rule.route)
    return outgoing, wanted, operation.access is Access.READ


def _is_unheard(finding: Finding, rule: Rule, place: Place) -> bool:
    return _is_required(finding) and rule.place is None and place is Place.HEADER


def _is_required(finding: Finding) -> bool:
    return finding.verdict is Verdict.TOKEN_REQUIRED


def _finished(runtime: Runtime, plan: Plan, path: str, reply: Reply) -> Reply:
    """The headers that cross, and a `Location` as the client has to write it."""
    location = reply.headers.get(names.LOCATION)
    content_type = reply.headers.get(names.CONTENT_TYPE, "").lower()
    refusal: UpstreamFailed | NotAllowed | None = None
    headers = hygiene.to_client(reply.headers, private=plan.credential is not None)
    if 300 <= reply.status < 400 and reply.status != 304:
        target = rewrite.resolve(location, plan.target) if location else None
        if target is None or (runtime.table.lookup(target) or runtime.unlisted) is None:
            refusal = UpstreamFailed("The server redirects to a URL that is not in the configuration.", slug="redirect")
        else:
            clean = parameters.without(target, inject.credential_names(names.TOKEN))
            headers[names.LOCATION] = rewrite.through_query(path, clean)
    elif reply.status < 400 and "html" in content_type and plan.credential is not None and not plan.rule.allow_html:
        refusal = NotAllowed(
            "The server's HTML pages are not passed on.", "Ask with f=json, or set allowHtml: true.", slug="operation"
        )
    if refusal is not None:
        raise refusal
    reply.headers = headers
    return reply

"""THE HOT PATH: admit → parse → match → allow → [token → inject → send → classify] → clean → stream.

What is decided is in `core/`; here stands the order, and all that waits. Knows no aiohttp and no settings. Raises
`ProxyError` and nothing else; every reply obtained is closed on every path.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from proxy import names
from proxy.core import hygiene, inject, operations, rewrite
from proxy.core.classify import Finding, Verdict, inspect
from proxy.core.servers import server_for_rule
from proxy.errors import CredentialRefused, NotAllowed, UpstreamFailed
from proxy.model import Access, Credential, Place, Rule
from proxy.plan import Plan, check_operation, decide
from proxy.ports import Clock, ServerInfoSource, Tokens, Upstream
from proxy.runtime import Current, Runtime
from proxy.server_info import answer_info
from proxy.state.allowance import Allowance
from proxy.traffic import Audience, Exchange, Incoming, Outgoing, Reply, Token
from proxy.upstream import body as bodies


@dataclass(slots=True)
class Pipeline:
    """Answers requests by the current runtime."""

    current: Current
    upstream: Upstream
    tokens: Tokens
    infos: ServerInfoSource
    allowance: Allowance
    clock: Clock

    async def handle(self, incoming: Incoming, exchange: Exchange) -> Reply:
        """The answer, its body still to be streamed. `exchange` gathers what is learned on the way."""
        runtime = self.current.runtime
        exchange.generation = runtime.generation
        plan = decide(runtime, incoming, exchange)
        self.allowance.take(plan.rule, incoming.client)
        if plan.credential is not None and plan.target.path.lower().endswith("/rest/info"):
            return await answer_info(self.infos, plan.rule, plan.target)
        body = await bodies.take(incoming, limit=runtime.configuration.limits.body)
        content_type = incoming.headers.get(names.CONTENT_TYPE, "")
        whole = body.whole or b""
        parameters = operations.read_parameters(plan.target.query, whole if bodies.is_form(content_type) else b"")
        element = operations.soap_element(whole) if whole else None
        operation = operations.operation(incoming.method, plan.target, parameters=parameters, soap_element=element)
        exchange.operation = operation.name
        check_operation(plan.rule, operation, parameters)
        target = plan.target
        if plan.credential is not None:
            dropped = inject.credential_names(plan.credential.token_param)
            target = inject.without_credentials(target, dropped)
            body = bodies.without_credentials(body, content_type, dropped)
        headers = hygiene.to_upstream(incoming.headers, referer=plan.rule.referer, request_id=exchange.request_id)
        outgoing = Outgoing(incoming.method, target, headers, body, plan.rule.route)
        wanted = operations.wanted_format(parameters)
        if plan.credential is None:
            reply = await self._send(outgoing, exchange)
        else:
            heals = operation.access is Access.READ
            reply = await self._attempts(plan, plan.credential, outgoing, wanted, exchange, heals=heals)
        return _finished(runtime, plan, incoming, reply)

    async def _attempts(
        self, plan: Plan, credential: Credential, outgoing: Outgoing, wanted: str, exchange: Exchange, *, heals: bool
    ) -> Reply:
        """At most one renewal and, where the place of the token is not known yet, one change of place."""
        rule = plan.rule
        audience = Audience(credential.name, server_for_rule(rule, plan.target), rule.referer)
        renewed: Token | None = None
        while True:
            token = await self.tokens.get(audience)
            if token is renewed:
                raise _rejected()  # the store holds off: there is no other token to try
            place = self.tokens.place(audience, rule.place)
            reply = await self._send(inject.authorize(outgoing, token, place, credential.token_param), exchange)
            finding = await _examine(reply, wanted, plan.target.path)
            if finding.verdict is Verdict.PASS:
                self.tokens.accepted(token)
                return reply
            reply.close()
            if finding.verdict is Verdict.DENIED:
                raise _denied(finding)
            if _is_unheard(finding, rule, place):
                # The token was good and went unheard: the same one again, in the query, now and from now on.
                self.tokens.learn_query(audience)
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
        if not can_heal:
            raise _rejected()
        exchange.renewals += 1

    async def _send(self, outgoing: Outgoing, exchange: Exchange) -> Reply:
        exchange.attempts += 1
        began = self.clock()
        try:
            return await self.upstream.send(outgoing)
        finally:
            exchange.upstream_seconds += self.clock() - began


async def _examine(reply: Reply, wanted: str, path: str) -> Finding:
    """Looks at as many bytes as it takes, usually the first few, and puts them back in front of the rest."""
    try:
        inspector = inspect(reply.status, reply.headers, wanted=wanted, path=path)
        if inspector is None:
            return Finding(Verdict.PASS)
        if isinstance(inspector, Finding):
            return inspector
        if isinstance(reply.body, bytes):
            return inspector.feed(reply.body) or inspector.finish()
        held: list[bytes] = []
        finding: Finding | None = None
        async for piece in reply.body:
            held.append(piece)
            finding = inspector.feed(piece)
            if finding is not None:
                break
        reply.body = _resumed(held, reply.body)
        return finding or inspector.finish()
    except BaseException:
        reply.close()
        raise


async def _resumed(held: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while held:
        yield held.pop(0)
    async for piece in rest:
        yield piece


def _is_unheard(finding: Finding, rule: Rule, place: Place) -> bool:
    return finding.verdict is Verdict.TOKEN_REQUIRED and rule.place is None and place is Place.HEADER


def _rejected() -> CredentialRefused:
    return CredentialRefused(
        "The server accepts no token that the proxy's credential gets.",
        "Check the user's rights on this service, and the referer setting of the rule.",
        slug="token_rejected",
    )


def _denied(finding: Finding) -> NotAllowed:
    return NotAllowed(
        finding.message or "The server denies this to the proxy's credential.",
        "The token is valid: the user lacks a right on this service.",
        slug="denied",
    )


def _finished(runtime: Runtime, plan: Plan, incoming: Incoming, reply: Reply) -> Reply:
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
            clean = inject.without_credentials(target, inject.credential_names(names.TOKEN))
            headers[names.LOCATION] = rewrite.through_query(incoming.path, clean)
    elif reply.status < 400 and "html" in content_type and plan.credential is not None and not plan.rule.allow_html:
        refusal = NotAllowed(
            "The server's HTML pages are not passed on.", "Ask with f=json, or set allowHtml: true.", slug="operation"
        )
    if refusal is not None:
        reply.close()
        raise refusal
    reply.headers = headers
    return reply

"""THE HOT PATH: admit → parse → match → who → allow → [token → inject → send → classify] → conceal → clean → stream.

What is decided is in `core/`; here stands the order, and all that waits. Knows no aiohttp and no settings. Raises
`ProxyError` and nothing else; every reply obtained is closed on every path.
"""

from dataclasses import dataclass

from proxy import links, names, refusals
from proxy.core import demands, hygiene, inject, operations, parameters, users
from proxy.core.classify import Finding, Verdict, is_file
from proxy.core.content import is_form as is_form_type
from proxy.errors import NotAllowed, UpstreamFailed
from proxy.model import Access, Place, Rule, WebCredential
from proxy.plan import Plan, check_operation, decide, speak_for
from proxy.ports import Allowance, Clock, ServerInfoSource, Tokens, Upstream
from proxy.runtime import Current, Runtime
from proxy.server_info import answer_info
from proxy.traffic import Audience, Body, Exchange, Incoming, Outgoing, Reply, Token
from proxy.upstream import body as bodies
from proxy.upstream.conceal import conceal, secrets_of
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
    clock: Clock

    async def handle(self, incoming: Incoming, exchange: Exchange) -> Reply:
        """The answer, its body still to be streamed. `exchange` gathers what is learned on the way."""
        runtime = self.current.runtime
        exchange.generation = runtime.generation
        links.check_name(incoming)
        plan = decide(runtime, incoming, exchange)
        user = await self.users.admit(runtime.configuration.users, plan.rule, incoming, exchange)
        if plan.rule.rate is not None:
            await self.allowance.take(plan.rule, incoming.client if user is None else users.as_client(user))
        if plan.is_info:
            return await answer_info(self.infos, plan.rule, plan.target)
        body = await bodies.take(incoming, limit=runtime.configuration.limits.body)
        outgoing, wanted, heals = _prepared(plan, incoming, body, exchange)
        if user is not None:
            speak_for(user, plan, incoming, outgoing, reads=heals)
        token: Token | None = None
        if plan.audience is not None:
            reply, token = await self._attempts(plan, plan.audience, outgoing, wanted, exchange, heals=heals)
        else:
            reply = await self._send(outgoing, exchange)
            if plan.credential is not None:
                finding = await examine(reply, wanted, plan.target.path, secrets_of(plan.rule, None))
                if (denied := refusals.of_web_credential(finding, reply, plan.credential)) is not None:
                    reply.close()
                    raise denied
        try:
            if secrets := secrets_of(plan.rule, token):
                await conceal(reply, secrets, exchange)
            reply.headers = _finished(runtime, plan, incoming, reply)
            await links.lead_here(reply, runtime, incoming, plan.target)
        except BaseException:
            reply.close()
            raise
        return reply

    async def _attempts(
        self,
        plan: Plan,
        audience: Audience,
        outgoing: Outgoing,
        wanted: str,
        exchange: Exchange,
        *,
        heals: bool,
    ) -> tuple[Reply, Token]:
        """At most one renewal and, where the place of the token is not known yet, one change of place. The token is
        the one that was taken."""
        rule, credential = plan.rule, plan.credential
        assert credential is not None  # noqa: S101 - whoever has an audience has a credential
        assert not isinstance(credential, WebCredential)  # noqa: S101 - and it gets tokens
        is_form = bool(outgoing.body.whole) and is_form_type(outgoing.headers.get(names.CONTENT_TYPE, ""))
        path = plan.target.path
        renewed: Token | None = None
        tried: list[Place] = []  # learned once a request passes
        while True:
            token = await self.tokens.get(audience)
            if token is renewed:
                raise refusals.rejected(token)  # the store holds off: there is no other token to try
            place = tried[-1] if tried else self.tokens.place(audience, rule.place, is_form=is_form, path=path)
            reply = await self._send(inject.authorize(outgoing, token, place, credential), exchange)
            finding = await examine(reply, wanted, path, secrets_of(rule, token))
            if finding.verdict is Verdict.PASS:
                self._learn(audience, tried, path)
                self.tokens.accepted(token, place)
                return reply, token
            reply.close()
            denied = refusals.of_token(finding, reply, rule, credential)
            if denied is not None:
                raise denied
            if _is_unheard(finding, rule, place):
                # The token may be good and went unheard: the same one again, in the query, and if that is heard always
                tried.append(Place.QUERY)
            elif is_form and place is Place.QUERY and (renewed is not None or _is_required(finding)):
                # So it did in the form; some say "invalid" to that (Koop), which a fresh token in a form shows
                tried.append(Place.URL)
            else:
                self._reject(token, finding, exchange, can_heal=renewed is None, reads=heals)
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


def _prepared(plan: Plan, incoming: Incoming, body: Body, exchange: Exchange) -> tuple[Outgoing, str, bool]:
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
    body, fields = bodies.judged(body, content_type, dropped=dropped, read=demands.JUDGED)
    element = operations.soap_element(body.whole) if body.whole else None
    if body.whole and element is not None:
        fields += demands.in_xml(body.whole)
    query = plan.query if target is plan.target else parameters.split(target.query)
    if rule.set_parameters:
        forced = parameters.forced(rule.set_parameters)
        target, body = parameters.added(target, body, content_type, parameters.encoded(forced))
        fields += forced
    given = demands.read_parameters(query, fields)
    operation = operations.operation(incoming.method, target, parameters=given, soap_element=element)
    exchange.operation = operation.name
    wanted = check_operation(rule, operation, given)
    is_edit = operation.access >= Access.EDIT
    bodies.check_stream(body, content_type, is_edit=is_edit, is_filtered=bool(rule.drop_parameters))
    headers = hygiene.to_upstream(incoming.headers, referer=rule.referer, request_id=exchange.request_id)
    if body.whole != b"":
        headers.setdefault(names.CONTENT_TYPE, names.BYTES_TYPE)  # or the server guesses, which is not what was judged
    links.validators(incoming, target, headers)
    outgoing = Outgoing(incoming.method, target, headers, body, rule.route)
    return outgoing, wanted, operation.access is Access.READ


def _is_unheard(finding: Finding, rule: Rule, place: Place) -> bool:
    return _is_required(finding) and rule.place is None and place is Place.HEADER


def _is_required(finding: Finding) -> bool:
    return finding.verdict is Verdict.TOKEN_REQUIRED


def _finished(runtime: Runtime, plan: Plan, incoming: Incoming, reply: Reply) -> dict[str, str]:
    """The headers that cross, and those that lead somewhere as the client has to write them."""
    content_type = reply.headers.get(names.CONTENT_TYPE, "").lower()
    headers = hygiene.to_client(reply.headers, private=plan.credential is not None or plan.rule.users is not None)
    if plan.rule.users is not None and runtime.configuration.users is not None:
        headers[names.VARY] = users.varied(headers.get(names.VARY, ""), runtime.configuration.users)
    if 300 <= reply.status < 400 and reply.status != 304:
        location = reply.headers.get(names.LOCATION)
        headers[names.LOCATION] = links.location(runtime, incoming, plan.rule, plan.target, plan.asked, location)
    elif reply.status < 400 and "html" in content_type and plan.credential is not None and not plan.rule.allow_html:
        raise NotAllowed(
            "The server's HTML pages are not passed on.", "Ask with f=json, or set allowHtml: true.", slug="operation"
        )
    return headers | links.further(runtime, incoming, plan.target, reply.headers)

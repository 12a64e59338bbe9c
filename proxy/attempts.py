"""The attempts of one request: which token goes where, and what follows from the answer. Every reply obtained is
closed on every path but the one that it is returned on.
"""

from dataclasses import dataclass
from typing import NamedTuple

from proxy import names, refusals
from proxy.core import inject
from proxy.core.classify import PASSED, Finding, Verdict, is_plainly_good
from proxy.core.content import is_form as is_form_type
from proxy.core.inflate import in_the_clear
from proxy.core.paths import is_file
from proxy.errors import UpstreamFailed
from proxy.identity import Place
from proxy.model import Rule
from proxy.plan import Plan
from proxy.ports import Clock, Tokens, Upstream
from proxy.runtime import Bearer
from proxy.shape import Ready
from proxy.traffic import Audience, Exchange, Outgoing, Reply, Token
from proxy.upstream.conceal import with_token
from proxy.upstream.peek import examine


class Begun(NamedTuple):
    """A first attempt that was made without waiting, and its answer."""

    token: Token
    place: Place
    reply: Reply


@dataclass(slots=True)
class Attempts:
    """Sends, with a token or without one."""

    upstream: Upstream
    tokens: Tokens
    clock: Clock

    async def by_token(
        self, plan: Plan, bearer: Bearer, ready: Ready, outgoing: Outgoing, exchange: Exchange, begun: Begun | None
    ) -> tuple[Reply, bytes | None, tuple[str, ...]]:
        """At most one renewal and, where the place of the token is not known yet, one change of place. `begun` is the
        first attempt, if it was made already. Beside the reply: its body as `in_the_clear` has it, and what must not
        come down of what went up. Raises ProxyError."""
        (credential, audience), rule, path = bearer, plan.rule, plan.place.path
        is_form = bool(outgoing.body.whole) and is_form_type(outgoing.headers.get(names.CONTENT_TYPE, ""))
        renewed: Token | None = None
        tried: list[Place] = []  # learned once a request passes
        while True:
            if begun is not None:
                (token, place, reply), begun = begun, None
            else:
                token = self.tokens.at_hand(audience) or await self.tokens.get(audience)
                if token is renewed:
                    raise refusals.rejected(token)  # the store holds off: there is no other token to try
                place = tried[-1] if tried else self.tokens.place(audience, rule.place, is_form=is_form, path=path)
                reply = await self.send(inject.authorize(outgoing, token, place, credential), exchange)
            secrets = with_token(plan.place.secrets, token, self.clock)
            text = in_the_clear(reply.headers, reply.body)
            is_good = is_plainly_good(reply, text)
            finding = PASSED if is_good else await examine(reply, ready.wanted, path, secrets)
            if finding.verdict is Verdict.PASS:
                if tried:
                    self._learn(audience, tried, path)
                self.tokens.accepted(token, place)
                return reply, text, secrets
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

    async def send(self, outgoing: Outgoing, exchange: Exchange) -> Reply:
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

"""What a request wants of the cache: its key, and what the answer may depend on. Asks nobody and stores no answers."""

from typing import Final

from proxy import names
from proxy.core import hygiene, parameters
from proxy.plan import Plan
from proxy.runtime import Known, Runtime
from proxy.traffic import Asked, Exchange, Incoming, User

_MOST_KNOWN, _LONGEST_KNOWN = 4096, 512  # targets, and characters of one
_GET: Final = "GET"


def asked(plan: Plan, incoming: Incoming, user: User | None) -> Asked | None:
    """None where nothing may be kept: the rule has no cache, or the client brought a token of its own."""
    rule, target, headers = plan.rule, plan.target, incoming.headers
    if rule.cache is None:
        return None
    if plan.place.credential is None and names.TOKEN in plan.query.keys.names:
        return None
    target = parameters.without(target, plan.place.dropped, plan.query)
    # The same for every user of the rule: upstream they are one, unless it is told who asks. A mount's answers are
    # full of our own address, as the client wrote it.
    who = user.name if user is not None and rule.user_header else ""
    here = str(incoming.own_origin) if incoming.is_mounted else ""
    return Asked(
        key=(rule.cache.scope, f"{here} {who}", plan.place.name, target.query),
        method=incoming.method,
        headers=headers,
        policy=rule.cache,
        upward=lambda: hygiene.to_upstream(headers, referer=rule.referer),
    )


def remember(runtime: Runtime, plan: Plan, incoming: Incoming, asked: Asked, exchange: Exchange) -> None:
    """After a hit: the next one of this target need not be judged anew, but for its page and its client's limit. Not
    where the answer depends on who asks, or on the name by which they reached us."""
    raw = incoming.raw_target
    if raw is None or len(raw) > _LONGEST_KNOWN or raw in runtime.known:
        return
    if incoming.is_mounted or plan.rule.users is not None or incoming.method != _GET:
        return
    if len(runtime.known) >= _MOST_KNOWN:
        runtime.known.clear()
    runtime.known[raw] = Known(
        rule=plan.rule,
        policy=plan.place.policy,
        key=asked.key,
        shown=exchange.target,
        query_keys=exchange.query_keys,
        credential=exchange.credential,
        operation=exchange.operation,
        generation=runtime.generation,
    )

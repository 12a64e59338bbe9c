"""What a request wants of the cache: its key, and what the answer may depend on. Asks nobody and stores nothing."""

from proxy import names
from proxy.core import hygiene, parameters
from proxy.plan import Plan
from proxy.traffic import Asked, Incoming, User


def asked(plan: Plan, incoming: Incoming, user: User | None) -> Asked | None:
    """None where nothing may be kept: the rule has no cache, or the client brought a token of its own."""
    rule, target, headers = plan.rule, plan.target, incoming.headers
    if rule.cache is None:
        return None
    if plan.credential is None and names.TOKEN in plan.query.names:
        return None
    target = parameters.without(target, plan.dropped, plan.query)
    # The same for every user of the rule: upstream they are one, unless it is told who asks. A mount's answers are
    # full of our own address, as the client wrote it.
    who = user.name if user is not None and rule.user_header else ""
    here = str(incoming.own_origin) if incoming.is_mounted else ""
    return Asked(
        key=(rule.cache.scope, f"{here} {who}", plan.place, target.query),
        method=incoming.method,
        headers=headers,
        policy=rule.cache,
        upward=lambda: hygiene.to_upstream(headers, referer=rule.referer, request_id=""),
    )

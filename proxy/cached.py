"""What a request wants of the cache: its key, and what the answer may depend on. Asks nobody and stores nothing."""

from proxy import names
from proxy.core import hygiene, inject, parameters
from proxy.plan import Plan
from proxy.traffic import Asked, Incoming


def asked(plan: Plan, incoming: Incoming) -> Asked | None:
    """None where nothing may be kept: the rule has no cache, or the client brought a token of its own."""
    rule, target, headers = plan.rule, plan.target, incoming.headers
    if rule.cache is None:
        return None
    dropped = rule.drop_parameters
    if plan.credential is not None:
        dropped |= inject.credential_names(plan.credential.token_param)
    elif names.TOKEN in plan.query.names:
        return None
    target = parameters.without(target, dropped, plan.query)
    # The same for every user of the rule: upstream they are one. Once a rule gives its users different answers, whose
    # answer it is belongs where the empty text stands.
    key = (rule.cache.scope, "", plan.place, target.query)
    return Asked(
        key=key,
        method=incoming.method,
        headers=headers,
        policy=rule.cache,
        upward=lambda: hygiene.to_upstream(headers, referer=rule.referer, request_id=""),
    )

"""`hostRedirect`: where a rule's requests go in place of its own URL, and the way back. Pure text; nothing is fetched.

What clients name is matched and logged; what is sent, signed and judged as an operation is the upstream's URL.
"""

from proxy.model import Rule
from proxy.urls import Origin, Target


def upstream_path(rule: Rule) -> str:
    """The rule's own path at the server that answers, without a trailing slash."""
    to = rule.redirect
    if to is None:
        return rule.path
    return to.path if to.strips else to.path + rule.path


def sent(rule: Rule, target: Target) -> Target:
    """What is asked of the upstream for `target`, which falls under `rule`."""
    to = rule.redirect
    if to is None:
        return target
    rest = target.path[len(rule.path) :] if to.strips else target.path
    return Target(to.origin, f"{to.path}{rest}" or "/", target.query)


def shown(rule: Rule, target: Target, asked: Origin) -> Target:
    """The other way: an upstream's URL as clients name it, on the origin that they asked for. URLs that are not below
    the redirect stay as they are."""
    to = rule.redirect
    base = upstream_path(rule)
    if to is None or target.origin != to.origin or not f"{target.path}/".lower().startswith(f"{base}/".lower()):
        return target
    path = target.path[len(base) :]
    return Target(asked, f"{rule.path}{path}" or "/", target.query)

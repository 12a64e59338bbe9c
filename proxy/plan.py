"""What is decided about a request before anything is sent: target, page, rule, verb, operation. Waits for nothing."""

from dataclasses import dataclass
from typing import Final

from proxy import names
from proxy.core import admit, operations
from proxy.core.target import parse_request_target
from proxy.errors import BadRequest, MethodNotAllowed, NotAllowed
from proxy.model import Access, AdmitPolicy, Credential, Rule, Target
from proxy.runtime import Runtime
from proxy.server_info import info_rule
from proxy.traffic import Exchange, Incoming

_MOST_ADMITTED: Final = 4096
READING = ("GET", "HEAD", "POST")
EDITING = (*READING, "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided about a request before its body was read."""

    target: Target
    rule: Rule
    credential: Credential | None


def decide(runtime: Runtime, incoming: Incoming, exchange: Exchange) -> Plan:
    """Everything that can be said without waiting. Raises BadRequest, NotAllowed or MethodNotAllowed."""
    if incoming.raw_target is None:
        raise BadRequest("There is no target URL.", "Write it after the question mark: /proxy?https://host/…")
    target = parse_request_target(incoming.raw_target)
    exchange.target = f"{target.origin}{target.path}"
    exchange.query_keys = tuple(pair.partition("=")[0] for pair in (target.query or "").split("&") if pair)
    rule = runtime.table.lookup(target) or info_rule(runtime.table, target) or runtime.unlisted
    policy = runtime.configuration.admit if rule is None or rule.admit is None else rule.admit
    exchange.policy = policy
    _admit(runtime, policy, incoming)
    if rule is None:
        rule = runtime.table.find(target)  # refuses
    exchange.rule = rule.name
    if incoming.method not in methods(rule):
        raise MethodNotAllowed(f"{incoming.method} is not allowed here.", "access: edit on the rule allows edits.")
    credential = runtime.credentials[rule.credential] if rule.credential else None
    exchange.credential = rule.credential or ""
    return Plan(target, rule, credential)


def _admit(runtime: Runtime, policy: AdmitPolicy, incoming: Incoming) -> None:
    """A page that is welcome once is welcome again: its hundred pictures need no hundred looks."""
    headers = incoming.headers
    page = (id(policy), headers.get(names.REFERER), headers.get(names.ORIGIN), incoming.own_origin)
    if page in runtime.admitted:
        return
    admit.admit(policy, headers, incoming.own_origin)
    if len(runtime.admitted) >= _MOST_ADMITTED:
        runtime.admitted.clear()
    runtime.admitted.add(page)


def methods(rule: Rule | None) -> tuple[str, ...]:
    """The verbs that a rule takes."""
    return EDITING if rule is not None and rule.access >= Access.EDIT else READING


def check_operation(rule: Rule, operation: operations.Operation, parameters: operations.Parameters) -> None:
    """What needs the parameters to be judged, a form's too. Raises NotAllowed (slug `operation`)."""
    reason = operations.refuse_reason(rule, operation)
    if reason is not None:
        raise NotAllowed(reason, slug="operation")
    if not rule.allow_jsonp and operations.wants_jsonp(parameters):
        raise NotAllowed(
            "JSONP (callback=) lets any page read the answer.", "allowJsonp: true allows it.", slug="operation"
        )
    if not rule.allow_data_layers and operations.has_data_layer(parameters):
        raise NotAllowed(
            "A dataLayer source can name any table of the server.", "allowDataLayers: true allows it.", slug="operation"
        )
    if rule.credential and not rule.allow_html and operations.wanted_format(parameters) == "html":
        raise NotAllowed(
            "The server's HTML pages are not passed on.", "Ask with f=json, or set allowHtml: true.", slug="operation"
        )

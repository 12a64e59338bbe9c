"""What is decided about a request before anything is sent: target, page, rule, verb, operation. Waits for nothing."""

from typing import Final, NamedTuple

from proxy import names
from proxy.core import admit, browsers, demands, hygiene, inject, operations, rewrite
from proxy.core.hygiene import ClientHeaders
from proxy.core.match import not_listed
from proxy.core.parameters import Query, split
from proxy.core.redirect import sent, upstream_path
from proxy.core.servers import audience_of
from proxy.core.target import clean_query, has_plain_base, parse_request_target
from proxy.core.users import as_header
from proxy.errors import BadRequest, MethodNotAllowed, NotAllowed
from proxy.identity import WebCredential
from proxy.model import Access, AdmitPolicy, Rule
from proxy.runtime import Bearer, Course, Destination, Runtime, Way
from proxy.server_info import info_rule
from proxy.traffic import Exchange, Incoming, Outgoing, User
from proxy.upstream.conceal import secrets_of
from proxy.urls import Origin, Target

_MOST_ADMITTED: Final = 4096
_MOST_KEPT, _LONGEST_KEPT = 8192, 512  # places, and characters of one
_MOST_COURSES, _LONGEST_HEADERS = 1024, 2048  # and characters of the headers of one
MOST_SHOWN: Final = 30  # keys of a query, in log lines: they wait to be written
READING = ("GET", "HEAD", "POST")
EDITING = (*READING, "PUT", "PATCH", "DELETE")


class Plan(NamedTuple):
    """What was decided about a request before its body was read."""

    place: Destination
    target: Target  # what is asked of the upstream
    query: Query  # the target's
    rule: Rule
    course: Course | None  # None where this is the first such request


def decide(runtime: Runtime, incoming: Incoming, exchange: Exchange) -> Plan:
    """Everything that can be said without waiting. Raises BadRequest, NotAllowed or MethodNotAllowed."""
    raw = incoming.raw_target
    if raw is None:
        raise BadRequest("There is no target URL.", "Write it after the question mark: /proxy?https://host/…")
    base, mark, query = raw.partition("?")
    way = base, incoming.method, id(incoming.headers)
    course = course_of(runtime, way, incoming.own_origin, is_fronted=incoming.peer_is_trusted) if mark else None
    if course is None:
        return _judged(runtime, incoming, exchange, raw, way)
    place, rule = course.place, course.rule
    target = Target(place.origin, place.path, clean_query(query))
    parts = split(target.query)
    exchange.target, exchange.query_keys = place.shown, parts.keys.written[:MOST_SHOWN]
    exchange.policy = place.policy
    exchange.rule, exchange.credential = rule.name, rule.credential or ""
    return Plan(place, target, parts, rule, course)


def course_of(runtime: Runtime, way: Way, own_origin: Origin | None, *, is_fronted: bool) -> Course | None:
    """What is known of requests that go this way, for whom the same was said of how they reached us."""
    course = runtime.courses.get(way)
    if course is None or course.own_origin is not own_origin or course.is_fronted is not is_fronted:
        return None
    return course


def _judged(runtime: Runtime, incoming: Incoming, exchange: Exchange, raw: str, way: Way) -> Plan:
    """As `decide`; if it says nothing against the request it need not be asked again of another query."""
    base, mark, query = raw.partition("?")
    known = runtime.destinations.get(base) if mark else None
    if known is not None:
        place, target = known, Target(known.origin, known.path, clean_query(query))
    else:
        target = parse_request_target(raw)
        place = _destination(runtime, target)
        target = Target(place.origin, place.path, target.query)
        if mark and len(base) <= _LONGEST_KEPT and has_plain_base(raw):
            if len(runtime.destinations) >= _MOST_KEPT:
                runtime.destinations.clear()
            runtime.destinations[base] = place
    parts = split(target.query)
    exchange.target, exchange.query_keys = place.shown, parts.keys.written[:MOST_SHOWN]
    exchange.policy = place.policy
    _admit(runtime, place.policy, incoming)
    rule = place.rule or runtime.table.find(target)  # which refuses
    exchange.rule, exchange.credential = rule.name, rule.credential or ""
    if browsers.needs_look(incoming.headers):
        browsers.check(incoming.headers, rule, place.policy)
    if incoming.method not in methods(rule):
        raise MethodNotAllowed(f"{incoming.method} is not allowed here.", "access: edit on the rule allows edits.")
    if known is not None and incoming.method in names.SAFE_METHODS:
        _remember(runtime, way, known, rule, incoming)
    return Plan(place, target, parts, rule, None)


def _remember(runtime: Runtime, way: Way, place: Destination, rule: Rule, incoming: Incoming) -> None:
    """Not before these very headers come again: what a client writes anew each time would only take room."""
    headers = incoming.headers
    if not isinstance(headers, ClientHeaders) or sum(map(len, headers.values())) > _LONGEST_HEADERS:
        return
    if not headers.came_before:
        headers.came_before = True
        return
    operation = None
    if not (rule.set_parameters or rule.user_header or names.IF_NONE_MATCH in headers):
        target = Target(place.origin, place.path)
        operation = operations.operation(incoming.method, target, parameters={}, soap_element=None)
        if operations.refuse_reason(rule, operation) is not None:
            operation = None  # each is told why
    if len(runtime.courses) >= _MOST_COURSES:
        runtime.courses.clear()
    runtime.courses[way] = Course(
        place,
        rule,
        headers,
        incoming.own_origin,
        incoming.peer_is_trusted,
        hygiene.to_upstream(headers, referer=rule.referer),
        operation,
        is_express=operation is not None and incoming.method == "GET" and _is_express(place, rule, operation),
    )


def _is_express(place: Destination, rule: Rule, operation: operations.Operation) -> bool:
    asks_others = place.is_info or place.names_hosts or rule.users is not None or rule.cache is not None
    is_by_token = place.bearer is not None and rule.route.identity is None
    return is_by_token and not asks_others and operation.access is Access.READ


def _destination(runtime: Runtime, target: Target) -> Destination:
    found = runtime.table.lookup(target)
    rule = found or info_rule(runtime.table, target) or runtime.unlisted
    if rule is not None and runtime.table.is_passed_by(target, found):
        raise BadRequest("The path of the target can be read in two ways.", "Write it as the configuration has it.")
    shown = f"{target.origin}{target.path}"
    asked, target = target.origin, target if rule is None else sent(rule, target)
    leads = rule if rule is not None and rule.redirect is not None else None
    if leads is not None and runtime.table.stands_below(target, leads, upstream_path(leads)):
        raise not_listed()
    policy = runtime.configuration.admit if rule is None or rule.admit is None else rule.admit
    credential = runtime.credentials[rule.credential] if rule is not None and rule.credential else None
    bearer = None
    if rule is not None and credential is not None and not isinstance(credential, WebCredential):
        bearer = Bearer(credential, audience_of(rule, credential.name, target))
    dropped = frozenset[str]() if rule is None else rule.drop_parameters
    if credential is not None:
        dropped |= inject.credential_names(credential.token_param)
    return Destination(
        origin=target.origin,
        path=target.path,
        name=f"{target.origin}{target.path}",
        asked=asked,
        shown=shown,
        rule=rule,
        policy=policy,
        credential=credential,
        bearer=bearer,
        is_info=credential is not None and target.path.lower().endswith("/rest/info"),
        names_hosts=rewrite.names_hosts(target.path),
        dropped=dropped,
        secrets=() if rule is None else secrets_of(rule),
    )


def _admit(runtime: Runtime, policy: AdmitPolicy, incoming: Incoming) -> None:
    """A page that is welcome once is welcome again: its hundred pictures need no hundred looks."""
    headers = incoming.headers
    referer, origin = headers.get(names.REFERER, ""), headers.get(names.ORIGIN, "")
    admit.require_name(policy, headers, is_fronted=incoming.peer_is_trusted)
    page = (id(policy), referer, origin, incoming.own_origin)
    if page in runtime.admitted:
        return
    admit.admit(policy, headers, incoming.own_origin)
    if len(referer) + len(origin) > _LONGEST_KEPT:
        return
    if len(runtime.admitted) >= _MOST_ADMITTED:
        runtime.admitted.clear()
    runtime.admitted.add(page)


def speak_for(user: User, plan: Plan, incoming: Incoming, outgoing: Outgoing, *, reads: bool) -> None:
    """Tells the upstream who asks, where the rule says so. Raises NotAllowed for a change in the name of a user whose
    browser another page may have sent (CSRF)."""
    if user.is_ambient and not reads:
        admit.require_page(plan.place.policy, incoming.headers, incoming.own_origin)
    if plan.rule.user_header:
        outgoing.headers[plan.rule.user_header] = as_header(user)


def methods(rule: Rule | None) -> tuple[str, ...]:
    """The verbs that a rule takes."""
    return EDITING if rule is not None and rule.access >= Access.EDIT else READING


def check_operation(rule: Rule, operation: operations.Operation, parameters: demands.Parameters) -> str:
    """What needs the parameters to be judged, a form's too. The format that was asked for; raises NotAllowed (slug
    `operation`)."""
    reason = operations.refuse_reason(rule, operation)
    if reason is not None:
        raise NotAllowed(reason, slug="operation")
    if not rule.allow_jsonp and demands.wants_jsonp(parameters):
        raise NotAllowed(
            "JSONP (callback=) lets any page read the answer.", "allowJsonp: true allows it.", slug="operation"
        )
    if not rule.allow_data_layers and demands.has_data_layer(parameters):
        raise NotAllowed(
            "A dataLayer source can name any table of the server.", "allowDataLayers: true allows it.", slug="operation"
        )
    wanted = demands.wanted_format(parameters)
    if wanted == "html" and rule.credential and not rule.allow_html:
        raise NotAllowed(
            "The server's HTML pages are not passed on.", "Ask with f=json, or set allowHtml: true.", slug="operation"
        )
    return wanted

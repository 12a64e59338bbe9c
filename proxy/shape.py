"""Before and after the attempts: what goes up in place of what came, and the headers that come down. Never waits."""

from typing import NamedTuple

from proxy import links, names
from proxy.core import demands, hygiene, operations, parameters, users
from proxy.core.operations import Operation
from proxy.core.parameters import Query
from proxy.errors import NotAllowed
from proxy.model import Access
from proxy.plan import Plan, check_operation
from proxy.runtime import Course, Runtime
from proxy.traffic import Body, Exchange, Incoming, Outgoing, Reply
from proxy.upstream import body as bodies
from proxy.urls import Target


class Ready(NamedTuple):
    """What goes up but for our credential, the format asked for, and whether it only reads."""

    outgoing: Outgoing
    wanted: str
    reads: bool


def prepared(plan: Plan, incoming: Incoming, body: Body, exchange: Exchange) -> Ready:
    """Raises NotAllowed where the operation is not allowed: a form's fields have to be judged, too."""
    course = plan.course
    if course is not None and course.operation is not None:
        wanted = format_alone(course, plan.query)
        if wanted is not None:
            return _as_before(course, course.operation, plan.target, wanted, incoming, body, exchange)
    return _judged(plan, incoming, body, exchange)


def format_alone(course: Course, query: Query) -> str | None:
    """The format asked for, where a query says nothing else that is judged, and nothing that is taken out; None where
    it has to be looked at."""
    if not course.place.dropped.isdisjoint(query.keys.names):
        return None
    wanted = demands.format_alone(query)
    return None if wanted == "html" else wanted


def _as_before(
    course: Course,
    operation: Operation,
    target: Target,
    wanted: str,
    incoming: Incoming,
    body: Body,
    exchange: Exchange,
) -> Ready:
    """Of a request without a body whose query says nothing that needs to be judged."""
    exchange.operation = operation.name
    outgoing = Outgoing(
        incoming.method,
        target,
        course.upward,
        body,
        course.rule.route,
        client=incoming.client,
        request_id=exchange.request_id,
    )
    return Ready(outgoing, wanted, operation.access is Access.READ)


def _judged(plan: Plan, incoming: Incoming, body: Body, exchange: Exchange) -> Ready:
    rule, target, dropped = plan.rule, plan.target, plan.place.dropped
    content_type = incoming.headers.get(names.CONTENT_TYPE, "")
    if dropped:
        target = parameters.without(target, dropped, plan.query)
    body, fields, element = bodies.judged(body, content_type, dropped=dropped)
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
    headers = hygiene.to_upstream(incoming.headers, referer=rule.referer)
    if body.whole != b"":
        headers.setdefault(names.CONTENT_TYPE, names.BYTES_TYPE)  # or the server guesses, which is not what was judged
    links.validators(incoming, target, headers)
    outgoing = Outgoing(
        incoming.method, target, headers, body, rule.route, client=incoming.client, request_id=exchange.request_id
    )
    return Ready(outgoing, wanted, operation.access is Access.READ)


def finished(runtime: Runtime, plan: Plan, incoming: Incoming, reply: Reply) -> dict[str, str]:
    """The headers that cross, and those that lead somewhere as the client has to write them."""
    headers = hygiene.to_client(reply.headers, private=plan.place.credential is not None or plan.rule.users is not None)
    if plan.rule.users is not None and runtime.configuration.users is not None:
        headers[names.VARY] = users.varied(headers.get(names.VARY, ""), runtime.configuration.users)
    if 300 <= reply.status < 400 and reply.status != 304:
        location = reply.headers.get(names.LOCATION)
        headers[names.LOCATION] = links.location(runtime, incoming, plan.rule, plan.target, plan.place.asked, location)
    elif (
        plan.place.credential is not None
        and not plan.rule.allow_html
        and reply.status < 400
        and "html" in reply.headers.get(names.CONTENT_TYPE, "").lower()
    ):
        raise NotAllowed(
            "The server's HTML pages are not passed on.", "Ask with f=json, or set allowHtml: true.", slug="operation"
        )
    if incoming.is_mounted:
        headers |= links.further(runtime, plan.target, reply.headers)
    return headers

"""What the configuration became: one frozen value, swapped whole on reload. A request keeps the one it began with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.core.hygiene import ClientHeaders
from proxy.core.match import RuleTable
from proxy.core.mount import Mounts
from proxy.core.operations import Operation
from proxy.core.repeated import Upward
from proxy.identity import Credential, Place, Route, StaticCredential, TokenCredential, WebCredential
from proxy.model import AdmitPolicy, Configuration, JwtUsers, Rule
from proxy.traffic import Audience, Token
from proxy.urls import Origin


class Bearer(NamedTuple):
    """Whose token goes with a request, and what for it has to be good."""

    credential: TokenCredential
    audience: Audience


@dataclass(frozen=True, slots=True)
class Destination:
    """What is known of a place before its query, its method and its page are."""

    origin: Origin  # where the request goes
    path: str
    name: str  # both as one text
    asked: Origin  # which the client named: another one where the rule has a `hostRedirect`
    shown: str  # in log lines
    rule: Rule | None
    policy: AdmitPolicy
    credential: Credential | None
    bearer: Bearer | None  # None where no token is wanted
    is_info: bool  # rest/info, which is answered here
    names_hosts: bool  # what it says may lead clients elsewhere
    dropped: frozenset[str]  # parameters that are not for clients to give, lower-case
    secrets: tuple[str, ...]  # what goes up with every request, beside a token, and must not come down


@dataclass(frozen=True, slots=True, eq=False)
class Authorized:
    """What a token adds to all requests of a course."""

    token: Token
    place: Place
    headers: Mapping[str, str]  # as they go up with it
    more: str  # of the query, with its `&`
    secrets: tuple[str, ...]  # what must not come down of what goes up


@dataclass(slots=True, eq=False)
class Course:
    """What requests have in common that differ in their query alone: they were all let in. Only of GET and HEAD."""

    place: Destination
    rule: Rule
    headers: ClientHeaders  # as they came; kept, so that their id stays their own
    own_origin: Origin | None
    is_fronted: bool  # they came by a trusted proxy
    upward: Upward  # the headers as they go up
    operation: Operation | None  # where the query says nothing that is judged; None: each has to be looked at
    is_express: bool  # nothing is asked of anybody but the server, by token
    authorized: Authorized | None = None  # with the last token


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A target that an answer is stored for, as far as it is judged without looking at who asks."""

    rule: Rule
    policy: AdmitPolicy
    key: tuple[str, str, str, str | None]  # of the stored answer, as in `traffic.Asked`
    shown: str  # in log lines
    query_keys: Sequence[str]
    credential: str
    operation: str
    generation: int


# The base URL, the method, and which headers: by identity, since browsers send the same ones again and again
Way = tuple[str, str, int]
# Policy, Referer, Origin and our own origin
Admitted = tuple[int, str, str, Origin | None]
# Policy, Origin, our own origin, and whether the answer is one from behind the proxy
Asking = tuple[int, str, Origin | None, bool]


@dataclass(frozen=True, slots=True)
class Runtime:
    """One generation of the configuration, ready for the path."""

    generation: int
    configuration: Configuration
    table: RuleTable
    mounts: Mounts
    credentials: Mapping[str, Credential]
    unlisted: Rule | None  # what targets without a rule fall under; None where mustMatch is true
    # What `plan` has found out already: whom it found welcome, and what is at a base URL
    admitted: set[Admitted] = field(default_factory=set)
    said: dict[Asking, dict[str, str]] = field(default_factory=dict)  # to browsers, by `web.handler`
    destinations: dict[str, Destination] = field(default_factory=dict)
    courses: dict[Way, Course] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)  # by raw target; see `cached.remember`


UNLISTED = "(unlisted)"


def build(configuration: Configuration, generation: int) -> Runtime:
    """The runtime of a checked configuration."""
    unlisted = None
    if not configuration.must_match:
        unlisted = Rule(
            name=UNLISTED,
            scheme=None,
            host="",
            wildcard=True,
            port=None,
            path="",
            match_all=True,
            case_sensitive=False,
            route=configuration.unlisted_route,
            allow_jsonp=True,
            allow_html=True,
        )
    return Runtime(
        generation=generation,
        configuration=configuration,
        table=RuleTable(configuration.rules),
        mounts=Mounts(configuration.rules),
        credentials={credential.name: credential for credential in configuration.credentials},
        unlisted=unlisted,
    )


@dataclass(slots=True)
class Current:
    """Where the runtime is swapped."""

    runtime: Runtime


def routes(configuration: Configuration) -> set[Route]:
    """Every route that a configuration uses."""
    found = {rule.route for rule in configuration.rules} | {configuration.unlisted_route}
    for credential in configuration.credentials:
        if not isinstance(credential, StaticCredential | WebCredential):
            found.add(credential.service_route)
    if isinstance(configuration.users, JwtUsers):
        found.add(configuration.users.route)
    return found

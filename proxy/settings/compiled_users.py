"""The front door from settings that were checked before: nothing here complains."""

from proxy import names
from proxy.core.target import parse_url
from proxy.core.users import SIGNED_IN, parse_users
from proxy.identity import OutboundProxy, Route
from proxy.model import ForwardedUsers, JwtUsers, UserPolicy
from proxy.settings.compiled_credentials import files_version, reach_of
from proxy.settings.schema import RuleSettings, Settings


def compile_users(settings: Settings) -> UserPolicy | None:
    """Where users come from; None where the proxy has none of its own."""
    users = settings.users
    match users.source:
        case "jwt":
            return JwtUsers(
                issuer=users.issuer or "",
                audience=users.audience or "",
                keys=parse_url(users.jwksUrl or ""),
                route=_keys_route(settings),
                cookie=users.cookie or "",
                header=(users.header or names.AUTHORIZATION).lower(),
                skew=users.clockSkew,
                algorithms=frozenset(users.algorithms),
                user_claim=users.userClaim or "",
                groups_claim=users.groupsClaim or "",
            )
        case "forwarded":
            return ForwardedUsers((users.header or "").lower(), (users.groupsHeader or "").lower())
        case _:
            return None


def rule_users(rule: RuleSettings) -> frozenset[str] | None:
    """Whom a rule is for; None: anyone."""
    if rule.users is None:
        return None
    return SIGNED_IN if rule.users == "required" else parse_users(rule.users)


def _keys_route(settings: Settings) -> Route:
    """As the other servers are reached, and as nobody."""
    upstream, users = settings.upstream, settings.users
    outbound = upstream.outboundProxy
    return Route(
        connect_timeout=upstream.connectTimeout,
        header_timeout=upstream.headerTimeout,
        idle_timeout=upstream.idleTimeout,
        reach=reach_of(parse_url(users.jwksUrl or "").origin.host),
        allow_addresses=tuple(settings.allowAddresses),
        ca_bundle=users.caBundle,
        tls_version=files_version(users.caBundle, None),
        outbound_proxy=outbound if isinstance(outbound, OutboundProxy) else None,
    )

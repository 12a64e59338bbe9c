"""Settings as written to the configuration as run. Everything was checked before: nothing here complains."""

from ipaddress import ip_address

from proxy import names
from proxy.core.admit import parse_entry
from proxy.core.match import RulePlace, parse_place
from proxy.core.servers import server_of
from proxy.core.target import parse_url
from proxy.model import (
    Access,
    AdmitPolicy,
    ArcGISCredential,
    Configuration,
    Limits,
    Network,
    Place,
    Rate,
    Reach,
    RefererEntry,
    Route,
    Rule,
    Secret,
    Server,
)
from proxy.settings.schema import CredentialKeys, RuleSettings, Settings


def compile_settings(settings: Settings, source: str, warnings: tuple[str, ...]) -> Configuration:
    """The configuration of a file that `check` found good."""
    server, limits = settings.server, settings.server.limits
    admit = _admit(settings, settings.allowedReferers)
    credentials = [_credential(name, keys) for name, keys in settings.credentials.items()]
    credentials += [_credential(_in_place_name(rule), rule) for rule in settings.serverUrls if rule.username]
    upstream = Route(
        settings.upstream.connectTimeout,
        settings.upstream.headerTimeout,
        settings.upstream.idleTimeout,
        settings.upstream.maxConnections,
        Reach.PUBLIC,
        tuple(settings.allowAddresses),
    )
    return Configuration(
        listen=server.listen,
        paths=tuple(server.paths),
        public_url=parse_url(server.publicUrl).origin if server.publicUrl else None,
        trusted_proxies=tuple(server.trustedProxies),
        tls=(server.tls.certificate, server.tls.key) if server.tls else None,
        limits=Limits(
            request_line=limits.requestLine,
            headers=limits.headers,
            header_count=limits.headerCount,
            body=limits.body,
            header_timeout=limits.headerTimeout,
            idle_timeout=limits.idleTimeout,
            connections=limits.connections,
            drain=limits.drain,
        ),
        admin_listen=settings.admin.listen,
        must_match=settings.mustMatch,
        admit=admit,
        credentials=tuple(credentials),
        rules=tuple(_rule(rule, settings) for rule in settings.serverUrls),
        unlisted_route=upstream,
        log_level=settings.log.level,
        log_format=settings.log.format,
        source=source,
        warnings=warnings,
    )


def _rule(rule: RuleSettings, settings: Settings) -> Rule:
    place = parse_place(rule.url)
    return Rule(
        name=rule.url,
        scheme=place.scheme,
        host=place.host,
        wildcard=place.wildcard,
        port=place.port,
        path=place.path,
        match_all=rule.matchAll,
        case_sensitive=rule.caseSensitive,
        route=_route(rule, place, settings),
        credential=rule.credential or (_in_place_name(rule) if rule.username else None),
        place=None if rule.inject == "auto" else Place(rule.inject),
        referer=_referer(rule, settings),
        access=Access[rule.access.upper()],
        allow_operations=frozenset(name.lower() for name in rule.allowOperations),
        deny_operations=frozenset(name.lower() for name in rule.denyOperations),
        allow_jsonp=rule.allowJsonp,
        allow_data_layers=rule.allowDataLayers,
        allow_html=rule.allowHtml,
        admit=_admit(settings, rule.allowedReferers) if rule.allowedReferers is not None else None,
        rate=Rate(rule.rateLimit, rule.rateLimitPeriod * 60.0) if rule.rateLimit else None,
    )


def _in_place_name(rule: RuleSettings) -> str:
    """Rules for one URL that differ in what they match may have different users: so do the names differ."""
    marks = [mark for mark, is_so in (("alone", not rule.matchAll), ("strict", rule.caseSensitive)) if is_so]
    return f"{rule.url} ({', '.join(marks)})" if marks else rule.url


def _route(rule: RuleSettings, place: RulePlace, settings: Settings) -> Route:
    upstream = settings.upstream
    allowed: tuple[Network, ...] = (*settings.allowAddresses, *rule.allowAddresses)
    return Route(
        connect_timeout=rule.timeout or upstream.connectTimeout,
        header_timeout=rule.timeout or upstream.headerTimeout,
        idle_timeout=rule.timeout or upstream.idleTimeout,
        max_connections=rule.maxConnections or upstream.maxConnections,
        reach=Reach.PUBLIC if place.wildcard else Reach.LOOPBACK if names_loopback(place.host) else Reach.LISTED,
        allow_addresses=allowed,
        ca_bundle=rule.caBundle,
    )


def names_loopback(host: str) -> bool:
    """Whether a host as written, not as resolved, is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _referer(rule: RuleSettings, settings: Settings) -> str:
    """One constant for acquisition and every use; it need not be a page that exists."""
    return rule.referer if rule.referer is not None else settings.server.publicUrl or f"https://{names.PRODUCT}/"


def _admit(settings: Settings, referers: list[str]) -> AdmitPolicy:
    entries = tuple(parse_entry(text) for text in referers)
    # An entry with a path is for same-origin pages: to other origins a browser shows no path
    origins: tuple[RefererEntry, ...] = tuple(entry for entry in entries if entry.path is None)
    if settings.allowedOrigins:
        origins = tuple(parse_entry(text) for text in settings.allowedOrigins)
    own = frozenset({parse_url(settings.server.publicUrl).origin}) if settings.server.publicUrl else frozenset()
    return AdmitPolicy(entries, settings.allowMissingReferer, origins, own)


def _credential(name: str, keys: CredentialKeys) -> ArcGISCredential:
    portal = parse_url(keys.portalUrl) if keys.portalUrl else None
    return ArcGISCredential(
        name=name,
        username=keys.username or "",
        password=keys.password or Secret(""),
        token_service=parse_url(keys.tokenServiceUri) if keys.tokenServiceUri else None,
        # people also write the portal's home page or its /sharing/rest
        portal=(server_of(portal) or Server(portal.origin, portal.path.rstrip("/"))) if portal else None,
        expiration=keys.expiration,
        token_param=keys.tokenParamName,
    )

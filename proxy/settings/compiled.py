"""Settings as written to the configuration as run. Everything was checked before: nothing here complains."""

import os
from dataclasses import replace

from proxy import names
from proxy.core.admit import parse_entry
from proxy.core.match import parse_place
from proxy.core.parameters import name_of
from proxy.core.target import parse_url
from proxy.identity import Credential, Place, Reach, Route
from proxy.model import Access, AdmitPolicy, CachePolicy, Configuration, Limits, Rate, Redirect, RefererEntry, Rule
from proxy.secret import fingerprint
from proxy.settings.check_mounts import mount_settings
from proxy.settings.compiled_credentials import compile_credentials, credential_name, route_of, upstream_place
from proxy.settings.compiled_state import compile_state
from proxy.settings.compiled_users import compile_users, rule_users
from proxy.settings.schema import RuleSettings, Settings
from proxy.urls import Target


def compile_settings(
    settings: Settings, source: str, warnings: tuple[str, ...] = (), dangers: tuple[str, ...] = ()
) -> Configuration:
    """The configuration of a file that `check` found good."""
    server = settings.server
    public = parse_url(server.publicUrl) if server.publicUrl else None
    credentials = compile_credentials(settings)
    rules = tuple(_scoped(_rule(rule, settings), credentials) for rule in settings.serverUrls)
    return Configuration(
        listen=server.listen,
        paths=tuple(server.paths),
        public_url=public.origin if public else None,
        trusted_proxies=tuple(server.trustedProxies),
        tls=(server.tls.certificate, server.tls.key) if server.tls else None,
        workers=_cores() if server.workers == "auto" else server.workers,
        limits=_limits(settings),
        admin_listen=settings.admin.listen,
        must_match=settings.mustMatch,
        admit=_admit(settings, settings.allowedReferers),
        credentials=credentials,
        rules=rules,
        unlisted_route=_unlisted_route(settings),
        log_level=settings.log.level,
        log_format=settings.log.format,
        source=source,
        cache_memory=settings.cache.memory,
        warnings=warnings,
        dangers=dangers,
        users=compile_users(settings),
        admin_password=settings.admin.password,
        state=compile_state(settings, credentials, rules),
        public_path=public.path.rstrip("/") if public else "",
    )


def _limits(settings: Settings) -> Limits:
    limits = settings.server.limits
    return Limits(
        request_line=limits.requestLine,
        headers=limits.headers,
        header_count=limits.headerCount,
        body=limits.body,
        header_timeout=limits.headerTimeout,
        idle_timeout=limits.idleTimeout,
        connections=limits.connections,
        drain=limits.drain,
    )


def _unlisted_route(settings: Settings) -> Route:
    """To whatever no rule names, where that is let through: public addresses only."""
    upstream = settings.upstream
    return Route(
        upstream.connectTimeout,
        upstream.headerTimeout,
        upstream.idleTimeout,
        upstream.maxConnections,
        Reach.PUBLIC,
        tuple(settings.allowAddresses),
    )


def _rule(rule: RuleSettings, settings: Settings) -> Rule:
    place = parse_place(rule.url)
    mount = mount_settings(rule)
    return Rule(
        name=rule.url,
        scheme=place.scheme,
        host=place.host,
        wildcard=place.wildcard,
        port=place.port,
        path=place.path,
        match_all=rule.matchAll,
        case_sensitive=rule.caseSensitive,
        route=route_of(rule, upstream_place(rule), settings),
        credential=credential_name(rule),
        place=None if rule.inject == "auto" else Place(rule.inject),
        referer=_referer(rule, settings),
        access=Access[rule.access.upper()],
        allow_operations=frozenset(name.lower() for name in rule.allowOperations),
        deny_operations=frozenset(name.lower() for name in rule.denyOperations),
        allow_jsonp=rule.allowJsonp,
        allow_data_layers=rule.allowDataLayers,
        allow_html=rule.allowHtml,
        drop_parameters=frozenset(name_of(name) for name in (*rule.denyParameters, *rule.setParameters)),
        set_parameters=tuple(rule.setParameters.items()),
        admit=_admit(settings, rule.allowedReferers) if rule.allowedReferers is not None else None,
        rate=Rate(rule.rateLimit, rule.rateLimitPeriod * 60.0) if rule.rateLimit else None,
        redirect=_redirect(rule),
        users=rule_users(rule),
        user_header=(rule.userHeader or "").lower(),
        mount=mount.path if mount else "",
        aliases=tuple(_alias(url) for url in mount.aliases) if mount else (),
        cache=_cache(rule),
    )


def _redirect(rule: RuleSettings) -> Redirect | None:
    if rule.hostRedirect is None:
        return None
    to = parse_url(rule.hostRedirect)
    return Redirect(to.origin, to.path.rstrip("/"), rule.stripPrefix)


def _alias(url: str) -> Target:
    target = parse_url(url)
    return Target(target.origin, target.path.rstrip("/"))


def _cache(rule: RuleSettings) -> CachePolicy | None:
    if rule.cache is None or rule.cache == "standard":
        return None if rule.cache is None else CachePolicy()
    life = rule.cache
    return CachePolicy(life.maxAge, life.staleWhileRevalidate, life.staleIfError, life.overrule)


def _scoped(rule: Rule, credentials: tuple[Credential, ...]) -> Rule:
    """Whatever changes in a rule or in its credential, the answers that were stored for it are not its own any more."""
    if rule.cache is None:
        return rule
    credential = next((each for each in credentials if each.name == rule.credential), None)
    return replace(rule, cache=replace(rule.cache, scope=f"{fingerprint(rule)}{fingerprint(credential)}"))


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
    with_cookies = settings.users.source == "jwt" and settings.users.cookie is not None
    return AdmitPolicy(entries, settings.allowMissingReferer, origins, own, with_cookies)


def _cores() -> int:
    """Those that this process may use: a container may have fewer than its machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

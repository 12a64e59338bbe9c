"""Credentials and the routes that carry them, from settings that were checked before: nothing here complains."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from proxy import files
from proxy.core.addresses import names_loopback
from proxy.core.match import RulePlace, parse_place
from proxy.core.servers import server_of
from proxy.core.target import parse_url
from proxy.identity import (
    AppCredential,
    ArcGISCredential,
    ClientCertificate,
    Credential,
    ExchangeCredential,
    HttpLogin,
    Identity,
    OutboundProxy,
    Reach,
    Route,
    Scheme,
    StaticCredential,
    WebCredential,
)
from proxy.secret import Secret
from proxy.settings.kinds import kind_in_place, kind_of
from proxy.settings.schema import CertificateFiles, CredentialKeys, CredentialSettings, RuleSettings, Settings
from proxy.urls import Network, Origin, Scope, Server

ONLINE_OAUTH: Final = "https://www.arcgis.com/sharing/rest/oauth2"
_NONE: Final = Secret("")
_MOST_BYTES: Final = 4 * 1024 * 1024  # of a file with certificates


def compile_credentials(settings: Settings) -> tuple[Credential, ...]:
    """The named ones, and those that rules have in place."""
    rules: dict[str | None, list[RuleSettings]] = {}
    for rule in settings.serverUrls:
        rules.setdefault(credential_name(rule), []).append(rule)
    found = [
        _whole(settings, name, keys, keys.type, rules.get(name, [])) for name, keys in settings.credentials.items()
    ]
    for name, mine in rules.items():
        if name is not None and (kind := kind_in_place(mine[0])) is not None:
            found.append(_whole(settings, name, mine[0], kind, mine))
    return tuple(found)


def _whole(
    settings: Settings,
    name: str,
    keys: CredentialSettings | RuleSettings,
    kind: str,
    rules: Sequence[RuleSettings],
) -> Credential:
    return _bound(_credential(name, keys, kind, _service_route(settings, name, rules)), rules)


def _bound(credential: Credential, rules: Sequence[RuleSettings]) -> Credential:
    """With the origins that it may be shown: those of its `rules`."""
    if isinstance(credential, WebCredential):
        return credential
    scopes = [_rule_scope(upstream_place(rule)) for rule in rules]
    if not isinstance(credential, StaticCredential) and credential.portal is not None:
        scopes.append(_scope(credential.portal.origin))
    return replace(credential, scopes=tuple(dict.fromkeys(scopes)))


def credential_name(rule: RuleSettings) -> str | None:
    """The credential of a rule; one in place is called after the rule. Rules for one URL that differ in what they
    match may have different users: so do the names differ."""
    if rule.credential is not None or kind_in_place(rule) is None:
        return rule.credential
    marks = [mark for mark, is_so in (("alone", not rule.matchAll), ("strict", rule.caseSensitive)) if is_so]
    return f"{rule.url} ({', '.join(marks)})" if marks else rule.url


def upstream_place(rule: RuleSettings) -> RulePlace:
    """Where a rule's requests go."""
    return parse_place(rule.hostRedirect or rule.url)


def route_of(rule: RuleSettings, place: RulePlace, settings: Settings) -> Route:
    """How a rule's own server is reached, and as whom."""
    upstream = settings.upstream
    keys = _keys_of(rule, settings)
    allowed: tuple[Network, ...] = (*settings.allowAddresses, *rule.allowAddresses)
    files = rule.clientCertificate or keys.clientCertificate
    certificate = certificate_of(files) if files is not None else None
    outbound = rule.outboundProxy or upstream.outboundProxy
    return Route(
        connect_timeout=rule.timeout or upstream.connectTimeout,
        header_timeout=rule.timeout or upstream.headerTimeout,
        idle_timeout=rule.timeout or upstream.idleTimeout,
        max_connections=rule.maxConnections or upstream.maxConnections,
        reach=Reach.PUBLIC if place.wildcard else reach_of(place.host),
        allow_addresses=allowed,
        ca_bundle=rule.caBundle,
        certificate=certificate,
        tls_version=files_version(rule.caBundle, certificate),
        outbound_proxy=outbound if isinstance(outbound, OutboundProxy) else None,
        identity=_identity(rule, keys, place),
    )


def _keys_of(rule: RuleSettings, settings: Settings) -> CredentialSettings | RuleSettings:
    """Where its credential is written: by its name, or in place."""
    return settings.credentials[rule.credential] if rule.credential else rule


def certificate_of(files: str | CertificateFiles) -> ClientCertificate:
    """A client certificate as written: one file, or its parts."""
    if isinstance(files, str):
        return ClientCertificate(files)
    return ClientCertificate(files.certificate, files.key, files.password)


def _identity(rule: RuleSettings, keys: CredentialSettings | RuleSettings, place: RulePlace) -> Identity | None:
    headers = {name.lower(): value for source in (keys, rule) for name, value in source.headers.items()}
    # With a portal the login is for the portal, and the server gets a token
    login = _login(keys) if keys.portalUrl is None else None
    if not headers and login is None:
        return None
    return Identity(credential_name(rule) or rule.url, _rule_scope(place), tuple(headers.items()), login)


def _login(keys: CredentialSettings | RuleSettings) -> HttpLogin | None:
    kind = kind_of(keys)
    scheme = Scheme.named(kind or "")
    if scheme is None:
        return None
    username, domain = keys.username or "", keys.domain or ""
    if "\\" in username and not domain:
        domain, _, username = username.partition("\\")
    if scheme is Scheme.BASIC and domain:
        username, domain = f"{domain}\\{username}", ""
    return HttpLogin(scheme, username, keys.password or _NONE, domain)


def _service_route(settings: Settings, credential: str, rules: Sequence[RuleSettings]) -> Route:
    """How a portal or token service on another origin is reached: as the first of the credential's `rules`, but as
    nobody; whose web server does the login knows us by it."""
    if not rules:
        return Route()
    rule = rules[0]
    keys = _keys_of(rule, settings)
    route = replace(route_of(rule, upstream_place(rule), settings), identity=None)
    url = keys.portalUrl or keys.tokenServiceUri or keys.oauth2Endpoint
    if url is None:
        return replace(route, reach=Reach.LISTED)
    origin, login = parse_url(url).origin, _login(keys)
    identity = Identity(credential, _scope(origin), login=login) if keys.portalUrl and login is not None else None
    return replace(route, reach=reach_of(origin.host), identity=identity)


def _rule_scope(place: RulePlace) -> Scope:
    return Scope(place.scheme, place.host, place.wildcard, place.port)


def _scope(origin: Origin) -> Scope:
    return Scope(origin.scheme, origin.host, port=origin.port)


def reach_of(host: str) -> Reach:
    """Loopback is dialled where the host as written names it."""
    return Reach.LOOPBACK if names_loopback(host) else Reach.LISTED


def files_version(ca_bundle: str | None, certificate: ClientCertificate | None) -> str:
    """Changes when a file does: connections that were made with the old one are then made anew."""
    named = [ca_bundle, *((certificate.certificate, certificate.key) if certificate else ())]
    digest = hashlib.sha256()
    for name in named:
        with suppress(OSError):
            digest.update(files.read(Path(name), _MOST_BYTES) if name else b"")
    return digest.hexdigest()[:16] if any(named) else ""


def _credential(name: str, keys: CredentialKeys, kind: str, route: Route) -> Credential:
    portal = _portal(keys.portalUrl) if keys.portalUrl else None
    match kind:
        case "arcgis":
            return ArcGISCredential(
                name=name,
                username=keys.username or "",
                password=keys.password or _NONE,
                token_service=parse_url(keys.tokenServiceUri) if keys.tokenServiceUri else None,
                portal=portal,
                expiration=keys.expiration,
                token_param=keys.tokenParamName,
                service_route=route,
            )
        case "oauth":
            endpoint = parse_url(keys.oauth2Endpoint or ONLINE_OAUTH)
            return AppCredential(
                name=name,
                client_id=keys.clientId or "",
                client_secret=keys.clientSecret or _NONE,
                endpoint=endpoint,
                portal=portal or server_of(endpoint) or Server(endpoint.origin, ""),
                expiration=keys.expiration,
                token_param=keys.tokenParamName,
                service_route=route,
            )
        case "token":
            return StaticCredential(name, keys.accessToken or _NONE, token_param=keys.tokenParamName)
        case _ if portal is not None:
            return ExchangeCredential(
                name,
                portal,
                expiration=keys.expiration,
                token_param=keys.tokenParamName,
                service_route=route,
            )
        case _:
            return WebCredential(name, kind)


def _portal(url: str) -> Server:
    """People also write the portal's home page or its /sharing/rest."""
    target = parse_url(url)
    return server_of(target) or Server(target.origin, target.path.rstrip("/"))

"""What one key alone cannot show: names that lead nowhere, two rules for one place, settings without effect, files
that are not there. Finds; changes nothing."""

import re
import socket
import ssl
from collections.abc import Iterable
from ipaddress import ip_network
from typing import Final

from proxy import names
from proxy.core.addresses import names_loopback
from proxy.core.admit import parse_entry
from proxy.core.match import RulePlace, parse_place
from proxy.core.servers import server_of
from proxy.core.target import parse_url
from proxy.model import Listen
from proxy.settings.check_credentials import look_at_credential, look_at_stack
from proxy.settings.check_mounts import look_at_mounts
from proxy.settings.check_state import look_at_state
from proxy.settings.check_users import look_at_users
from proxy.settings.danger import look_for_danger
from proxy.settings.document import Document, KeyPath
from proxy.settings.findings import Findings, of_a_setting
from proxy.settings.kinds import IN_PLACE, LOGINS, kind_in_place, kind_of, written
from proxy.settings.schema import CredentialSettings, RuleSettings, Settings
from proxy.urls import DEFAULT_PORTS, Network

_PATH: Final = re.compile(r"/[!-~]*")
_REFERER: Final = re.compile(r"[!-~]+")
_EVERYWHERE: Final = frozenset(("0.0.0.0", "::"))  # noqa: S104 - compared, not bound
_METADATA: Final = ip_network("169.254.169.254/32")
_LEAST_HEAD: Final = 1024  # bytes


def look_over(settings: Settings, document: Document) -> Findings:
    """Everything that is wrong, dangerous or odd."""
    look = _Look(settings, document)
    look.at_pages()
    look.at_server()
    look.at_admin()
    look.at_allowed(settings.allowAddresses, ("allowAddresses",))
    for name, credential in settings.credentials.items():
        look.at_credential(credential, ("credentials", name))
    places = [look.at_url(rule, ("serverUrls", index)) for index, rule in enumerate(settings.serverUrls)]
    for index, (rule, place) in enumerate(zip(settings.serverUrls, places, strict=True)):
        look.at_rule(rule, place, ("serverUrls", index))
    look.at_places(places)
    look_at_mounts(look.findings, settings, places)
    look_at_users(look.findings, settings)
    look_at_state(look.findings, settings)
    look_for_danger(look.findings, settings)
    return look.findings


class _Look:
    def __init__(self, settings: Settings, document: Document) -> None:
        self._settings, self._document = settings, document
        self.findings = Findings(document)

    def at_pages(self) -> None:
        settings = self._settings
        self._entries(settings.allowedReferers, ("allowedReferers",))
        self._entries(settings.allowedOrigins, ("allowedOrigins",))
        own = all(rule.allowedReferers is not None for rule in settings.serverUrls)
        if not settings.allowedReferers and not settings.allowMissingReferer and not own:
            self.findings.error(
                ("allowedReferers",), 'nobody may use the proxy; list your pages, e.g. ["https://maps.example.com"]'
            )
        if not settings.mustMatch:
            self.findings.warn(
                ("mustMatch",),
                "unlisted URLs pass too: any public server can be reached through this proxy; write true unless meant",
            )

    def at_server(self) -> None:
        server = self._settings.server
        if not server.paths:
            self.findings.error(("server", "paths"), "at least one path is needed, e.g. [/proxy]")
        for index, path in enumerate(server.paths):
            if not _PATH.fullmatch(path) or "?" in path or "#" in path:
                self.findings.error(("server", "paths", index), "a path starts with / and has no ? or #; write /proxy")
            elif path == "/healthz":
                self.findings.error(("server", "paths", index), "the health check answers here; write another path")
        if server.publicUrl is not None:
            self.findings.url(server.publicUrl, ("server", "publicUrl"))
        for key in ("requestLine", "headers"):
            if getattr(server.limits, key) < _LEAST_HEAD:
                self.findings.error(("server", "limits", key), "no request is so short; write 1KiB or more")
        if server.workers != 1 and not hasattr(socket, "SO_REUSEPORT"):
            self.findings.error(("server", "workers"), "this system cannot share a port between processes; write 1")
        for index, network in enumerate(server.trustedProxies):
            if network.prefixlen == 0:
                what = "every client can name any address as its own; list your load balancers"
                self.findings.warn(("server", "trustedProxies", index), what)
        if server.tls is not None:
            self._tls(server.tls.certificate, server.tls.key)

    def at_admin(self) -> None:
        public, admin = self._settings.server.listen, self._settings.admin.listen
        if admin is None:
            return
        if _collide(public, admin):
            self.findings.error(("admin", "listen"), "server.listen has this address and port; write another port")
        if not names_loopback(admin.host) and self._settings.admin.password is None:
            what = "whoever reaches this address can read status and metrics; write admin.password"
            self.findings.warn(("admin", "listen"), what)

    def at_allowed(self, networks: list[Network], path: KeyPath) -> None:
        for index, network in enumerate(networks):
            if network.version == 4 and network.overlaps(_METADATA):
                what = "the metadata service of a cloud is in this network; write a smaller one"
                self.findings.warn((*path, index), what)

    def at_credential(self, credential: CredentialSettings, path: KeyPath) -> None:
        look_at_credential(self.findings, credential, credential.type, path)
        if not any(rule.credential == path[-1] for rule in self._settings.serverUrls):
            self.findings.warn(
                path, f"no rule uses this credential; write credential: {path[-1]} in one, or leave it out"
            )

    def at_url(self, rule: RuleSettings, path: KeyPath) -> RulePlace | None:
        try:
            place = parse_place(rule.url)
        except ValueError as error:
            self.findings.error((*path, "url"), of_a_setting(str(error)))
            return None
        if "*" in place.path:
            what = "a * has no meaning in the path; leave it out: matchAll: true covers everything below"
            self.findings.error((*path, "url"), what)
        return place

    def at_rule(self, rule: RuleSettings, place: RulePlace | None, path: KeyPath) -> None:
        has_credential = self._signed(rule, path)
        if rule.allowedReferers is not None:
            if not rule.allowedReferers:
                self.findings.error(
                    (*path, "allowedReferers"), "an empty list lets nobody in; leave the key out for the general list"
                )
            self._entries(rule.allowedReferers, (*path, "allowedReferers"))
        if rule.caBundle is not None:
            self.findings.authorities(rule.caBundle, (*path, "caBundle"))
        if rule.referer and not _REFERER.fullmatch(rule.referer):
            # a line break here would smuggle headers into every request
            self.findings.error(
                (*path, "referer"), "this cannot stand in a header; write a URL: https://maps.example.com/"
            )
        self.at_allowed(rule.allowAddresses, (*path, "allowAddresses"))
        if rule.rateLimit is None and "rateLimitPeriod" in rule.model_fields_set:
            self.findings.warn((*path, "rateLimitPeriod"), "has no effect without rateLimit; write both")
        for name in sorted({n.lower() for n in rule.allowOperations} & {n.lower() for n in rule.denyOperations}):
            self.findings.warn((*path, "denyOperations"), f"{name} is allowed and denied; it will be denied")
        self._parameters(rule, path)
        if rule.hostRedirect is not None:
            place = self._redirect(rule.hostRedirect, (*path, "hostRedirect"))
        elif rule.stripPrefix:
            self.findings.error((*path, "stripPrefix"), "has no effect without hostRedirect; leave it out")
        if has_credential and place is not None:
            self._signed_place(rule, place, path)

    def _redirect(self, url: str, path: KeyPath) -> RulePlace | None:
        """Where the requests go; None, with a finding, where that is no one place."""
        target = self.findings.url(url, path)
        if target is None or target.query is not None:
            if target is not None:
                self.findings.error(path, "leave out the query: the client's own is sent")
            return None
        return parse_place(url)

    def _signed(self, rule: RuleSettings, path: KeyPath) -> bool:
        """Whether the rule has a credential; complains where it has half a one, or two."""
        kind = kind_in_place(rule)
        if rule.credential is not None:
            if rule.credential not in self._settings.credentials:
                known = ", ".join(self._settings.credentials) or "none"
                self.findings.error((*path, "credential"), f"there is no credential {rule.credential}; known: {known}")
            for key in [key for key in written(rule) if key in IN_PLACE][:1]:
                what = f"{key} belongs to a credential, and this rule names one; write it in"
                self.findings.error((*path, key), f"{what} credentials.{rule.credential}, or leave `credential` out")
            look_at_stack(self.findings, rule, path)
        elif kind is not None:
            look_at_credential(self.findings, rule, kind, path)
        elif rule.inject != "auto":
            self.findings.error((*path, "inject"), "has no effect on a rule without a credential; leave it out")
        named = self._settings.credentials.get(rule.credential or "")
        taken = {name.lower() for keys in (named, rule) if keys is not None for name in keys.headers}
        wants = {"bearer": names.AUTHORIZATION, "header": names.X_ESRI_AUTHORIZATION}.get(rule.inject)
        if wants in taken:
            self.findings.error((*path, "inject"), f"`headers` has {wants} already; send the token another way")
        return rule.credential is not None or kind is not None

    def _parameters(self, rule: RuleSettings, path: KeyPath) -> None:
        named = self._settings.credentials.get(rule.credential or "", rule)
        tokens = (names.TOKEN, named.tokenParamName.lower())
        for name in rule.setParameters:
            if not name or name.lower() in tokens:
                self.findings.error((*path, "setParameters"), f"{name or 'an empty name'} cannot be set; leave it out")
            if name.lower() in {denied.lower() for denied in rule.denyParameters}:
                self.findings.warn(
                    (*path, "denyParameters"), f"{name} is set and denied; it will be set: leave it out here"
                )

    def _signed_place(self, rule: RuleSettings, place: RulePlace, path: KeyPath) -> None:
        if place.scheme != "https" and not names_loopback(place.host):
            self.findings.warn(
                (*path, "url"), "the credential travels unencrypted; write https:// where the server has it"
            )
        named = self._settings.credentials.get(rule.credential or "")
        kind = kind_of(named or rule)
        if kind in LOGINS and place.wildcard:
            self.findings.warn(
                (*path, "url"), "the password goes to every host that this covers; list those that are meant"
            )
        service = named.tokenServiceUri if named else rule.tokenServiceUri
        deep = place.path.count("/") > 1
        if (
            kind == "arcgis"
            and deep
            and service is None
            and server_of(parse_url(f"https://{place.host}{place.path}")) is None
        ):
            self.findings.warn(
                (*path, "url"),
                "there is no /rest/services in this URL, so its token service is looked for right under it; "
                "write the address of services, or tokenServiceUri",
            )

    def at_places(self, places: Iterable[RulePlace | None]) -> None:
        """Two rules for one place would make the order in the file matter."""
        seen: dict[tuple[object, ...], int] = {}
        for index, place in enumerate(places):
            rule = self._settings.serverUrls[index]
            for key in _keys(rule, place) if place is not None else ():
                first = seen.setdefault(key, index)
                if first != index:
                    line = self._document.line(("serverUrls", first))
                    self.findings.error(
                        ("serverUrls", index, "url"), f"the rule on line {line} stands at the same place; keep one"
                    )
                    break

    def _entries(self, entries: list[str], path: KeyPath) -> None:
        for index, entry in enumerate(entries):
            try:
                if parse_entry(entry).anyone:
                    self.findings.warn((*path, index), '"*" lets any page in the world use the proxy\'s credentials')
            except ValueError as error:
                self.findings.error((*path, index), f"{entry!r} is no page; {error}")

    def _tls(self, certificate: str, key: str) -> None:
        path = ("server", "tls")
        # both are looked at, so that both are complained of
        readable = [
            self.findings.readable(certificate, (*path, "certificate")),
            self.findings.readable(key, (*path, "key")),
        ]
        self.findings.private(key, (*path, "key"))
        if all(readable):
            try:
                # without a password of our own, OpenSSL would ask for one on the terminal
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
            except ssl.SSLError:
                self.findings.error(path, "certificate and key do not fit together, or are not PEM without a password")


def _collide(one: Listen, other: Listen) -> bool:
    """Whether one socket would be in the other's way; port 0 takes any that is free."""
    if one.port != other.port or not one.port:
        return False
    return one.host == other.host or not _EVERYWHERE.isdisjoint((one.host, other.host))


def _keys(rule: RuleSettings, place: RulePlace) -> list[tuple[object, ...]]:
    """Where a rule stands, once for each scheme. A rule for one scheme wins over one for both, `caseSensitive` over
    not, `matchAll: false` over true: those are not at the same place."""
    path = place.path if rule.caseSensitive else place.path.lower()
    kind = (rule.matchAll, rule.caseSensitive, place.scheme)
    schemes = (place.scheme,) if place.scheme else ("http", "https")
    return [(s, place.wildcard, place.host, place.port or DEFAULT_PORTS[s], path, *kind) for s in schemes]

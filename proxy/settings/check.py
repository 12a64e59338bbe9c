"""What one key alone cannot show: names that lead nowhere, two rules for one place, settings without effect."""

from pathlib import Path

from proxy.core.admit import parse_entry
from proxy.core.match import parse_place
from proxy.core.target import parse_url
from proxy.errors import BadRequest
from proxy.settings.document import Complaint, Document, Path_, dotted
from proxy.settings.schema import CredentialKeys, CredentialSettings, RuleSettings, Settings

_IN_PLACE = ("username", "password", "tokenServiceUri", "portalUrl")


def look_over(settings: Settings, document: Document) -> tuple[list[Complaint], list[Complaint]]:
    """Complaints and warnings."""
    look = _Look(settings, document)
    look.at_pages()
    look.at_server()
    for name, credential in settings.credentials.items():
        look.at_credential(credential, ("credentials", name))
    for index, rule in enumerate(settings.serverUrls):
        look.at_rule(rule, ("serverUrls", index))
    look.at_places()
    return look.errors, look.warnings


class _Look:
    def __init__(self, settings: Settings, document: Document) -> None:
        self._settings, self._document = settings, document
        self.errors: list[Complaint] = []
        self.warnings: list[Complaint] = []

    def at_pages(self) -> None:
        settings = self._settings
        self._entries(settings.allowedReferers, ("allowedReferers",))
        self._entries(settings.allowedOrigins, ("allowedOrigins",))
        own = all(rule.allowedReferers is not None for rule in settings.serverUrls)
        if not settings.allowedReferers and not settings.allowMissingReferer and not own:
            self._error(
                ("allowedReferers",), 'nobody may use the proxy; list your pages, e.g. ["https://maps.example.com"]'
            )
        if not settings.mustMatch:
            self._warn(("mustMatch",), "unlisted URLs pass too: any public server can be reached through this proxy")

    def at_server(self) -> None:
        server = self._settings.server
        if not server.paths:
            self._error(("server", "paths"), "at least one path is needed, e.g. [/proxy]")
        for index, path in enumerate(server.paths):
            if not path.startswith("/") or "?" in path or "#" in path:
                self._error(("server", "paths", index), "a path starts with / and has no ? or #, e.g. /proxy")
        if server.publicUrl is not None:
            self._url(server.publicUrl, ("server", "publicUrl"))
        if server.tls is not None:
            self._file(server.tls.certificate, ("server", "tls", "certificate"))
            self._file(server.tls.key, ("server", "tls", "key"))
        admin = self._settings.admin.listen
        if admin is not None and admin == server.listen and admin.port:
            self._error(("admin", "listen"), "the admin listener needs an address of its own")
        if admin is not None and admin.host not in ("127.0.0.1", "::1", "localhost"):
            self._warn(("admin", "listen"), "status and metrics can be read by whoever reaches this address")

    def at_credential(self, credential: CredentialSettings, path: Path_) -> None:
        self._keys(credential, path)
        if credential.type == "arcgis" and (not credential.username or credential.password is None):
            self._error(path, "an arcgis credential needs username and password")
        name = path[-1]
        if not any(rule.credential == name for rule in self._settings.serverUrls):
            self._warn(path, "no rule uses this credential")

    def at_rule(self, rule: RuleSettings, path: Path_) -> None:
        try:
            parse_place(rule.url)
        except ValueError as error:
            self._error((*path, "url"), str(error))
        self._keys(rule, path)
        in_place = [key for key in _IN_PLACE if getattr(rule, key) is not None]
        if rule.credential is not None:
            if rule.credential not in self._settings.credentials:
                known = ", ".join(self._settings.credentials) or "none"
                self._error((*path, "credential"), f"there is no credential {rule.credential}; known: {known}")
            if in_place:
                self._error((*path, in_place[0]), "give either credential or the keys in place, not both")
        elif in_place and (not rule.username or rule.password is None):
            self._error(path, "username and password belong together")
        if rule.allowedReferers is not None:
            if not rule.allowedReferers:
                self._error(
                    (*path, "allowedReferers"), "an empty list lets nobody in; leave the key out for the general list"
                )
            self._entries(rule.allowedReferers, (*path, "allowedReferers"))
        if rule.caBundle is not None:
            self._file(rule.caBundle, (*path, "caBundle"))
        if rule.inject != "auto" and rule.credential is None and not in_place:
            self._error((*path, "inject"), "has no effect on a rule without a credential; leave it out")
        if rule.url.lower().startswith("http://") and (rule.credential or in_place) and "localhost" not in rule.url:
            self._warn((*path, "url"), "the token travels unencrypted; use https where the server has it")

    def at_places(self) -> None:
        """Two rules for one place would make the order in the file matter."""
        seen: dict[tuple[object, ...], int] = {}
        for index, rule in enumerate(self._settings.serverUrls):
            try:
                place = parse_place(rule.url)
            except ValueError:
                continue
            path = place.path if rule.caseSensitive else place.path.lower()
            for scheme in (place.scheme,) if place.scheme else ("http", "https"):
                port = place.port or {"http": 80, "https": 443}[scheme]
                key = (scheme, place.wildcard, place.host, port, path, rule.matchAll, rule.caseSensitive, place.scheme)
                first = seen.setdefault(key, index)
                if first != index:
                    line = self._document.line(("serverUrls", first))
                    self._error(
                        ("serverUrls", index, "url"), f"the rule on line {line} stands at the same place; keep one"
                    )
                    break

    def _keys(self, keys: CredentialKeys, path: Path_) -> None:
        for key in ("tokenServiceUri", "portalUrl"):
            url = getattr(keys, key)
            if url is not None:
                self._url(url, (*path, key))
                if url.lower().startswith("http://"):
                    self._warn((*path, key), "the password travels unencrypted; use https")

    def _entries(self, entries: list[str], path: Path_) -> None:
        for index, entry in enumerate(entries):
            try:
                if parse_entry(entry).anyone:
                    self._warn((*path, index), '"*" lets any page in the world use the proxy\'s credentials')
            except ValueError as error:
                self._error((*path, index), f"{entry!r} is no page: {error}")

    def _url(self, url: str, path: Path_) -> None:
        try:
            parse_url(url)
        except BadRequest as error:
            self._error(path, error.message)

    def _file(self, name: str, path: Path_) -> None:
        if not Path(name).is_file():
            self._error(path, f"there is no file {name}")

    def _error(self, path: Path_, what: str) -> None:
        self.errors.append(Complaint(self._document.line(path), dotted(path), what))

    def _warn(self, path: Path_, what: str) -> None:
        self.warnings.append(Complaint(self._document.line(path), dotted(path), what))

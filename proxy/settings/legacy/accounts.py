"""The credential of an old entry as one of the new file. Which of several an entry has was settled by each program."""

import re
from typing import Final

from proxy.core.target import parse_url
from proxy.errors import BadRequest
from proxy.secret import Secret
from proxy.settings.legacy.nouns import Account, OldEntry, Report, Traits

_PARAMETER: Final = re.compile(r"[A-Za-z0-9_.-]+")
_PERCENT: Final = re.compile(r"%[0-9A-Fa-f]{2}")


def account_of(entry: OldEntry, traits: Traits, report: Report) -> Account | None:
    """The credential; None where the entry has none, or half a one."""
    found = _Reader(entry, traits, report)
    for attempt in (found.windows, found.token, found.app, found.user):
        account = attempt()
        if account is not None:
            found.tell_unused(account)
            return account
    return None


class _Reader:
    """One entry's keys, less those that its program did not look at."""

    def __init__(self, entry: OldEntry, traits: Traits, report: Report) -> None:
        self._entry, self._traits, self._report = entry, traits, report

    def windows(self) -> Account | None:
        """.NET: a Windows login, in place of tokens."""
        if self._get("useAppPoolIdentity").lower() in ("true", "1"):
            self._changed(
                "useAppPoolIdentity took the Windows account of the web server: here the machine's own Kerberos ticket "
                "is taken (config/guide/credentials.md, negotiate); or write username, password and domain."
            )
            return Account("negotiate", ())
        domain, username, password = self._get("domain"), self._get("username"), self._get("password")
        if not domain or not username or not password:
            return None
        return Account("negotiate", (("domain", domain), ("username", username)), (("password", Secret(password)),))

    def token(self) -> Account | None:
        """.NET: a token as it is."""
        token = self._get("accessToken")
        return Account("token", self._parameter(), (("accessToken", Secret(token)),)) if token else None

    def app(self) -> Account | None:
        """An app login; it came before a user."""
        name, secret = self._get("clientId"), self._get("clientSecret")
        if not name or not secret:
            if name or secret:
                self._changed("clientId and clientSecret belong together; one is missing, so neither is carried over.")
            return None
        endpoint = self._get("oauth2Endpoint")
        keys = [("clientId", name)]
        if endpoint and self._url("oauth2Endpoint", endpoint):
            if not endpoint.endswith("/") and not self._traits.as_text:
                self._note(
                    "oauth2Endpoint has no slash at its end, which led nowhere; now it is the same with or without."
                )
            keys.append(("oauth2Endpoint", endpoint.rstrip("/")))
        return Account("oauth", (*keys, *self._parameter()), (("clientSecret", Secret(secret)),))

    def user(self) -> Account | None:
        """User and password of ArcGIS."""
        username, password = self._get("username"), self._get("password")
        if not username or not password:
            if username or password:
                self._changed("username and password belong together; one is missing, so neither is carried over.")
            return None
        if self._entry.attributes.get("httpBasicAuth", "").lower() in ("true", "1"):
            self._changed("httpBasicAuth is a fork's: written as type: basic.")
            return Account("basic", (("username", username),), (("password", Secret(password)),))
        if self._traits.name == "dotnet" and (_PERCENT.search(username) or _PERCENT.search(password)):
            self._changed(
                "User name or password has a percent sign and two digits. The .NET proxy sent it as it stands, so it "
                "may have been encoded by hand (%2B for +): then write it decoded; it is encoded for you here."
            )
        keys = [("username", username)]
        for name in ("tokenServiceUri", "portalUrl"):
            url = self._entry.attributes.get(name, "").strip()
            if url and self._url(name, url):
                if name not in self._traits.attributes:
                    self._changed(f"{name} was not looked at by {self._traits.program}; now it is.")
                keys.append((name, url))
        return Account("arcgis", (*keys, *self._parameter()), (("password", Secret(password)),))

    def tell_unused(self, account: Account) -> None:
        """Of what else stands in the entry for logging in."""
        used = {name for name, _ in (*account.keys, *account.secrets)} | {"useAppPoolIdentity"}
        also = ("domain", "accessToken", "clientId", "oauth2Endpoint", "username", "tokenServiceUri", "tokenParamName")
        unused = [name for name in also if name not in used and self._get(name)]
        if unused:
            self._note(f"{' and '.join(unused)} had no effect beside the other login, and is left out.")

    def _parameter(self) -> tuple[tuple[str, str], ...]:
        name = self._get("tokenParamName")
        if not name or name == "token":
            return ()
        if not _PARAMETER.fullmatch(name):
            self._changed(f"tokenParamName {name!r} is no plain name; the token travels as token.")
            return ()
        return (("tokenParamName", name),)

    def _url(self, name: str, url: str) -> bool:
        try:
            parse_url(url)
        except BadRequest as error:
            self._changed(f"{name} is left out: {error.message}")
            return False
        return True

    def _get(self, name: str) -> str:
        if name not in self._traits.attributes:
            return ""
        value = self._entry.attributes.get(name, "")
        return value if name in ("password", "clientSecret") else value.strip()

    def _changed(self, what: str) -> None:
        self._report.changed(what, entry=self._entry)

    def _note(self, what: str) -> None:
        self._report.note(what, entry=self._entry)

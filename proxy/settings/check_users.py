"""The front door as configured: what each source of users needs, what has no meaning for it, and whom rules name."""

import re
from typing import Final

from proxy import names
from proxy.core.hygiene import goes_up
from proxy.core.users import are_safe, is_name
from proxy.settings.check_credentials import HEADER_NAME, OWN_HEADERS
from proxy.settings.document import KeyPath
from proxy.settings.findings import Findings
from proxy.settings.schema import RuleSettings, Settings, Users

_COOKIE_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 6265 §4.1.1
_NEEDED: Final = {"none": (), "jwt": ("issuer", "audience", "jwksUrl"), "forwarded": ("header",)}
_TAKEN: Final = {
    "none": (),
    "jwt": ("cookie", "header", "clockSkew", "algorithms", "userClaim", "groupsClaim", "caBundle"),
    "forwarded": ("groupsHeader",),
}
_OTHERS: Final = (
    *(names.AUTHORIZATION, names.COOKIE, names.ORIGIN, names.X_ESRI_AUTHORIZATION),
    *(names.X_FORWARDED_FOR, names.X_FORWARDED_HOST, names.X_FORWARDED_PROTO),
)
_AT: Final = ("users",)
_PREFIXES: Final = ("user:", "group:")


def look_at_users(findings: Findings, settings: Settings) -> None:
    """Where users come from, and which rules are for whom."""
    users = settings.users
    has = {name for name in users.model_fields_set if name != "source" and getattr(users, name) not in (None, [])}
    missing = [key for key in _NEEDED[users.source] if key not in has]
    if missing:
        findings.error(_AT, f"source: {users.source} needs {' and '.join(_NEEDED[users.source])}; write {missing[0]}")
    for key in sorted(has - {*_NEEDED[users.source], *_TAKEN[users.source]}):
        other = "write source: jwt or forwarded" if users.source == "none" else "leave it out"
        findings.error((*_AT, key), f"has no meaning with source: {users.source}; {other}")
    if users.source == "jwt":
        _jwt(findings, users)
    if users.source == "forwarded" and not settings.server.trustedProxies:
        findings.error(_AT, "nobody's word would be taken; list the proxy that signs users in in server.trustedProxies")
    for key in ("header", "groupsHeader"):
        if (name := getattr(users, key)) is not None and (users.source, name.lower()) != ("jwt", names.AUTHORIZATION):
            _header(findings, name, (*_AT, key))
    if users.header is not None and users.header.lower() == (users.groupsHeader or "").lower():
        findings.error((*_AT, "groupsHeader"), "this is the header with the name; write another")
    for index, rule in enumerate(settings.serverUrls):
        _rule(findings, rule, users, ("serverUrls", index))
    if users.source != "none" and all(rule.users is None for rule in settings.serverUrls):
        findings.warn(_AT, "no rule asks who its users are; write users: required in one")


def _jwt(findings: Findings, users: Users) -> None:
    keys = findings.url(users.jwksUrl, (*_AT, "jwksUrl")) if users.jwksUrl else None
    if keys is not None and not are_safe(keys):
        what = "whoever can change the keys on their way can sign in as anybody; write https://"
        findings.error((*_AT, "jwksUrl"), what)
    if users.cookie is not None and not _COOKIE_NAME.fullmatch(users.cookie):
        findings.error((*_AT, "cookie"), "this is no name of a cookie; write letters, digits, _ and -")
    if users.caBundle is not None:
        findings.authorities(users.caBundle, (*_AT, "caBundle"))


def _header(findings: Findings, name: str, path: KeyPath) -> None:
    if not HEADER_NAME.fullmatch(name) or "_" in name:
        # To many servers `_` is `-`: a client's own header may then stand in for that of the proxy in front
        findings.error(path, "this is no safe name of a header; write letters, digits and -")
    elif name.lower() in (*OWN_HEADERS, *_OTHERS) or goes_up(name.lower()):
        findings.error(path, f"{name} has another meaning; write a header that is only for this")


def _rule(findings: Findings, rule: RuleSettings, users: Users, path: KeyPath) -> None:
    if rule.userHeader is not None:
        at = (*path, "userHeader")
        _header(findings, rule.userHeader, at)
        if rule.users is None:
            findings.error(at, "has no effect on a rule that asks nobody who they are; write users: required, too")
        if rule.userHeader.lower() in {name.lower() for name in rule.headers}:
            findings.error(at, f"`headers` has {rule.userHeader} already; write another name")
    if rule.users is None:
        return
    at = (*path, "users")
    if users.source == "none":
        findings.error(at, "nobody can sign in; say under `users` where users come from (source: jwt or forwarded)")
    if isinstance(rule.users, str):
        return
    if not rule.users:
        findings.error(at, "an empty list lets nobody in; leave the key out for anyone, or write users: required")
    for index, entry in enumerate(rule.users):
        if entry in ("required", "*"):
            findings.error((*at, index), "write users: required for whoever is signed in")
        elif not is_name(entry.removeprefix(_PREFIXES[0]).removeprefix(_PREFIXES[1])):
            findings.error((*at, index), f"{entry!r} is no name of a user or group; write anna, or group:editors")
        elif entry.startswith("group:") and users.source == "forwarded" and users.groupsHeader is None:
            findings.warn((*at, index), "nobody is in a group here; write users.groupsHeader")

"""The old configuration as the new proxy would have it, and every change of meaning on the way. Writes no file."""

import re
from typing import Final

from proxy.core.match import parse_place
from proxy.core.target import parse_url
from proxy.errors import BadRequest
from proxy.settings.legacy.accounts import account_of
from proxy.settings.legacy.nouns import Account, New, NewRule, Old, OldEntry, Report
from proxy.settings.legacy.pages import referers
from proxy.settings.legacy.places import match_all, settled, url_of

_GENERAL: Final = frozenset(("mustMatch", "allowedReferers", "logFile", "logLevel", "proxyReferrer", "proxyReferer"))
_OF_A_FORK: Final = frozenset(
    ("key", "forceHttp", "wmsResourceRewrite", "changeEncodingToUTF8", "flipWmsBboxCoords", "isWMTS", "httpBasicAuth")
)
_ELSEWHERE: Final = frozenset(("domain", "useAppPoolIdentity", "accessToken", "tokenParamName"))
_TOLD: Final = frozenset(("tokenServiceUri", "portalUrl", "matchAll", "httpBasicAuth", "proxyReferrer", "proxyReferer"))
_NUMBER: Final = re.compile(r"\s*([0-9]{1,9})\s*")
_HOUR: Final = 60  # minutes


def translate(old: Old, report: Report, access: str) -> New:
    """The new configuration. `access` is every rule's."""
    must_match = _must_match(old, report)
    pages = referers(old, report)
    level = _log(old, report)
    for name in sorted(old.attributes.keys() - _GENERAL):
        report.note(f"The attribute {name} had no meaning in {old.traits.program}; it is left out.", old.line)
    rules = [rule for entry in old.entries if (rule := _rule(entry, old, report, access)) is not None]
    if old.traits.as_text and any(rule.match_all for rule in rules):
        what = "The PHP proxy compared URLs letter by letter (/services covered /servicesX, and http://a covered http://a.b)"
        report.changed(f"{what}; now whole segments and hosts are compared.", old.line)
    kept = settled(old, rules, report)
    entries = {rule.entry.number for rule in kept}
    left_out = [entry for entry in old.entries if entry.number not in entries]
    return New(must_match, pages, level, kept, left_out, report)


def _must_match(old: Old, report: Report) -> bool:
    text, program, line = old.attributes.get("mustMatch", ""), old.traits.program, old.line
    if not text.strip():
        had = "did not start" if old.traits.name == "php" else "passed any URL in the world on"
        what = f"mustMatch is missing, and {program} {had}. Written is true: the listed URLs alone."
        report.changed(what, line)
        return True
    truth = old.traits.truth(text)
    if truth is None:
        report.changed(f"mustMatch is {text!r}, and {program} did not start with it. Written is true.", line)
        return True
    if not truth:
        what = "mustMatch is false: unlisted URLs still pass, but to public addresses alone, and to read. Write true if"
        report.changed(f"{what} you can.", line)
        if old.traits.name == "php":
            what = "With mustMatch false the PHP proxy looked neither at pages nor at credentials and limits"
            report.changed(f"{what}; now they hold.", line)
    return truth


def _log(old: Old, report: Report) -> str | None:
    if old.attributes.get("logFile"):
        report.note("logFile is left out: the log goes to standard output, a JSON line for each request.", old.line)
    text = old.attributes.get("logLevel", "").strip()
    if not text:
        return None
    level = old.traits.levels.get(text.lower())
    if level is None:
        report.note(f"logLevel {text!r} had no meaning in {old.traits.program}; it is left out.", old.line)
    elif old.traits.name == "php":
        report.note("logLevel said where the PHP proxy's log goes, not how much it says; it is left out.", old.line)
        return None
    elif level != "info":
        what = f"logLevel {text} is log.level {level} here; requests are told of at info."
        report.note(what, old.line)
    return level


def _rule(entry: OldEntry, old: Old, report: Report, access: str) -> NewRule | None:
    url = url_of(entry, old.traits, report)
    if url is None:
        return None
    account = account_of(entry, old.traits, report)
    rule = NewRule(entry, url, match_all(entry, url, old.traits, report), account)
    _redirect(rule, old, report)
    _rate(rule, old, report)
    _referer(rule, old)
    rule.keys["access"] = access
    if account is not None and rule.match_all:
        _administration(rule, account, access, report)
    _tell_unknown(entry, old, report)
    return rule


def _redirect(rule: NewRule, old: Old, report: Report) -> None:
    url = rule.entry.attributes.get("hostRedirect", "").strip().rstrip("/")
    if not url:
        return
    try:
        to = parse_url(url)
    except BadRequest as error:
        report.changed(f"hostRedirect is left out: {error.message}", entry=rule.entry)
        return
    rule.keys["hostRedirect"] = url
    if old.traits.as_text and parse_place(rule.url).path:
        rule.keys["stripPrefix"] = True
    elif old.traits.name == "dotnet" and to.path != "/":
        what = "hostRedirect has a path, and .NET put two slashes behind it; now there is one."
        report.note(what, entry=rule.entry)


def _rate(rule: NewRule, old: Old, report: Report) -> None:
    entry = rule.entry
    limit, period = (_number(entry, name, old, report) for name in ("rateLimit", "rateLimitPeriod"))
    if limit is None:
        return
    if limit == 0:
        report.changed("rateLimit is 0, which is no limit here; it is left out.", entry=entry)
        return
    if period is None and old.traits.name != "dotnet":
        never = "never let anybody in again" if old.traits.name == "java" else "had no limit, or failed"
        report.changed(f"rateLimitPeriod is missing: {old.traits.program} {never}; written is an hour.", entry=entry)
    rule.keys["rateLimit"] = limit
    rule.keys["rateLimitPeriod"] = period or _HOUR


def _number(entry: OldEntry, name: str, old: Old, report: Report) -> int | None:
    text = entry.attributes.get(name)
    if text is None:
        return None
    number = _NUMBER.fullmatch(text)
    if number is None:
        had = "the whole file was refused" if old.traits.name == "dotnet" else "requests failed"
        report.changed(f"{name} is {text!r}, no whole number, and {had}; it is left out.", entry=entry)
        return None
    return int(number[1])


def _referer(rule: NewRule, old: Old) -> None:
    for given in (rule.entry.attributes, old.attributes):
        referer = given.get("proxyReferrer", given.get("proxyReferer", "")).strip()
        if re.fullmatch(r"[!-~]+", referer):
            rule.keys.setdefault("referer", referer)


def _administration(rule: NewRule, account: Account, access: str, report: Report) -> None:
    """Above the services there is more than services, and the old programs signed that, too."""
    path = parse_place(rule.url).path.lower()
    if access != "all" and account.kind in ("arcgis", "oauth", "token") and "/services" not in path:
        what = (
            f"{rule.url} covers the administrator's pages and the token service, which the old proxy opened to "
            f"everybody with this login; with access: {access} they are refused."
        )
        report.changed(what, entry=rule.entry)


def _tell_unknown(entry: OldEntry, old: Old, report: Report) -> None:
    names = {name for name, value in entry.attributes.items() if value.strip()} - old.traits.attributes - _TOLD
    forks = sorted(names & _OF_A_FORK)
    if forks:
        what = f"{' and '.join(forks)}: a fork's, and left out. There matchAll false meant everything under a URL."
        report.changed(what, entry=entry)
    for name in sorted(names - _OF_A_FORK):
        why = "is another program's" if name in _ELSEWHERE else "has no meaning"
        report.note(
            f"The attribute {name} {why}: {old.traits.program} did not look at it; it is left out.", entry=entry
        )

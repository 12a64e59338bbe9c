"""`url` and `matchAll` of the old entries as rules of the new file: places, their order, and two for one place."""

import re
from itertools import combinations
from typing import Final

from proxy.core.match import RulePlace, parse_place
from proxy.settings.findings import of_a_setting
from proxy.settings.legacy.nouns import NewRule, Old, OldEntry, Report, Traits
from proxy.urls import DEFAULT_PORTS

_ABSOLUTE: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_WEB: Final = re.compile(r"(?:https?:)?//", re.IGNORECASE)
_USER: Final = re.compile(r"(?<=//)[^/?#]*@")
_ROOTS: Final = ("", "/arcgis", "/arcgis/rest", "/arcgis/rest/services", "/arcgis/services")


def url_of(entry: OldEntry, traits: Traits, report: Report) -> str | None:
    """The rule's `url`; None, with a finding, where there can be none."""
    url = entry.attributes.get("url", "").strip()
    if not url:
        report.changed("This serverUrl has no url; it is left out.", entry=entry)
        return None
    if not _WEB.match(url) and not _ABSOLUTE.match(url):
        url = f"//{url.lstrip('/')}"
        did = "took the request's scheme" if traits.as_text else "matched no request"
        what = f"The url {_shown(url)[2:]} has no scheme: in {traits.program} it {did}; now http and https match."
        report.changed(what, entry=entry)
    elif url.startswith("//") and not traits.as_text:
        what = f"The url {_shown(url)} took the scheme of the first request for ever; now it stands for http and https."
        report.changed(what, entry=entry)
    url = _cleaned(url, traits, report, entry)
    try:
        place = parse_place(url)
    except ValueError as error:
        report.changed(f"The url {_shown(url)} is left out: {of_a_setting(str(error))}.", entry=entry)
        return None
    if "*" in place.path:
        report.changed(f"The url {_shown(url)} is left out: a * has no meaning in a path.", entry=entry)
        return None
    if place.wildcard:
        what = f"The * in {url} was a letter like others in {traits.program}; now it stands for one label of the host."
        report.changed(what, entry=entry)
    if place.port is not None and place.port == DEFAULT_PORTS.get(place.scheme or ""):
        report.changed(f"The port in {url} is the scheme's own: now the URL without it matches, too.", entry=entry)
    return url


def match_all(entry: OldEntry, url: str, traits: Traits, report: Report) -> bool:
    """The rule's `matchAll`."""
    text = entry.attributes.get("matchAll")
    if text is None or not text.strip():
        if not traits.match_all:
            report.note(f"matchAll is missing, which meant false in {traits.program}.", entry=entry)
        value = traits.match_all
    else:
        truth = traits.truth(text)
        value = text.strip().lower() in ("true", "1", "yes") if truth is None else truth
        if truth is None:
            had = "it meant false" if traits.name == "php" else "the whole file was refused"
            report.changed(f"matchAll is {text!r}, and {had}; it is taken as {str(value).lower()}.", entry=entry)
    if not value:
        _alone(entry, url, traits, report)
    return value


def _alone(entry: OldEntry, url: str, traits: Traits, report: Report) -> None:
    if not traits.as_text:
        what = (
            "matchAll is false, and a URL with any query was refused: such entries seldom worked. Now any query passes."
        )
    else:
        what = "matchAll is false, and letter case counted; now it does not."
    report.changed(what, entry=entry)
    if parse_place(url).path.lower() in _ROOTS:
        what = f"{url} alone is hardly what is meant: write matchAll: true for everything under it."
        report.note(what, entry=entry)


def settled(old: Old, rules: list[NewRule], report: Report) -> list[NewRule]:
    """The rules less those at the place of another; told of are those whose turn comes for the first time."""
    last_wins = old.traits.last_wins
    kept: dict[tuple[object, ...], NewRule] = {}
    for rule in rules:
        key = _key(rule)
        other = kept.get(key)
        if other is not None:
            gone, stays = (other, rule) if last_wins else (rule, other)
            what = f"{gone.url} stands twice: the other entry (line {stays.entry.line}) always applied; left out."
            report.note(what, entry=gone.entry)
        if other is None or last_wins:
            kept[key] = rule
    stay = {rule.entry.number for rule in kept.values()}
    found = [rule for rule in rules if rule.entry.number in stay]
    for earlier, later in combinations(found, 2):
        broad, narrow = (later, earlier) if last_wins else (earlier, later)
        if broad.effect != narrow.effect and _covers(broad, narrow):
            what = (
                f"{narrow.url} never applied: {broad.url} (line {broad.entry.line}) stands "
                f"{'after' if last_wins else 'before'} it. Now the longer URL wins, in any order."
            )
            report.changed(what, entry=narrow.entry)
    return found


def _key(rule: NewRule) -> tuple[object, ...]:
    place = parse_place(rule.url)
    port = place.port or DEFAULT_PORTS.get(place.scheme or "")
    return (place.scheme, place.wildcard, place.host, port, place.path.lower(), rule.match_all)


def _covers(broad: NewRule, narrow: NewRule) -> bool:
    one, other = parse_place(broad.url), parse_place(narrow.url)
    if not broad.match_all or (one.host, one.wildcard) != (other.host, other.wildcard) or _ports(one) != _ports(other):
        return False
    under = f"{other.path.lower()}/".startswith(f"{one.path.lower()}/")
    return under and (one.scheme is None or one.scheme == other.scheme)


def _ports(place: RulePlace) -> int | None:
    return None if place.port == DEFAULT_PORTS.get(place.scheme or "") else place.port


def _cleaned(url: str, traits: Traits, report: Report, entry: OldEntry) -> str:
    """Without query, fragment, a star for everything below, and what .NET did not look at."""
    base = re.split(r"[?#]", url, maxsplit=1)[0]
    if base != url:
        what = f"The url {_shown(base)} had a query, which hardly ever matched; it is left out: now any query passes."
        report.changed(what, entry=entry)
    if base.endswith("/*") and not base.endswith("//*"):
        base = base[:-1]
        what = f"The * at the end of {_shown(base)}* was a letter like others; it is left out: matchAll says it."
        report.changed(what, entry=entry)
    head, slashes, rest = base.partition("//")
    if "//" in rest and traits.name == "dotnet":
        rest = re.sub(r"/{2,}", "/", rest)
        report.changed(f"The url {_shown(base)} has two slashes, which .NET took as one; now it has one.", entry=entry)
    return f"{head}{slashes}{rest}"


def _shown(url: str) -> str:
    """A user name and password in a URL are not repeated."""
    return _USER.sub("…@", url)

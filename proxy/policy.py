"""The configuration in words: who may reach what, with which credential, to do what. Judges nothing."""

from dataclasses import dataclass
from typing import Final

from proxy.core.users import in_words
from proxy.explain import presented
from proxy.model import Access, AdmitPolicy, Configuration, ForwardedUsers, JwtUsers, RefererEntry, Rule

_MAY: Final = {
    Access.READ: "read: queries, pictures, legends, identify",
    Access.EXECUTE: "read, and execute: routing, geocoding in bulk, exports, jobs",
    Access.EDIT: "read, execute and edit",
    Access.ALL: "everything, the administrator's pages and the token service included",
}


@dataclass(frozen=True, slots=True)
class Paragraph:
    """What is said of one place: lines of a name and a sentence."""

    title: str
    lines: tuple[tuple[str, str], ...]


def describe(configuration: Configuration) -> list[Paragraph]:
    """A paragraph for each rule, and one for all that no rule covers."""
    return [_rule(configuration, rule) for rule in configuration.rules] + [_rest(configuration)]


def _rule(configuration: Configuration, rule: Rule) -> Paragraph:
    credential = next((each for each in configuration.credentials if each.name == rule.credential), None)
    lines = [
        ("for", _who(configuration, rule)),
        ("may", _may(rule)),
        ("as", f"{credential.name}: {presented(credential, rule)}" if credential else "nobody: it passes as it is"),
    ]
    if rule.rate is not None:
        each = "user" if rule.users is not None else "client"
        lines.append(("at most", f"{rule.rate.requests} requests in {rule.rate.period / 60:g} minutes for each {each}"))
    if rule.set_parameters:
        lines.append(("always with", f"the proxy's own {', '.join(name for name, _ in rule.set_parameters)}"))
    if dropped := rule.drop_parameters:
        lines.append(("never with", f"the client's own {', '.join(sorted(dropped))}"))
    if rule.user_header:
        lines.append(("tells", f"the server the user's name, as {rule.user_header}"))
    covers = "and everything under it" if rule.match_all else "alone, with any query"
    return Paragraph(f"{rule.name} {covers}", tuple(lines))


def _rest(configuration: Configuration) -> Paragraph:
    if configuration.must_match:
        return Paragraph("everything else", (("", "refused"),))
    pages = _pages(configuration.admit)
    lines = (("for", pages), ("may", _MAY[Access.READ]), ("as", "nobody, and to public addresses alone"))
    return Paragraph("everything else", lines)


def _who(configuration: Configuration, rule: Rule) -> str:
    pages = _pages(rule.admit or configuration.admit)
    if rule.users is None:
        return f"anyone, from {pages}"
    return f"{in_words(rule.users)} ({_source(configuration)}), from {pages}"


def _source(configuration: Configuration) -> str:
    match configuration.users:
        case JwtUsers() as users:
            places = ([f"the cookie {users.cookie}"] if users.cookie else []) + [f"the header {users.header}"]
            return f"by a token of {users.issuer}, in {' or '.join(places)}"
        case ForwardedUsers() as users:
            networks = ", ".join(map(str, configuration.trusted_proxies))
            return f"as {users.header} says, believed from {networks}"
        case None:
            return "nobody can be"


def _may(rule: Rule) -> str:
    parts = [_MAY[rule.access]]
    if rule.allow_operations:
        parts.append(f"also {', '.join(sorted(rule.allow_operations))}")
    if rule.deny_operations:
        parts.append(f"never {', '.join(sorted(rule.deny_operations))}")
    allowed = (
        ("JSONP", rule.allow_jsonp),
        ("dataLayer sources", rule.allow_data_layers),
        ("the server's HTML pages", rule.allow_html and rule.credential is not None),
    )
    parts += [f"with {name}" for name, is_so in allowed if is_so]
    return "; ".join(parts)


def _pages(policy: AdmitPolicy) -> str:
    if any(entry.anyone for entry in policy.referers):
        return "any page in the world, and programs"
    named = [f"pages of {', '.join(map(_page, policy.referers))}"] if policy.referers else []
    return " and ".join(named + (["programs that name no page"] if policy.allow_missing else []))


def _page(entry: RefererEntry) -> str:
    scheme = f"{entry.scheme}://" if entry.scheme else ""
    wildcard = f"{entry.wildcard}." if entry.wildcard else ""
    port = f":{entry.port}" if entry.port else ""
    path = f"{entry.path}*" if entry.path and entry.path.endswith("/") else entry.path or ""
    return f"{scheme}{wildcard}{entry.host}{port}{path}"

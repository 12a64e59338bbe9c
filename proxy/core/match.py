"""Which rule a target falls under. The most specific one wins, whatever the order in the file.

Paths are compared on whole segments, without letter case unless the rule says so (Esri's way); hosts exactly, as
written; `*.` in a rule's host stands for one label.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from proxy.core.folding import segments_of
from proxy.core.target import parse_url
from proxy.errors import BadRequest, NotAllowed
from proxy.model import Rule
from proxy.urls import DEFAULT_PORTS, Target

_RULE_URL: Final = re.compile(r"(?:(?P<scheme>https?):)?//(?P<wildcard>\*\.)?(?P<rest>.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class RulePlace:
    """Where a rule stands: the parsed `url`. Fields as in `model.Rule`."""

    scheme: str | None
    wildcard: bool
    host: str
    port: int | None
    path: str


def parse_place(url: str) -> RulePlace:
    """A rule's `url`: `https://…`, `http://…`, `//host/…` (both schemes), `*.` for one label of the host.

    Raises ValueError with a sentence that says what to write instead.
    """
    match = _RULE_URL.fullmatch(url)
    if match is None:
        raise ValueError("start the URL with https://, http:// or // (both schemes)")
    if "?" in url:
        raise ValueError("leave out the query: a rule matches by path, with any query")
    scheme = match["scheme"].lower() if match["scheme"] else None
    try:
        target = parse_url(f"{scheme or 'https'}://{match['rest']}")
    except BadRequest as error:
        raise ValueError(error.message) from None
    if match["wildcard"] and "." not in target.origin.host:
        raise ValueError("a wildcard needs a domain behind it, such as *.example.com")
    has_port = ":" in match["rest"].partition("/")[0]
    path = target.path.rstrip("/")
    return RulePlace(
        scheme, bool(match["wildcard"]), target.origin.host, target.origin.port if has_port else None, path
    )


class RuleTable:
    """The rules of one configuration, looked up by longest path first.

    One dictionary for each (scheme, host, port, wildcard?) maps a path to the rules that stand there: lookups cost
    the depth of the path, not the number of rules.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._exact: dict[tuple[str, str, int], dict[str, list[Rule]]] = {}
        self._wildcard: dict[tuple[str, str, int], dict[str, list[Rule]]] = {}
        # Paths as a server may read them that is less strict than we are
        self._loose: dict[tuple[str, str, int, bool], dict[tuple[str, ...], list[Rule]]] = {}
        self._longest = self._deepest = 0  # the longest path of a rule, and the most segments of one
        for rule in rules:
            loose = tuple(segments_of(rule.path))
            self._longest = max(self._longest, len(rule.path))
            self._deepest = max(self._deepest, len(loose))
            hosts = self._wildcard if rule.wildcard else self._exact
            for scheme in (rule.scheme,) if rule.scheme else ("https", "http"):
                place = hosts.setdefault((scheme, rule.host, rule.port or DEFAULT_PORTS[scheme]), {})
                place.setdefault(rule.path.lower(), []).append(rule)
                key = (scheme, rule.host, rule.port or DEFAULT_PORTS[scheme], rule.wildcard)
                self._loose.setdefault(key, {}).setdefault(loose, []).append(rule)
        for hosts in (self._exact, self._wildcard):
            for paths in hosts.values():
                for standing in paths.values():
                    # matchAll: false before true, a strict path before one without case, one scheme before both
                    standing.sort(key=lambda r: (r.match_all, not r.case_sensitive, r.scheme is None))

    def find(self, target: Target) -> Rule:
        """The rule for `target`. Raises NotAllowed (slug `no_rule`); the answer says nothing about which hosts are
        listed, so it is no oracle."""
        rule = self.lookup(target)
        if rule is None:
            raise not_listed()
        return rule

    def lookup(self, target: Target) -> Rule | None:
        """The most specific rule for `target`, or None."""
        origin = target.origin
        tables = []
        exact = self._exact.get((origin.scheme, origin.host, origin.port))
        if exact is not None:
            tables.append(exact)
        if self._wildcard:
            label, _, domain = origin.host.partition(".")
            wild = self._wildcard.get((origin.scheme, domain, origin.port)) if label else None
            if wild is not None:
                tables.append(wild)
        if not tables:
            return None
        return _most_specific(tables, target.path, self._longest)

    def stands_below(self, target: Target, rule: Rule, path: str) -> bool:
        """Whether `target`, to which `rule` leads although it stands elsewhere, falls under a rule below `path`, where
        `rule` begins there: that one must not be passed by, either. It may where it asks nobody who they are and `rule`
        takes no credential there: what anybody gets from the server is no secret of ours."""
        begin = replace(rule, path=path, match_all=True)
        found = self.lookup(target)
        if found is not None and found.users is None and rule.credential is None:
            return False
        is_deeper = found is not None and len(segments_of(found.path)) > len(segments_of(path))
        return is_deeper or self.is_passed_by(target, begin)

    def is_passed_by(self, target: Target, rule: Rule | None) -> bool:
        """Whether `target`, which falls under `rule`, may be a place under a deeper rule to a server that takes `//`
        for `/`, drops blanks, or compares letters otherwise: the deeper rule must not be passed by."""
        asked = segments_of(target.path)
        if f"/{'/'.join(asked)}" == target.path.lower().removesuffix("/"):
            return False
        origin = target.origin
        taken = (-1, False) if rule is None else (len(segments_of(rule.path)), not rule.match_all)
        for host, wildcard in ((origin.host, False), (origin.host.partition(".")[2], True)):
            places = self._loose.get((origin.scheme, host, origin.port, wildcard), {})
            for end in range(min(len(asked), self._deepest), max(taken[0], 0) - 1, -1):
                for each in places.get(tuple(asked[:end]), ()):
                    if (each.match_all or end == len(asked)) and (end, not each.match_all) > taken:
                        return True
        return False

    def rules_on(self, target: Target) -> list[Rule]:
        """Every rule on the target's host, for `explain` and for `rest/info` above deeper rules."""
        origin = target.origin
        found = list(self._exact.get((origin.scheme, origin.host, origin.port), {}).values())
        found += self._wildcard.get((origin.scheme, origin.host.partition(".")[2], origin.port), {}).values()
        return [rule for standing in found for rule in standing]


def not_listed() -> NotAllowed:
    """The one answer to what no rule is for."""
    return NotAllowed(
        "This URL is not in the proxy's configuration.",
        "Add it, or the folder above it, to serverUrls in proxy.yaml.",
    )


def _most_specific(tables: list[dict[str, list[Rule]]], path: str, longest: int) -> Rule | None:
    prefix = path.lower()
    end = len(prefix) if len(prefix) <= longest else prefix.rfind("/", 0, longest + 1)
    while True:
        best: Rule | None = None
        for paths in tables:
            for rule in paths.get(prefix[:end], ()):
                # the exact host stands first and wins, unless only the wildcard's rule is for this URL alone
                if _covers(rule, path, end) and (best is None or (best.match_all and not rule.match_all)):
                    best = rule
        if best is not None or end <= 0:
            return best
        end = prefix.rfind("/", 0, end)


def _covers(rule: Rule, path: str, end: int) -> bool:
    if rule.case_sensitive and path[:end] != rule.path:
        return False
    # `matchAll: false` is this URL alone; one trailing slash is the same URL
    return rule.match_all or end == len(path) or path[end:] == "/"

"""How the Java program (proxy.jsp) read its proxy.config: not as XML, but with regular expressions, quirks included."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from html import unescape
from itertools import accumulate
from typing import Final

from proxy.errors import ConfigurationError
from proxy.settings.legacy import dotnet, markup
from proxy.settings.legacy.dotnet import SHARED
from proxy.settings.legacy.nouns import Old, OldEntry, Report, Traits

_FINE: Final = dict.fromkeys(("fine", "finer", "finest", "all"), "debug")
TRAITS: Final = Traits(
    name="java",
    program="the Java proxy",
    attributes=SHARED | {"tokenServiceUri"},
    levels={"off": "error", "severe": "error", "warning": "warning", "info": "info", "config": "info", **_FINE},
    truth=lambda text: text.strip().lower() == "true",
    match_all=True,
)
_GENERAL: Final = ("mustMatch", "allowedReferers", "logFile", "logLevel")

# The program's own expressions, each cut in two: between begin and end it took whatever stood there
_COMMENT: Final = (re.compile(r"<!--"), re.compile(r"-->"))
_ROOT: Final = (re.compile(r"<\s*ProxyConfig"), re.compile(r">"))
_ENTRIES: Final = (re.compile(r"<\s*serverUrls\s*>"), re.compile(r"<\s*/\s*serverUrls\s*>"))
_ENTRY: Final = (re.compile(r"<\s*serverUrl "), re.compile(r"(?:<\s*/\s*serverUrl\s*|/)>"))
_Ends = tuple[re.Pattern[str], re.Pattern[str]]


def read(text: str, path: str, report: Report) -> Old:
    """The old configuration. Raises ConfigurationError where there is none."""
    lines = text.split("\n")
    starts = list(accumulate(map(len, lines)))
    joined = _without_comments("".join(lines))
    root = next(_between(_ROOT, joined), None)
    if root is None:
        raise ConfigurationError([f"{path}: there is no <ProxyConfig …> in this file; name the old proxy's one"])

    def line(offset: int) -> int:
        return bisect_right(starts, offset) + 1

    entries: list[OldEntry] = []
    block = next(_between(_ENTRIES, joined), (0, "", 0))[1]
    offset = joined.find(block)
    for start, inner, _ in _between(_ENTRY, block):
        entry = OldEntry({}, line(offset + start), len(entries))
        entry.attributes = _attributes(inner, sorted(TRAITS.attributes), report, entry.line, entry)
        entries.append(entry)
    at = line(root[0])
    old = Old(TRAITS, _attributes(root[1], [*_GENERAL], report, at, None), at, entries)
    _compare(old, text, path, report)
    return old


def _without_comments(text: str) -> str:
    """Blanks in their place, so that what follows keeps its line."""
    pieces, at = [], 0
    for start, _, end in _between(_COMMENT, text):
        pieces += [text[at:start], " " * (end - start)]
        at = end
    return "".join([*pieces, text[at:]])


def _between(ends: _Ends, text: str) -> Iterator[tuple[int, str, int]]:
    """Each `begin(.+?)end`: where it begins, what is inside, and where it ends. In linear time, whatever the text."""
    at = 0
    while (begin := ends[0].search(text, at)) is not None:
        end = ends[1].search(text, begin.end() + 1)
        if end is None:
            return
        yield begin.start(), text[begin.end() : end.start()], end.end()
        at = end.end()


def _attributes(tag: str, names: list[str], report: Report, line: int, entry: OldEntry | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        begin = re.search(rf'{name}=\s*"', tag)
        rest = tag[begin.end() :].lstrip() if begin is not None else ""
        value = rest[: rest.find('"', 1)].rstrip() if '"' in rest[1:] else ""
        if value.startswith('"') or (begin is not None and not value):
            what = f"{name} is empty, and the Java proxy read on to the next quote; it is taken as left out."
            report.changed(what, line, entry)
            continue
        plain = unescape(value) if "&" in value else value
        if plain != value:
            what = f"{name} has &…;, which the Java proxy sent as it stands; here it is what XML means by it."
            report.changed(what, line, entry)
        if plain:
            found[name] = plain
    return found


def _compare(old: Old, text: str, path: str, report: Report) -> None:
    """What stands in the file and was never seen by the program."""
    try:
        whole = dotnet.of_elements(markup.parse(text, path), path, TRAITS, Report())
    except ConfigurationError:
        report.note("The file is not well-formed XML; it was read as the Java proxy did, with regular expressions.")
        return
    if len(whole.entries) != len(old.entries):
        what = "The Java proxy saw {} serverUrl entries, the file has {}: it wants <serverUrl, a blank, and /> or "
        report.changed(what.format(len(old.entries), len(whole.entries)) + "an end tag. The others are left out.")
        return
    for seen, written in zip(old.entries, whole.entries, strict=True):
        known = {name for name, value in written.attributes.items() if value.strip()} & TRAITS.attributes
        unseen = known - seen.attributes.keys()
        for name in sorted(unseen):
            what = f'The Java proxy did not see {name}: it wants {name}="…" without blanks around =. It is left out.'
            report.changed(what, entry=seen)
        # It looked at no others: to be told of
        seen.attributes |= {name: value for name, value in written.attributes.items() if name not in TRAITS.attributes}
    old.attributes |= {name: value for name, value in whole.attributes.items() if name not in _GENERAL}

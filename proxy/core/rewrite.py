"""Where an upstream's answer points to another URL, as the client has to write it: headers, and texts that stream by.
Pure; nothing is fetched, and no body is ever held whole.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import urljoin

from proxy.core.content import kind_of
from proxy.core.mount import Mount
from proxy.core.remembering import remembered
from proxy.core.spellings import Links, looked_for
from proxy.core.target import parse_url
from proxy.errors import BadRequest
from proxy.urls import Origin, Target

_ABSOLUTE: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Possessive throughout: blanks between two parameters could else be either's, and each doubles what is tried
_LINK: Final = re.compile(
    r"<([^<>]*+)>((?:\s*+;\s*+[\w!#$&+.^`|~*-]++\s*+(?:=\s*+(?:\"[^\"]*+\"|[^\s\",;]*+))?+)*+)\s*+(?:,|\Z)"
)
_LONGEST_LINKS: Final = 4096  # characters of a header; others say nothing that a document needs
_RELATION: Final = re.compile(r";\s*rel\s*=\s*\"?([^\";,]*)", re.IGNORECASE)
# Where a document goes on. Others make a browser fetch, preconnect or run something by a header alone.
_RELATIONS: Final = frozenset("self alternate first last next prev previous up collection item items data".split())
_TEXTUAL: Final = re.compile(r"text/.*|application/(?:x-)?(?:json|javascript|ecmascript|xml)|.*[+_](?:json|xml)")
# Documents that say which hosts a service has. 4.x and 5.x of the ArcGIS SDK turn to those, around the proxy.
_SERVICE: Final = re.compile(r".*/(?:map|feature|image)server(?:/layers|/[0-9]+)?/?", re.IGNORECASE)


def resolve(location: str, base: Target) -> Target | None:
    """The target that a `Location` names, seen from `base`; None where it is none that we would ever send."""
    text = location if _ABSOLUTE.match(location) else urljoin(base.url, location)
    try:
        return parse_url(text.partition("#")[0])
    except BadRequest:
        return None


def through_query(path: str, target: Target) -> str:
    """`target` as a request to ourselves in query mode, relative to our own host."""
    return f"{path}?{target.url}"


def link_header(value: str, base: Target, written: Callable[[Target], str | None]) -> str:
    """A `Link` header (RFC 8288) with its targets as `written`; what that has no word for is left out, and so is
    every relation that is more than a way on."""
    kept = []
    for target, parameters in _LINK.findall(value) if len(value) <= _LONGEST_LINKS else ():
        relation = _RELATION.search(parameters)
        resolved = resolve(target, base)
        path = written(resolved) if resolved is not None else None
        if path is not None and relation is not None and set(relation[1].lower().split()) <= _RELATIONS:
            kept.append(f"<{path}>{parameters}")
    return ", ".join(kept)


@remembered(256)
def is_rewritable(content_type: str) -> bool:
    """Whether a body of this type is a text that may hold links. What does not say what it is may be a picture."""
    return _TEXTUAL.fullmatch(kind_of(content_type)) is not None


@remembered(8192)
def names_hosts(path: str) -> bool:
    """Whether the document at this path of a server may name other hosts for its clients to turn to."""
    return _SERVICE.fullmatch(path) is not None


class Rewriter:
    """Fed the pieces of one text in the clear. `count` is how often something was rewritten.

    What comes out does not depend on how the text was cut: a piece's end is held back as long as a link may begin
    there, and never more than the longest one.
    """

    def __init__(self, links: Links, public: str) -> None:
        self._links = links
        self._public = public
        self._held = b""
        self.count = 0

    def feed(self, piece: bytes) -> bytes:
        """What can be sent on."""
        text = self._held + piece if self._held else piece
        window = max(0, len(text) - self._links.longest)
        done, at = self._rewritten(text, window)
        begun = self._links.starts.search(text, max(at, window))
        cut = begun.start() if begun else len(text)
        self._held = text[cut:]
        return done + text[at:cut]

    def finish(self) -> bytes:
        """The rest."""
        text, self._held = self._held, b""
        done, at = self._rewritten(text, len(text))
        return done + text[at:]

    def _rewritten(self, text: bytes, end: int) -> tuple[bytes, int]:
        """The text up to the last link that begins before `end`, and where that ends."""
        done, at = [], 0
        for match in self._links.pattern.finditer(text):
            if match.start() >= end:
                break
            done += [text[at : match.start()], self._links.written(match, self._public)]
            at = match.end()
            self.count += 1
        return b"".join(done), at


@lru_cache(maxsize=256)
def links_of(mounts: tuple[Mount, ...], page: Origin | None, has_hosts: bool) -> Links | None:
    """What to look for in a text, see `looked_for`; None for nothing."""
    return looked_for(mounts, page, has_hosts=has_hosts) if mounts or has_hosts else None

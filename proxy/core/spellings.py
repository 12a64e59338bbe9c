"""The spellings in which a server's own address stands in its answers, and what takes their place. Pure; `rewrite` puts
it to use on texts that stream by.

Plain in JSON and XML; with `\\/` or `\\u002f` from serializers that escape slashes; with `%2F`, once or more, where a
URL is another's parameter; with `&#x2F;` from templates. A link is answered in the spelling that it came in.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from proxy.core.mount import Mount
from proxy.urls import DEFAULT_PORTS, Origin, Target

_HTTP: Final = (
    rb"http(?P<tls>s?)(?P<colon>:|(?i:%(?:25){0,2}3a|\\u003a|&#58;|&#x3a;))"
    rb"(?P<slash>/|\\/|(?P<percent>(?i:%(?:25){0,2}2f))|(?i:\\u002f|&#47;|&#x2f;))(?i:(?P=slash))"
)
_SLASH: Final = rb"(?i:(?P=slash))"
_COLON: Final = rb"(?i:(?P=colon))"
# What is not to follow an address: it would be another host, another port, or another folder of a longer name
_ENDS: Final = rb"(?![A-Za-z0-9_~%@:\x80-\xff-]|\.[A-Za-z0-9])"
_ENDS_ENCODED: Final = rb"(?![A-Za-z0-9_~-]|\.[A-Za-z0-9]|(?i:%(?!(?:25){0,2}(?:2f|3f|2[3679c]|3[bce]|5c|7c))))"
_END: Final = rb"(?(percent)" + _ENDS_ENCODED + rb"|" + _ENDS + rb")"
_SEPARATOR: Final = 8  # bytes of a colon or slash in the longest spelling
_LONGEST_END: Final = 8
_QUOTED: Final = rb"=[\"']"
_HOSTS: Final = (
    rb'"preferredHost"\s{0,64}:\s{0,64}(?P<preferred>"[^"\\]{0,255}")',
    rb'"tileServers"\s{0,64}:\s{0,64}(?P<tiles>\[[^\]]{0,2048}\](?=\s{0,64}[,}]))',
)
_LONGEST_HOSTS: Final = 2500
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9._~-]")


@dataclass(frozen=True, slots=True)
class Links:
    """What is looked for in a text. `starts` finds where one may begin that the text's end cuts off; `longest` is in
    bytes."""

    pattern: re.Pattern[bytes]
    starts: re.Pattern[bytes]
    longest: int
    mounts: dict[str, dict[str, Mount]]  # by group and scheme
    roots: dict[str, Mount]  # by group, where a path alone is looked for

    def written(self, match: re.Match[bytes], public: str) -> bytes:
        """What takes a link's place; `public` is our own address, with no slash at its end."""
        group = match.lastgroup or ""
        if group in self.roots:
            path = urlsplit(public).path + self.roots[group].path
            return match[0][: match.start(group) - match.start()] + path.encode()
        if group not in self.mounts:
            nothing = b"null" if group == "preferred" else b"[]"
            return match[0][: match.start(group) - match.start()] + nothing
        by_scheme = self.mounts[group]
        mount = by_scheme.get("https" if match["tls"] else "http") or next(iter(by_scheme.values()))
        url = (public + mount.path).encode()
        if match["percent"]:
            url = url.replace(b"%", b"%25").replace(b"[", b"%5B").replace(b"]", b"%5D")
        return url.replace(b":", match["colon"]).replace(b"/", match["slash"])


def looked_for(mounts: tuple[Mount, ...], page: Origin | None, *, has_hosts: bool) -> Links:
    """The links that lead to `mounts`; on an HTML page of the server `page` the paths within its own mounts as well;
    and, where `has_hosts`, the hosts that a service sends its clients to."""
    by_address: dict[bytes, dict[str, Mount]] = {}
    by_path: dict[bytes, Mount] = {}
    longest = _LONGEST_HOSTS if has_hosts else 0
    for mount in mounts:
        for base in (mount.base, *mount.aliases):
            by_address.setdefault(_address(base, mount), {}).setdefault(base.origin.scheme, mount)
            longest = max(longest, _length(base))
            if base.origin == page:
                by_path.setdefault(_root(base.path, mount), mount)
    addresses = {f"at{number}": address for number, address in enumerate(by_address)}
    paths = {f"root{number}": path for number, path in enumerate(by_path)}
    patterns, words = list(_HOSTS) if has_hosts else [], [b'"preferredHost"', b'"tileServers"'] if has_hosts else []
    if addresses:
        patterns.append(_HTTP + _any_of(addresses) + _END)
        words.append(b"http")
    if paths:
        patterns.append(_QUOTED + _any_of(paths))
        words += [b'="', b"='"]
    return Links(
        pattern=re.compile(b"|".join(patterns)),
        starts=re.compile(b"|".join(map(_begun, words))),
        longest=longest,
        mounts=dict(zip(addresses, by_address.values(), strict=True)),
        roots=dict(zip(paths, by_path.values(), strict=True)),
    )


def _any_of(groups: dict[str, bytes]) -> bytes:
    return b"(?:" + b"|".join(b"(?P<%b>%b)" % (name.encode(), pattern) for name, pattern in groups.items()) + b")"


def _begun(word: bytes) -> bytes:
    """This word; or its beginning, and then the text ends."""
    cuts = (re.escape(word[:length]) + rb"\Z" for length in range(len(word) - 1, 0, -1))
    return b"|".join((re.escape(word), *cuts))


def _address(base: Target, mount: Mount) -> bytes:
    """Host, port and path. The scheme does not count: behind TLS termination servers write the wrong one."""
    origin = base.origin
    is_default = origin.port == DEFAULT_PORTS[origin.scheme]
    port = b"(?:" + _COLON + rb"(?:80|443))?" if is_default else _COLON + str(origin.port).encode()
    return b"(?i:%b)" % re.escape(origin.host).encode() + port + _path(base.path, _SLASH, mount)


def _root(path: str, mount: Mount) -> bytes:
    return _path(path, b"/", mount) + _ENDS if path else rb"(?=/(?!/))"


def _path(path: str, slash: bytes, mount: Mount) -> bytes:
    spelled = slash.join(b"".join(map(_character, unquote(segment))) for segment in path.split("/"))
    return spelled if mount.case_sensitive else b"(?i:%b)" % spelled


def _character(character: str) -> bytes:
    """A character of a path, as it may stand in percent, JSON and plain forms."""
    if _UNRESERVED.fullmatch(character):
        return re.escape(character).encode()
    plain = character.encode()
    percent = b"".join(b"%%(?:25)?%02x" % byte for byte in plain)
    escaped = b"".join(rb"\\u%04x" % unit for unit in memoryview(character.encode("utf-16-le")).cast("H"))
    return b"(?:" + re.escape(plain) + b"|(?i:" + percent + b"|" + escaped + b"))"


def _length(base: Target) -> int:
    """The longest spelling of an address and of what must not follow it, in bytes."""
    segments = base.path.split("/")
    path = sum(6 * len(unquote(segment).encode()) for segment in segments) + _SEPARATOR * len(segments)
    return len("https") + 3 * _SEPARATOR + len(base.origin.host) + _SEPARATOR + len(":65535") + path + _LONGEST_END

"""Mounts: paths of ours that stand for a server, for clients that know no proxy. Decides which URL a request means and
how a URL is written for such a client; rewrites no texts (`rewrite`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from proxy.core.redirect import upstream_path
from proxy.model import Rule
from proxy.urls import Target


@dataclass(frozen=True, slots=True)
class Mount:
    """`path` stands for `base`, and `path/<rest>` for `base/<rest>`. Neither path ends in a slash; a base's may be "".

    `aliases` are further URLs by which the server calls itself in its answers.
    """

    path: str
    base: Target
    aliases: tuple[Target, ...] = ()
    case_sensitive: bool = False

    def rest(self, target: Target) -> str | None:
        """What of `target`'s path stands behind the base; None where it is elsewhere."""
        for base in (self.base, *self.aliases):
            path, begin = (target.path, base.path) if self.case_sensitive else (target.path.lower(), base.path.lower())
            if target.origin == base.origin and f"{path}/".startswith(f"{begin}/"):
                return target.path[len(base.path) :]
        return None


class Wanted(NamedTuple):
    """What a request line asks for: the raw target, None where it names none."""

    raw_target: str | None
    is_mounted: bool = False


class Mounts:
    """The mounts of one configuration, longest base first."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        found = [mount for rule in rules if (mount := mount_of(rule)) is not None]
        self.all = tuple(sorted(found, key=lambda mount: -len(mount.base.path)))

    def find(self, path: str) -> Mount | None:
        """The mount that a request's path falls under, on whole segments and with its own letter case."""
        return next((mount for mount in self.all if path == mount.path or path.startswith(f"{mount.path}/")), None)

    def path_to(self, target: Target) -> str | None:
        """`target` as a path and query of ours; None where no mount leads there."""
        for mount in self.all:
            rest = mount.rest(target)
            if rest is not None:
                query = "" if target.query is None else f"?{target.query}"
                return f"{mount.path}{rest}{query}"
        return None


def mount_of(rule: Rule) -> Mount | None:
    """The mount of a rule, if it has one: its URL then names one scheme and one host
    (`settings.check_mounts`)."""
    if not rule.mount:
        return None
    aliases = rule.aliases
    if rule.redirect is not None:  # a server speaks of itself by its own name
        aliases = (*aliases, Target(rule.redirect.origin, upstream_path(rule)))
    return Mount(rule.mount, Target(rule.origin, rule.path), aliases, rule.case_sensitive)


def wanted(raw_path: str, paths: Iterable[str], mounts: Mounts) -> Wanted | None:
    """What a request line's path and query mean: query mode at one of `paths`, or a mount; None where they are not
    ours.

    The target of a mount is put together from the raw text and parsed as any other: what was judged is what is sent.
    """
    path, mark, query = raw_path.partition("?")
    if path in paths:
        return Wanted(query or None)
    mount = mounts.find(path)
    if mount is None:
        return None
    rest = path[len(mount.path) :]
    return Wanted(f"{mount.base.origin}{mount.base.path}{rest}{mark}{query}", is_mounted=True)

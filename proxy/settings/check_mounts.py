"""What can be wrong with mounts: paths that are none, that others have, and URLs that no path can stand for."""

import re
from collections.abc import Iterable
from typing import Final

from proxy.core.match import RulePlace
from proxy.core.servers import server_of
from proxy.core.target import parse_url
from proxy.settings.document import KeyPath
from proxy.settings.findings import Findings, of_a_setting
from proxy.settings.schema import MountSettings, RuleSettings, Settings

_PATH: Final = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]+)+")


def look_at_mounts(findings: Findings, settings: Settings, places: Iterable[RulePlace | None]) -> None:
    """Every rule's mount, alone and beside the others. A path is taken by whoever is earlier in the file."""
    taken = [(path, f"server.paths has {path}") for path in settings.server.paths]
    taken.append(("/healthz", "the health check answers at /healthz"))
    found: list[str] = []
    for index, (rule, place) in enumerate(zip(settings.serverUrls, places, strict=True)):
        mount = mount_settings(rule)
        if mount is None:
            continue
        at = ("serverUrls", index, "mount") if isinstance(rule.mount, str) else ("serverUrls", index, "mount", "path")
        if not _PATH.fullmatch(mount.path):
            what = "a mount is a path of letters, digits and . _ ~ -, without a slash at its end; write /gis"
            findings.error(at, what)
            continue
        why = [why for path, why in taken if _is_within(path, mount.path)]
        why += [f"the mount {path} overlaps" for path in found if _is_within(path, mount.path, both_ways=True)]
        if why:
            findings.error(at, f"{why[0]}; write another path")
        found.append(mount.path)
        if place is not None:
            _look_at_url(findings, rule, place, ("serverUrls", index))
        for number, alias in enumerate(mount.aliases):
            _look_at_alias(findings, alias, ("serverUrls", index, "mount", "aliases", number))


def mount_settings(rule: RuleSettings) -> MountSettings | None:
    """The mount in its long form."""
    return MountSettings(path=rule.mount) if isinstance(rule.mount, str) else rule.mount


def _is_within(path: str, mount: str, *, both_ways: bool = False) -> bool:
    inner, outer = f"{path}/".lower(), f"{mount}/".lower()
    return inner.startswith(outer) or (both_ways and outer.startswith(inner))


def _look_at_url(findings: Findings, rule: RuleSettings, place: RulePlace, path: KeyPath) -> None:
    if place.wildcard or place.scheme is None:
        findings.error((*path, "mount"), "a mount stands for one server; write the rule's url with https:// and no *.")
    if not rule.matchAll:
        findings.error((*path, "mount"), "a mount stands for all that is under the URL; leave matchAll: false out")
    server = server_of(parse_url(f"https://{place.host}{place.path}/"))
    if server is not None and not place.wildcard:
        findings.warn(
            (*path, "mount"),
            f"rest/info, WMS and exported pictures of the server are outside this URL; mount {server.context or '/'}",
        )


def _look_at_alias(findings: Findings, alias: str, path: KeyPath) -> None:
    target = findings.url(alias, path)
    if target is not None and target.query is not None:
        findings.error(path, of_a_setting("leave out the query of the target"))

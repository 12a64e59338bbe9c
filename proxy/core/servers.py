"""Which ArcGIS site a target belongs to: the thing that one token is good for."""

from typing import Final

from proxy.core.redirect import upstream_path
from proxy.identity import TokenCredential
from proxy.model import Rule
from proxy.traffic import Audience
from proxy.urls import Origin, Server, Target

# The first of these segments ends the site's context: /arcgis in /arcgis/rest/services/…
_MARKERS: Final = frozenset(("rest", "services", "sharing", "tokens", "admin", "manager", "security"))


def server_of(target: Target) -> Server | None:
    """The site that `target` is on, its context in the letter case given (ArcGIS Online's organisation ids are
    case-sensitive); None where the path has no sign of ArcGIS."""
    context = _context(target.path)
    return None if context is None else Server(target.origin, context)


def server_for_rule(rule: Rule, target: Target) -> Server:
    """The site by the rule's own URL, so that all its requests share one token whatever their letter case. `target` is
    what is sent (`redirect.sent`).

    A rule that stands above the site (a whole host) leaves it to the target; a site with paths of its own making is
    the rule's URL.
    """
    own = upstream_path(rule)
    context = _context(own)
    if context is None:
        context = _context(target.path)
    return Server(target.origin, own if context is None else context)


def own_page(rule: Rule, origin: Origin) -> Target:
    """The rule's own URL as it is asked of the server at `origin`, to find out how that answers."""
    return Target(origin, upstream_path(rule) or "/", "f=json")


def audience_of(rule: Rule, credential: str, target: Target) -> Audience:
    """What a token for `target` has to be good for."""
    server = server_for_rule(rule, target)
    own = upstream_path(rule)
    is_guess = _context(own) is None and server.context.lower() != own.lower()
    return Audience(credential, server, rule.referer, is_guess)


def is_bound(credential: TokenCredential, origin: Origin) -> bool:
    """Whether the credential may be shown there."""
    for scope in credential.scopes:  # noqa: SIM110 - `any` costs as much as the comparing, for each request
        if scope.covers(origin):
            return True
    return False


def _context(path: str) -> str | None:
    """What stands before the first marker: folders and services may have any name, but they stand behind it. Empty
    segments are none: most servers take them for nothing, and each would be a site of its own."""
    segments = ["", *filter(None, path.split("/"))]
    for index, segment in enumerate(segments):
        if index and segment.lower() in _MARKERS:
            return "/".join(segments[:index])
    return None

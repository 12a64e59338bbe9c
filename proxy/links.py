"""How the links of an answer are written for the client that asked: on through the mount that it came by, or in query
mode. What to write is decided in `core.rewrite` and `core.mount`; bodies are rewritten in `upstream.relink`."""

from typing import Final

from proxy import names
from proxy.core import inject, parameters, redirect, rewrite
from proxy.core.spellings import Links
from proxy.errors import BadRequest, UpstreamFailed
from proxy.model import Rule
from proxy.runtime import Runtime
from proxy.traffic import Headers, Incoming, Reply
from proxy.upstream.relink import relink, weaken
from proxy.urls import Origin, Target

_CREDENTIALS: Final = inject.credential_names(names.TOKEN)


def check_name(incoming: Incoming) -> None:
    """A mount's answers are full of our own address: raises BadRequest where the client gave none that can be one."""
    if incoming.own_origin is None:
        raise BadRequest(
            "The request names no host.", "Send a Host header, or set server.publicUrl.", slug="bad_header"
        )


def validators(incoming: Incoming, target: Target, headers: dict[str, str]) -> None:
    """Takes back what `weaken` did to an entity tag: servers that compare tags letter by letter know only their own.
    In `If-None-Match` a weak one is as good as a strong one (RFC 9110 §13.1.2)."""
    tags = headers.get(names.IF_NONE_MATCH, "")
    if "W/" in tags and (incoming.is_mounted or rewrite.names_hosts(target.path)):
        headers[names.IF_NONE_MATCH] = tags.replace('W/"', '"')


def location(runtime: Runtime, incoming: Incoming, rule: Rule, base: Target, asked: Origin, given: str | None) -> str:
    """The `Location` of a redirect in the answer of `base`. Raises UpstreamFailed where it leads to a URL that no rule
    covers."""
    target = rewrite.resolve(given, base) if given else None
    target = target and redirect.shown(rule, target, asked)
    clean = parameters.without(target, _CREDENTIALS) if target is not None else None
    path = _mounted(runtime, clean) if clean is not None and incoming.is_mounted else None
    if path is not None:
        return path
    if clean is None or (runtime.table.lookup(clean) or runtime.unlisted) is None:
        raise UpstreamFailed("The server redirects to a URL that is not in the configuration.", slug="redirect")
    return rewrite.through_query(runtime.configuration.paths[0] if incoming.is_mounted else incoming.path, clean)


def further(runtime: Runtime, base: Target, given: Headers) -> dict[str, str]:
    """`Content-Location` and `Link` of an answer that came by a mount; no other passes them on."""

    def written(target: Target) -> str | None:
        return _mounted(runtime, parameters.without(target, _CREDENTIALS))

    place = rewrite.resolve(given.get(names.CONTENT_LOCATION, ""), base)
    found = {
        names.CONTENT_LOCATION: (written(place) if place and names.CONTENT_LOCATION in given else None) or "",
        names.LINK: rewrite.link_header(given.get(names.LINK, ""), base, written),
    }
    return {name: value for name, value in found.items() if value}


async def lead_here(reply: Reply, runtime: Runtime, incoming: Incoming, target: Target) -> None:
    """Rewrites the links in the body of `reply`, the answer of `target`. Raises UpstreamFailed."""
    links = _links_in(reply, runtime, incoming, target)
    if links is not None:
        public = f"{incoming.own_origin}{runtime.configuration.public_path}"
        await relink(reply, links, public, is_head=incoming.method == "HEAD")


def _links_in(reply: Reply, runtime: Runtime, incoming: Incoming, target: Target) -> Links | None:
    """What has to be rewritten; None: it passes as it is."""
    has_hosts = rewrite.names_hosts(target.path)
    if reply.status == 304 and (incoming.is_mounted or has_hosts):
        weaken(reply)
    content_type = reply.headers.get(names.CONTENT_TYPE, "")
    if reply.status in (204, 304) or not rewrite.is_rewritable(content_type):
        return None
    page = target.origin if "html" in content_type.lower() else None
    return rewrite.links_of(runtime.mounts.all if incoming.is_mounted else (), page, has_hosts)


def _mounted(runtime: Runtime, target: Target) -> str | None:
    path = runtime.mounts.path_to(target)
    return None if path is None else f"{runtime.configuration.public_path}{path}"

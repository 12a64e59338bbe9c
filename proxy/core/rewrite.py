"""Where an upstream's answer points to another URL, as the client has to write it. Pure text; nothing is fetched."""

import re
from typing import Final
from urllib.parse import urljoin

from proxy.core.target import parse_url
from proxy.errors import BadRequest
from proxy.model import Target

_ABSOLUTE: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


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

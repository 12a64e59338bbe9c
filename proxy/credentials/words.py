"""Refusals as one proxy tells them to others. Whatever the words say, nothing but a refusal comes of them."""

import math
from collections.abc import Mapping
from typing import Final

from proxy.errors import CredentialMisconfigured, CredentialRefused, ProxyError
from proxy.traffic import Word

_KINDS: Final = {kind.__name__: kind for kind in (CredentialRefused, CredentialMisconfigured)}
_LONGEST_REST: Final = 3600.0  # seconds


def fields_of(error: ProxyError) -> dict[str, object]:
    """As JSON holds it."""
    kind = type(error).__name__
    return {
        "kind": kind if kind in _KINDS else CredentialRefused.__name__,
        "message": error.message,
        "details": list(error.details),
        "slug": error.slug,
    }


def error_of(word: Word) -> ProxyError:
    """Back again, with what is left of the hold-off."""
    says = word.says
    kind, details = _KINDS.get(str(says.get("kind")), CredentialRefused), says.get("details")
    return kind(
        str(says.get("message", "The credential was refused.")),
        *(map(str, details) if isinstance(details, list) else ()),
        slug=str(says.get("slug", kind.slug)),
        retry_after=min(word.seconds, _LONGEST_REST),
    )


def seconds_in(says: Mapping[str, object], name: str, most: float) -> float:
    """A number from 0 to `most`; 0 for whatever is none."""
    value = says.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return max(0.0, min(float(value), most))

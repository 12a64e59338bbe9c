"""What `WWW-Authenticate` asks for (RFC 9110 §11.6.1): schemes with their parameters or their token. Pure text."""

import re
from dataclasses import dataclass, field
from typing import Final

from proxy.identity import Scheme

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME: Final = re.compile(rf"[\s,]*({_TOKEN})(?=\s|,|$)")
_TOKEN68: Final = re.compile(r"[ \t]+([A-Za-z0-9._~+/-]+=*)[ \t]*(?=,|$)")
_PARAMETER: Final = re.compile(rf'[\s,]*({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_TOKEN}))', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_LONGEST: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Challenge:
    """One of the logins that a server takes. Scheme and names of parameters in lower case."""

    scheme: str
    token: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def parse_challenges(value: str) -> list[Challenge]:
    """The challenges of a header, in its order; several header lines count as one, joined by commas.

    What is not understood ends the list: no part of it is guessed at.
    """
    value = value[:_LONGEST]
    found: list[Challenge] = []
    at = 0
    while (scheme := _SCHEME.match(value, at)) is not None:
        at = scheme.end()
        challenge = Challenge(scheme[1].lower())
        token = _TOKEN68.match(value, at)
        if token is not None:
            challenge = Challenge(challenge.scheme, token[1])
            at = token.end()
        else:
            while (parameter := _PARAMETER.match(value, at)) is not None:
                quoted, plain = parameter[2], parameter[3]
                text = _ESCAPED.sub(r"\1", quoted) if quoted is not None else plain
                challenge.parameters.setdefault(parameter[1].lower(), text)
                at = parameter.end()
        found.append(challenge)
    return found


def find_challenge(value: str, scheme: str) -> Challenge | None:
    """The first challenge of `scheme`, in any letter case."""
    return next((each for each in parse_challenges(value) if each.scheme == scheme.lower()), None)


def offered_logins(value: str) -> tuple[Scheme, ...]:
    """The logins of a header that the proxy knows, the strongest first."""
    asked = {Scheme.named(each.scheme) for each in parse_challenges(value)}
    return tuple(scheme for scheme in Scheme if scheme in asked)

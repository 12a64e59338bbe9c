"""Digest access authentication (RFC 7616): which challenge to answer, and with what. Draws no random numbers."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.core.challenge import Challenge
from proxy.identity import HttpLogin

# MD5 is what Apache and IIS offer (RFC 2617); the better ones win where there is a choice.
_HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
_STRENGTH: Final = list(_HASHES)


@dataclass(frozen=True, slots=True)
class DigestChallenge:
    """A challenge that can be answered. `algorithm` in upper case, with `-SESS` where the server wants it."""

    realm: str
    nonce: str
    algorithm: str
    has_qop: bool
    opaque: str | None
    is_stale: bool


def choose(challenges: list[Challenge]) -> DigestChallenge | None:
    """The strongest challenge that we can answer; None where there is none. `auth-int` alone is none: it would want
    the whole body before its first byte is sent."""
    usable = [each for each in map(_read, challenges) if each is not None]
    return min(usable, key=lambda each: _STRENGTH.index(_hash_name(each.algorithm)), default=None)


def _read(challenge: Challenge) -> DigestChallenge | None:
    given = challenge.parameters
    algorithm = given.get("algorithm", "MD5").upper()
    qop = [word.strip().lower() for word in given.get("qop", "").split(",") if word.strip()]
    if challenge.scheme != "digest" or "nonce" not in given or _hash_name(algorithm) not in _HASHES:
        return None
    if qop and "auth" not in qop:
        return None
    is_stale = given.get("stale", "").lower() == "true"
    return DigestChallenge(given.get("realm", ""), given["nonce"], algorithm, bool(qop), given.get("opaque"), is_stale)


def answer(
    challenge: DigestChallenge, login: HttpLogin, *, method: str, request_target: str, count: int, cnonce: str
) -> str:
    """The value of `Authorization`. `count` is how often this nonce was used, this time included."""
    digest = _HASHES[_hash_name(challenge.algorithm)]
    realm, nonce = _as_it_came(challenge.realm), _as_it_came(challenge.nonce)
    user = f"{login.domain}\\{login.username}" if login.domain else login.username
    secret = digest(f"{user}:{realm}:{login.password.reveal()}".encode())
    if challenge.algorithm.endswith("-SESS"):
        secret = digest(f"{secret}:{nonce}:{cnonce}".encode())
    request = digest(f"{method}:{request_target}".encode())
    uses = f"{count:08x}"
    middle = f"{nonce}:{uses}:{cnonce}:auth" if challenge.has_qop else nonce
    parts = [
        f'username="{_quoted(user)}"',
        f'realm="{_quoted(realm)}"',
        f'nonce="{_quoted(nonce)}"',
        f'uri="{_quoted(request_target)}"',
        f"algorithm={challenge.algorithm.replace('-SESS', '-sess')}",
        f'response="{digest(f"{secret}:{middle}:{request}".encode())}"',
    ]
    if challenge.has_qop:
        parts += ["qop=auth", f"nc={uses}", f'cnonce="{cnonce}"']
    elif challenge.algorithm.endswith("-SESS"):
        parts.append(f'cnonce="{cnonce}"')
    if challenge.opaque is not None:
        parts.append(f'opaque="{_quoted(_as_it_came(challenge.opaque))}"')
    return f"Digest {', '.join(parts)}"


def _hash_name(algorithm: str) -> str:
    return algorithm.removesuffix("-SESS")


def _as_it_came(text: str) -> str:
    """A parameter of the server's, whose header was read as Latin-1 and is to be written as UTF-8: so that it is
    hashed and sent back with the very bytes that it came with."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')

"""A token (JWT, RFC 7519) to its claims: signature, issuer, audience. Fetches nothing.

What the token says of its own keys (`jku`, `x5u`, `jwk`, `x5c`) is never looked at.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import jwt

from proxy.core.users import sign_in
from proxy.model import JwtUsers
from proxy.users.keys import ALGORITHMS, Key

# RFC 8725 §3.11: the same keys sign logout notices, security events and proofs, which are no logins.
_TYPES: Final = frozenset(("jwt", "at+jwt", "application/at+jwt"))
_REASONS: Final[dict[type[jwt.PyJWTError], str]] = {
    jwt.InvalidSignatureError: "the signature is not the key's",
    jwt.InvalidIssuerError: "the token is of another issuer (iss)",
    jwt.InvalidAudienceError: "the token is for another audience (aud)",
    jwt.InvalidAlgorithmError: "the algorithm is not the key's",
}
# The times are checked in `core.users`, by our own clock.
_OPTIONS: Final[jwt.types.Options] = {
    "require": ["exp", "iss", "aud"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


def read_head(token: str, allowed: frozenset[str] = ALGORITHMS) -> tuple[str | None, str]:
    """The key that a token names, and its algorithm. Raises NotAllowed (slug `user`)."""
    try:
        head = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise sign_in("the token's head is malformed") from None
    kid, algorithm, kind = head.get("kid"), head.get("alg"), head.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS & allowed:
        raise sign_in("the token's algorithm is not taken here")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise sign_in("the token is of a kind that is no login (typ)")
    # An extension that must be understood, a payload that is encoded otherwise, a token in a token
    if not {"crit", "b64", "cty", "zip", "enc"}.isdisjoint(head):
        raise sign_in("the token has an extension that is not taken here")
    return kid if isinstance(kid, str) else None, algorithm


def verified(token: str, keys: Iterable[Key], policy: JwtUsers) -> Mapping[str, object]:
    """The claims, if one of the keys signed them for us. Raises NotAllowed (slug `user`)."""
    reason = "the token's key is unknown (kid)"
    for key in keys:
        try:
            return jwt.decode(
                token,
                key.public,
                algorithms=list(key.algorithms),
                issuer=policy.issuer,
                audience=policy.audience,
                options=_OPTIONS,
            )
        except jwt.PyJWTError as error:
            # Not its own words: they quote the token
            reason = _REASONS.get(type(error), f"the token is malformed ({type(error).__name__})")
    raise sign_in(reason)

"""A JWK set (RFC 7517) to the keys that may have signed a login. Fetches nothing; what is no such key is left out.

A key brings its algorithms along, and the token's word counts only among those: so a public key is never taken for
the secret of an HMAC, nor `none` for an algorithm.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWTError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
_EDWARDS: Final = ("Ed25519", "Ed448")
ALGORITHMS: Final = frozenset((*_RSA, "ES256", "ES384", "ES512", "EdDSA"))
_MOST: Final = 100
_LEAST_BITS, _MOST_BITS = 2048, 8192  # of RSA; larger ones take milliseconds for each request
_LARGEST_EXPONENT: Final = 0xFFFFFFFF  # likewise
_NUMBER: Final = re.compile(r"[A-Za-z0-9_-]{1,1400}={0,2}")
_NUMBERS: Final = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the login service, and the algorithms that it may be used with."""

    kid: str | None
    algorithms: tuple[str, ...]
    public: PublicKey


def parse_keys(body: bytes) -> tuple[Key, ...]:
    """The keys of a JWK set that can be used here. None is an answer, too: the issuer has withdrawn them.

    Raises ValueError where the body is no JWK set.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("the answer is no JSON") from None
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise ValueError("the answer is no JWK set")
    return tuple(key for each in found[:_MOST] if (key := _key(each)) is not None)


def fitting(keys: tuple[Key, ...], kid: str | None, algorithm: str) -> tuple[Key, ...]:
    """The keys that a token may have been signed with. One that names none must leave no choice."""
    found = tuple(key for key in keys if algorithm in key.algorithms and kid in (None, key.kid))
    return found if kid is not None or len(found) == 1 else ()


def _key(jwk: object) -> Key | None:
    if not isinstance(jwk, dict) or "d" in jwk:  # with its private part published, anyone could have signed
        return None
    kid, algorithms = jwk.get("kid"), _algorithms(jwk)
    if not algorithms or not (kid is None or isinstance(kid, str)):
        return None
    if not all(isinstance(text := jwk.get(name), str) and _NUMBER.fullmatch(text) for name in _NUMBERS[jwk["kty"]]):
        return None
    try:
        public = _READ[jwk["kty"]].from_jwk(jwk)
    except (PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return Key(kid, algorithms, public) if isinstance(public, PublicKey) and _is_sound(public) else None


def _algorithms(jwk: dict[str, object]) -> tuple[str, ...]:
    """What a key may be used with: by its kind, less what it says itself. Empty for keys that are no use here."""
    found: tuple[str, ...] = ()
    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            found = _RSA
        case "EC", str(curve):
            found = _CURVES.get(curve, ())
        case "OKP", str(curve) if curve in _EDWARDS:
            found = ("EdDSA",)
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return ()
    return tuple(each for each in found if jwk.get("alg", each) == each)


def _is_sound(public: PublicKey) -> bool:
    if not isinstance(public, RSAPublicKey):
        return True
    return _LEAST_BITS <= public.key_size <= _MOST_BITS and public.public_numbers().e <= _LARGEST_EXPONENT


_READ: Final[dict[str, type[RSAAlgorithm | ECAlgorithm | OKPAlgorithm]]] = {
    "RSA": RSAAlgorithm,
    "EC": ECAlgorithm,
    "OKP": OKPAlgorithm,
}

"""A login service for tests: its keys, the tokens it signs, and its address, which answers as told."""

import base64
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from proxy.core.target import parse_url
from proxy.identity import Route
from proxy.model import JwtUsers
from proxy.traffic import Answer, Headers
from tests.unit.fetcher import WALL, Call, Told

ISSUER, AUDIENCE = "https://login.example.com/", "maps"
CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


@cache
def private(kind: str, number: int = 0) -> Private:
    """A key of a kind (`RSA-2048`, `P-256`, `Ed25519`, …); `number` tells several of one kind apart."""
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(65537, int(kind[4:]))
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    return ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else ed448.Ed448PrivateKey.generate()


def jwk(key: Private, kid: str | None = "k1", **more: Any) -> dict[str, Any]:
    """A key's public half, as a JWK set has it."""
    public: Any = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        written = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        written = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        written = OKPAlgorithm.to_jwk(public, as_dict=True)
    written.pop("key_ops", None)
    return {**written, **({"kid": kid} if kid is not None else {}), **more}


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def claims(**more: Any) -> dict[str, Any]:
    """Those of a login that is good for five minutes from WALL on; None takes one out."""
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "1234",
        "preferred_username": "anna",
        "iat": WALL,
        "exp": WALL + 300,
    }
    return {name: value for name, value in (usual | more).items() if value is not None}


def signed(
    payload: dict[str, Any] | None = None,
    *,
    key: Any = None,
    algorithm: str = "RS256",
    kid: str | None = "k1",
    **head: Any,
) -> str:
    """A token."""
    named = {"kid": kid} if kid is not None else {}
    return jwt.encode(
        claims() if payload is None else payload, key or private("RSA-2048"), algorithm, {**named, **head}
    )


def by_hand(head: object, payload: object, signature: bytes = b"s" * 256) -> str:
    """A token that no library would make."""
    parts = (json.dumps(head).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@dataclass(slots=True)
class Service(Told):
    """Its address."""

    body: bytes = field(default_factory=lambda: jwks(jwk(private("RSA-2048"))))
    headers: Headers = field(default_factory=dict)
    status: int = 200
    error: Exception | None = None

    def answer(self, call: Call) -> Answer:
        assert (call.method, call.body) == ("GET", b"")
        if self.error is not None:
            raise self.error
        return Answer(self.status, self.headers, self.body)


def policy(keys: str = "https://login.example.com/keys", cookie: str = "session") -> JwtUsers:
    return JwtUsers(ISSUER, AUDIENCE, parse_url(keys), Route(), cookie)

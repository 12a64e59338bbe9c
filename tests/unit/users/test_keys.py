"""proxy.users.keys: what of a JWK set may have signed a login."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.users.keys import fitting, parse_keys
from tests.unit.users.issuer import jwk, jwks, private

RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
GOOD = jwk(private("RSA-2048"))
EC = jwk(private("P-256"))
ED = jwk(private("Ed25519"))


@pytest.mark.parametrize(
    ("kind", "algorithms"),
    [
        ("RSA-2048", RSA),
        ("P-256", ("ES256",)),
        ("P-384", ("ES384",)),
        ("P-521", ("ES512",)),
        ("Ed25519", ("EdDSA",)),
        ("Ed448", ("EdDSA",)),
    ],
)
def test_a_key_brings_its_algorithms_along(kind: str, algorithms: tuple[str, ...]) -> None:
    (key,) = parse_keys(jwks(jwk(private(kind), "a")))
    assert (key.kid, key.algorithms) == ("a", algorithms)


@pytest.mark.parametrize(
    ("written", "algorithms"),
    [
        (GOOD | {"alg": "PS256"}, ("PS256",)),
        (GOOD | {"use": "sig", "key_ops": ["verify"], "x5c": ["!"], "x5u": "http://evil.example/"}, RSA),
        (EC | {"alg": "ES256"}, ("ES256",)),
    ],
)
def test_what_a_key_says_of_itself_counts(written: dict[str, Any], algorithms: tuple[str, ...]) -> None:
    (key,) = parse_keys(jwks(written))
    assert key.algorithms == algorithms


@pytest.mark.parametrize(
    "odd",
    [
        "a key",
        None,
        [],
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"},
        GOOD | {"kty": "oct"},
        GOOD | {"kty": ["RSA"]},
        GOOD | {"kty": "rsa"},
        GOOD | {"alg": "HS256"},
        GOOD | {"alg": "none"},
        GOOD | {"alg": "RSA-OAEP"},
        GOOD | {"alg": None},
        GOOD | {"alg": ["RS256"]},
        GOOD | {"use": "enc"},
        GOOD | {"key_ops": ["encrypt"]},
        GOOD | {"key_ops": "verify"},
        GOOD | {"kid": 7},
        GOOD | {"d": "AQAB"},  # with the private half published, anyone could have signed
        GOOD | {"n": 5},
        GOOD | {"n": ""},
        GOOD | {"n": "AQAB"},
        GOOD | {"n": "A" * 5000},
        GOOD | {"n": "!!!"},
        GOOD | {"e": "AQ"},
        GOOD | {"e": "Ag"},
        GOOD | {"e": GOOD["n"]},  # a large exponent makes each check slow
        {name: value for name, value in GOOD.items() if name != "e"},
        EC | {"alg": "ES384"},
        EC | {"crv": "P-384"},
        EC | {"crv": "secp256k1"},
        EC | {"crv": None},
        EC | {"y": EC["x"]},  # not on the curve
        EC | {"x": "AAAA"},
        ED | {"crv": "X25519"},
        ED | {"crv": "Ed448"},
        ED | {"x": "AAAA"},
        ED | {"kty": "EC"},
    ],
)
def test_odd_keys_are_left_out_and_the_others_stay(odd: object) -> None:
    good = jwk(private("P-384"), "good")
    assert [key.kid for key in parse_keys(jwks(odd, good, odd))] == ["good"]


@pytest.mark.parametrize("bits", [1024, 9216])
def test_keys_that_are_too_short_or_too_slow_are_left_out(bits: int) -> None:
    number = (1 << (bits - 1)) + 1
    modulus = jwk(private("RSA-2048")) | {"n": _base64(number)}
    assert parse_keys(jwks(modulus)) == ()


def _base64(number: int) -> str:
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b"null",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        b'{"keys": null}',
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"keys":[' + b"[" * 20_000,
        b'{"error":"down"}',
    ],
)
def test_what_is_no_jwk_set_is_a_failure(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^the answer is no "):
        parse_keys(body)


def test_an_empty_set_is_an_answer() -> None:
    assert parse_keys(b'{"keys": []}') == ()


def test_a_set_has_an_end() -> None:
    assert len(parse_keys(jwks(*[ED] * 150))) == 100


@given(
    st.recursive(
        st.none() | st.booleans() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(("keys", "kty", "n", "e", "crv", "x", "y", "kid", "alg", "use")), inner)
        ),
    )
)
def test_any_json_is_read_or_a_failure(document: object) -> None:
    for body in (json.dumps(document), json.dumps({"keys": [document]}), json.dumps({"keys": document})):
        try:
            parse_keys(body.encode())
        except ValueError as error:
            message = str(error)
            assert message.startswith("the answer is no "), body


def test_a_key_is_found_by_its_name_and_algorithm() -> None:
    keys = parse_keys(jwks(jwk(private("RSA-2048"), "a"), jwk(private("P-256"), "b"), jwk(private("Ed25519"), None)))
    rsa, ec, ed = keys
    assert fitting(keys, "a", "RS256") == fitting(keys, "a", "PS512") == (rsa,)
    assert fitting(keys, "b", "ES256") == (ec,)
    assert fitting(keys, "a", "ES256") == fitting(keys, "A", "RS256") == fitting(keys, "", "RS256") == ()
    assert fitting(keys, "../../etc/passwd", "RS256") == fitting(keys, "https://evil.example/k", "RS256") == ()
    # a token that names no key may have only one that fits
    assert fitting(keys, None, "EdDSA") == (ed,)
    assert fitting(keys, None, "RS256") == (rsa,)
    two = parse_keys(jwks(jwk(private("RSA-2048"), "a"), jwk(private("RSA-2048", 1), "b")))
    assert fitting(two, None, "RS256") == ()
    # two keys of one name that differ in their algorithm, or do not
    twins = parse_keys(jwks(GOOD | {"alg": "RS256"}, GOOD | {"alg": "PS256"}, jwk(private("RSA-2048", 1))))
    assert fitting(twins, "k1", "PS256") == (twins[1], twins[2])

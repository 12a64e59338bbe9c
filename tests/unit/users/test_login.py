"""proxy.users.login: forged, borrowed and malformed tokens, and the few that are good."""

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import NotAllowed
from proxy.users.keys import Key, fitting, parse_keys
from proxy.users.login import read_head, verified
from tests.unit.users.issuer import by_hand, claims, jwk, jwks, policy, private, signed

RSA = private("RSA-2048")
KINDS = {"RS256": "RSA-2048", "RS384": "RSA-2048", "RS512": "RSA-2048", "PS256": "RSA-2048", "PS384": "RSA-2048"}
KINDS |= {"PS512": "RSA-2048", "ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}


def judged(token: str, *keys: dict[str, Any]) -> str:
    """Why a token is refused; "" where it is good."""
    ring = parse_keys(jwks(*(keys or (jwk(RSA),))))
    try:
        kid, algorithm = read_head(token)
        assert verified(token, fitting(ring, kid, algorithm), policy())["sub"] == "1234"
    except NotAllowed as error:
        return " ".join(error.__notes__)
    return ""


@pytest.mark.parametrize("algorithm", KINDS)
def test_a_good_token_is_taken(algorithm: str) -> None:
    key = private(KINDS[algorithm])
    assert judged(signed(key=key, algorithm=algorithm), jwk(key)) == ""


def test_a_token_signed_with_ed448_is_taken() -> None:
    key = private("Ed448")
    assert judged(signed(key=key, algorithm="EdDSA"), jwk(key)) == ""


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"aud": ["other", "maps"]}, ""),
        ({"iss": "https://login.example.com"}, "the token is of another issuer (iss)"),
        ({"iss": "https://LOGIN.example.com/"}, "the token is of another issuer (iss)"),
        ({"iss": ["https://login.example.com/"]}, "the token is of another issuer (iss)"),
        ({"iss": None}, "the token is malformed (MissingRequiredClaimError)"),
        ({"aud": None}, "the token is malformed (MissingRequiredClaimError)"),
        ({"exp": None}, "the token is malformed (MissingRequiredClaimError)"),
        ({"aud": "map"}, "the token is for another audience (aud)"),
        ({"aud": "maps2"}, "the token is for another audience (aud)"),
        ({"aud": {"maps": 1}}, "the token is for another audience (aud)"),
        ({"aud": ["maps", 5]}, "the token is for another audience (aud)"),
        ({"aud": []}, "the token is malformed (MissingRequiredClaimError)"),
    ],
)
def test_a_token_is_of_our_issuer_and_for_us(payload: dict[str, Any], why: str) -> None:
    token = by_hand_signed(claims(**payload)) if isinstance(payload.get("iss"), list) else signed(claims(**payload))
    assert judged(token) == why


def by_hand_signed(payload: object, **head: object) -> str:
    """Signed with the right key, though no library would write the payload."""
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256

    assert isinstance(RSA, rsa.RSAPrivateKey)
    token = by_hand({"alg": "RS256", "kid": "k1", **head}, payload)
    signing = token.rpartition(".")[0]
    signature = RSA.sign(signing.encode(), padding.PKCS1v15(), SHA256())
    return f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize("payload", [[], "text", None, 5, "eyJh.eyJp.c2ln"])
def test_a_payload_that_is_no_object_is_refused(payload: object) -> None:
    assert judged(by_hand_signed(claims())) == ""
    assert judged(by_hand_signed(payload)) == "the token is malformed (DecodeError)"


def test_a_token_in_a_token_is_refused() -> None:
    assert judged(by_hand_signed(signed(), cty="JWT")) == "the token has an extension that is not taken here"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "HS256", "HS512", "rs256", "ES256K", "RSA-OAEP"]
)
def test_other_algorithms_are_not_taken(algorithm: str) -> None:
    assert judged(by_hand({"alg": algorithm, "kid": "k1"}, claims())) == "the token's algorithm is not taken here"


@pytest.mark.parametrize(
    "head", [{}, {"alg": None}, {"alg": ["RS256"]}, {"alg": {"RS256": 1}}, {"alg": 256}, {"alg": True}]
)
def test_an_algorithm_is_a_text(head: dict[str, object]) -> None:
    assert judged(by_hand({"kid": "k1", **head}, claims())) == "the token's algorithm is not taken here"


@pytest.mark.parametrize("form", ["pem", "der", "jwk"])
def test_the_public_key_is_no_secret(form: str) -> None:
    """The classic: an HMAC with the public key as its secret, whatever form of it a library might take."""
    public = RSA.public_key()
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    secrets = {
        "pem": public.public_bytes(serialization.Encoding.PEM, info),
        "der": public.public_bytes(serialization.Encoding.DER, info),
        "jwk": json.dumps(jwk(RSA)).encode(),
    }
    signing = by_hand({"alg": "HS256", "typ": "JWT", "kid": "k1"}, claims()).rpartition(".")[0]
    mac = hmac.new(secrets[form], signing.encode(), hashlib.sha256).digest()
    forged = f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert judged(forged) == "the token's algorithm is not taken here"
    # past the look at the head, the key itself takes no such algorithm
    with pytest.raises(NotAllowed) as refused:
        verified(forged, parse_keys(jwks(jwk(RSA))), policy())
    assert refused.value.__notes__ == ["the algorithm is not the key's"]


@pytest.mark.parametrize(
    ("algorithm", "kind"), [("RS256", "P-256"), ("ES256", "P-384"), ("ES256", "RSA-2048"), ("EdDSA", "P-256")]
)
def test_an_algorithm_of_another_kind_of_key_finds_none(algorithm: str, kind: str) -> None:
    token = by_hand({"alg": algorithm, "kid": "k1"}, claims())
    assert judged(token, jwk(private(kind))) == "the token's key is unknown (kid)"
    with pytest.raises(NotAllowed) as refused:
        verified(token, parse_keys(jwks(jwk(private(kind)))), policy())
    assert refused.value.__notes__ == ["the algorithm is not the key's"]


@pytest.mark.parametrize("size", [64, 256, 1])
@pytest.mark.parametrize(("kind", "algorithm"), [("P-256", "ES256"), ("RSA-2048", "RS256"), ("Ed25519", "EdDSA")])
def test_a_signature_of_zeros_proves_nothing(kind: str, algorithm: str, size: int) -> None:
    """For ECDSA that is r = s = 0 (CVE-2022-21449)."""
    token = by_hand({"alg": algorithm, "kid": "k1"}, claims(), b"\0" * size)
    assert judged(token, jwk(private(kind))) == "the signature is not the key's"


@pytest.mark.parametrize(
    "hint",
    [
        {"jku": "https://evil.example/keys"},
        {"x5u": "https://evil.example/cert.pem"},
        {"jwk": jwk(private("RSA-2048", 1))},
        {"x5c": ["MIIB"]},
        {"x5t": "AAAA", "jku": "https://login.example.com@evil.example/keys"},
    ],
)
def test_keys_that_a_token_brings_along_are_not_looked_at(hint: dict[str, Any]) -> None:
    forged = signed(key=private("RSA-2048", 1), **hint)
    assert judged(forged) == "the signature is not the key's"
    assert judged(signed(**hint)) == ""  # a hint on a good token does no harm either


@pytest.mark.parametrize(
    "kid",
    [
        *("k2", "", "K1", "k1\0", " k1", "../../../dev/null", "/proc/sys/kernel/randomize_va_space"),
        *("k1' UNION SELECT 'x", "https://evil.example/key", "file:///dev/null", "k1%00", "0"),
    ],
)
def test_a_key_is_never_looked_for_elsewhere(kid: str) -> None:
    assert judged(signed(key=private("RSA-2048", 1), kid=kid)) == "the token's key is unknown (kid)"
    assert judged(signed(kid=kid)) == "the token's key is unknown (kid)"


@pytest.mark.parametrize("kid", [5, None, ["k1"], {"k1": 1}, True])
def test_a_keys_name_is_a_text(kid: object) -> None:
    assert judged(by_hand({"alg": "RS256", "kid": kid}, claims())) == "the token's head is malformed"


def test_a_token_without_a_keys_name_is_good_where_there_is_one_key() -> None:
    other = jwk(private("RSA-2048", 1), "k2")
    assert judged(signed(kid=None), jwk(RSA), jwk(private("P-256"), "k3")) == ""
    assert judged(signed(kid=None), jwk(RSA), other) == "the token's key is unknown (kid)"
    assert judged(signed(kid=None, key=private("RSA-2048", 1))) == "the signature is not the key's"


def test_of_two_keys_with_one_name_either_may_have_signed() -> None:
    older = jwk(private("RSA-2048", 1))
    assert judged(signed(), older, jwk(RSA)) == judged(signed(), jwk(RSA), older) == ""
    assert judged(signed(key=private("RSA-2048", 2)), older, jwk(RSA)) == "the signature is not the key's"


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("JWT", ""),
        ("jwt", ""),
        ("at+jwt", ""),
        ("application/at+jwt", ""),
        ("logout+jwt", "the token is of a kind that is no login (typ)"),
        ("secevent+jwt", "the token is of a kind that is no login (typ)"),
        ("dpop+jwt", "the token is of a kind that is no login (typ)"),
        ("", ""),  # the library then leaves it out
    ],
)
def test_the_same_keys_sign_what_is_no_login(kind: str, why: str) -> None:
    assert judged(signed(typ=kind)) == why


@pytest.mark.parametrize("kind", [5, None, ["JWT"], {}])
def test_a_kind_is_a_text(kind: object) -> None:
    assert judged(by_hand_signed(claims(), typ=kind)) == "the token is of a kind that is no login (typ)"


@pytest.mark.parametrize(
    "extension",
    [{"b64": True}, {"zip": "DEF"}, {"enc": "A128GCM"}, {"cty": "JWT"}, {"cty": ""}],
)
def test_extensions_are_not_taken(extension: dict[str, object]) -> None:
    assert judged(by_hand_signed(claims(), **extension)) == "the token has an extension that is not taken here"


@pytest.mark.parametrize("extension", [{"crit": ["exp"], "exp": 5}, {"crit": []}, {"crit": ["b64"], "b64": False}])
def test_extensions_that_must_be_understood_are_not(extension: dict[str, object]) -> None:
    assert judged(by_hand_signed(claims(), **extension)) != ""


@pytest.mark.parametrize("depth", [500, 5000])
def test_deep_json_breaks_nothing(depth: int) -> None:
    deep = base64.urlsafe_b64encode(b'{"alg":' * depth).rstrip(b"=").decode()
    assert judged(f"{deep}.{deep}.c2ln") == "the token's head is malformed"


def test_a_changed_byte_is_noticed() -> None:
    token = signed()
    head, payload, signature = token.split(".")
    other = signed(claims(preferred_username="admin"), key=private("RSA-2048", 1)).split(".")[1]
    assert judged(f"{head}.{other}.{signature}") == "the signature is not the key's"
    for cut in (signature[:-4], signature + "AAAA", signature[4:]):
        assert judged(f"{head}.{payload}.{cut}")
    assert judged(token) == ""


@given(st.text(st.sampled_from("eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.-_=A1"), max_size=200) | st.text())
def test_any_text_is_a_head_or_refused(text: str) -> None:
    with suppress(NotAllowed):
        read_head(text)


@given(
    st.dictionaries(
        st.sampled_from(("alg", "kid", "typ", "crit", "b64", "cty", "jku")),
        st.sampled_from(("RS256", "none", "JWT", "k1"))
        | st.none()
        | st.integers()
        | st.booleans()
        | st.lists(st.text()),
    ),
    st.none() | st.text() | st.lists(st.integers()) | st.dictionaries(st.text(), st.integers()),
    st.binary(min_size=1, max_size=300),
)
def test_nothing_that_is_made_up_is_taken(head: dict[str, object], payload: object, signature: bytes) -> None:
    token = by_hand(head, payload, signature)
    with pytest.raises(NotAllowed):
        verified(token, keys_for(token), policy())


def keys_for(token: str) -> tuple[Key, ...]:
    return fitting(parse_keys(jwks(jwk(RSA), jwk(private("Ed25519"), "k2"))), *read_head(token))

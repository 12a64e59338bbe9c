"""proxy.core.digest: the answers that the RFCs print, and which challenge is answered."""

import hashlib
from urllib.request import parse_http_list, parse_keqv_list

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.challenge import Challenge, parse_challenges
from proxy.core.digest import DigestChallenge, answer, choose
from proxy.identity import HttpLogin, Scheme
from proxy.secret import Secret


def login(username: str = "Mufasa", password: str = "Circle of Life", domain: str = "") -> HttpLogin:
    return HttpLogin(Scheme.DIGEST, username, Secret(password), domain)


def fields(value: str) -> dict[str, str]:
    """What is in an Authorization header, read by somebody else's parser."""
    scheme, _, rest = value.partition(" ")
    assert scheme == "Digest"
    pairs = parse_http_list(rest)
    assert len({pair.partition("=")[0] for pair in pairs}) == len(pairs)
    return parse_keqv_list(pairs)


def chosen(header: str) -> DigestChallenge:
    challenge = choose(parse_challenges(header))
    assert challenge is not None
    return challenge


RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    given_ = fields(
        answer(
            chosen(RFC_7616.format(algorithm)),
            login(),
            method="GET",
            request_target="/dir/index.html",
            count=1,
            cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
    )
    assert given_ == {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "qop": "auth",
        "response": response,
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }


def test_rfc_7616_section_3_9_2_with_its_erratum_4897() -> None:
    challenge = chosen(
        'Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, charset=UTF-8, userhash=true, '
        'nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS"'
    )
    value = answer(
        challenge,
        login("J\xe4s\xf8n Doe", "Secret, or not?"),
        method="GET",
        request_target="/doe.json",
        count=1,
        cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert fields(value)["response"] == "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"


def test_rfc_2617_section_3_5() -> None:
    challenge = chosen(
        'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
        'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    value = answer(
        challenge,
        login(password="Circle Of Life"),
        method="GET",
        request_target="/dir/index.html",
        count=1,
        cnonce="0a4f113b",
    )
    assert fields(value)["response"] == "6629fae49393a05397450978507c4ef1"


def test_without_qop_there_is_no_count_and_no_cnonce() -> None:
    """RFC 2069 §2.4, with its erratum; RFC 2617 §3.2.2.1 keeps it."""
    challenge = chosen('Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"')
    value = answer(
        challenge, login(password="CircleOfLife"), method="GET", request_target="/dir/index.html", count=7, cnonce="c"
    )
    given_ = fields(value)
    assert given_["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert given_.keys().isdisjoint({"qop", "nc", "cnonce", "opaque"})


@pytest.mark.parametrize(
    ("algorithm", "hashed"),
    [("MD5-sess", hashlib.md5), ("md5-SESS", hashlib.md5), ("SHA-256-sess", hashlib.sha256)],
)
@pytest.mark.parametrize("qop", [', qop="auth"', ""])
def test_sess_hashes_the_nonces_into_the_secret(algorithm: str, hashed: object, qop: str) -> None:
    def h(text: str) -> str:
        assert callable(hashed)
        return str(hashed(text.encode()).hexdigest())

    challenge = chosen(f'Digest realm="r", nonce="n", algorithm={algorithm}{qop}')
    given_ = fields(answer(challenge, login("u", "p"), method="POST", request_target="/a?b=c", count=255, cnonce="cc"))
    a1 = h(f"{h('u:r:p')}:n:cc")
    middle = "n:000000ff:cc:auth" if qop else "n"
    assert given_["response"] == h(f"{a1}:{middle}:{h('POST:/a?b=c')}")
    assert given_["cnonce"] == "cc"  # the server needs it for the secret, qop or not
    assert given_["algorithm"].endswith("-sess")


@pytest.mark.parametrize(
    ("header", "algorithm"),
    [
        ('Digest realm="a", nonce="m", algorithm=MD5, Digest realm="a", nonce="s", algorithm=SHA-256', "SHA-256"),
        ('Digest nonce="s", algorithm="SHA-256", Digest nonce="t", algorithm=SHA-512-256', "SHA-512-256"),
        ('Digest nonce="m", Digest nonce="n", algorithm=SHA-1', "MD5"),
        ('Digest nonce="m", algorithm=md5, Basic realm="x"', "MD5"),
        ('Digest nonce="i", algorithm=SHA-256, qop=auth-int, Digest nonce="m", qop=auth', "MD5"),
        ('Digest nonce="a", qop="auth-int,auth"', "MD5"),
        ('Digest nonce="a", qop=" AUTH "', "MD5"),
        ('Digest nonce="a", algorithm=SHA-256, Digest nonce="b", algorithm=SHA-256-sess', "SHA-256"),
    ],
)
def test_the_strongest_that_can_be_answered_is_chosen(header: str, algorithm: str) -> None:
    assert chosen(header).algorithm == algorithm


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Digest",
        'Digest realm="a"',
        'Digest nonce="a", qop=auth-int',
        'Digest nonce="a", qop="auth-conf, other"',
        'Digest nonce="a", algorithm=SHA-1',
        'Digest nonce="a", algorithm=-sess',
        'Digest nonce="a", algorithm=',
        'Basic nonce="a"',
        "Digest bm9uY2U=",
    ],
)
def test_what_cannot_be_answered_is_not(header: str) -> None:
    # `algorithm=` ends the list: the challenge is then one of MD5 by default, and that is what an old client sees too
    if header.endswith("algorithm="):
        assert chosen(header).algorithm == "MD5"
    else:
        assert choose(parse_challenges(header)) is None


@pytest.mark.parametrize(("written", "is_stale"), [("true", True), ("TRUE", True), ("false", False), ("yes", False)])
def test_true_alone_means_stale(written: str, is_stale: bool) -> None:
    assert chosen(f'Digest nonce="a", stale={written}').is_stale is is_stale
    assert chosen(f'Digest nonce="a", stale="{written}"').is_stale is is_stale
    assert chosen('Digest nonce="a"').is_stale is False


def test_an_empty_opaque_comes_back_and_an_absent_one_does_not() -> None:
    with_it, without = chosen('Digest nonce="a", opaque=""'), chosen('Digest nonce="a"')
    sent = [answer(each, login(), method="GET", request_target="/", count=1, cnonce="c") for each in (with_it, without)]
    assert ['opaque=""' in value for value in sent] == [True, False]


def test_a_domain_stands_before_the_user() -> None:
    value = answer(
        chosen('Digest realm="r", nonce="n"'),
        login("web map", "p", "CITY"),
        method="GET",
        request_target="/",
        count=1,
        cnonce="c",
    )
    assert 'username="CITY\\\\web map"' in value

    def h(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    user = "CITY\\web map"  # in the hash without its quotes
    assert fields(value)["response"] == h(f"{h(f'{user}:r:p')}:n:{h('GET:/')}")


_TEXT = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


@given(realm=_TEXT, nonce=_TEXT, opaque=_TEXT, user=_TEXT, target=_TEXT)
def test_nothing_that_is_quoted_breaks_out_of_its_quotes(
    realm: str, nonce: str, opaque: str, user: str, target: str
) -> None:
    challenge = Challenge("digest", "", {"realm": realm, "nonce": nonce, "opaque": opaque, "qop": "auth"})
    offered = choose([challenge])
    assert offered is not None
    value = answer(offered, login(user, "p"), method="GET", request_target=f"/{target}", count=1, cnonce="c")
    (read,) = parse_challenges(value)  # the same form as a challenge's
    assert (read.parameters["realm"], read.parameters["nonce"]) == (realm, nonce)
    assert (read.parameters["opaque"], read.parameters["username"]) == (opaque, user)
    assert read.parameters["uri"] == f"/{target}"
    assert len(read.parameters) == 10


def test_the_answer_holds_no_password() -> None:
    for algorithm in ("MD5", "SHA-256", "MD5-sess"):
        value = answer(
            chosen(f'Digest nonce="a", qop=auth, algorithm={algorithm}'),
            login(password="canary-Pa55"),
            method="GET",
            request_target="/",
            count=1,
            cnonce="c",
        )
        assert "canary" not in value

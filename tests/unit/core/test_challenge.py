"""proxy.core.challenge: what a server asks for, read to the first thing that is not understood."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.core.challenge import Challenge, find_challenge, parse_challenges


def parsed(value: str) -> list[tuple[str, str, dict[str, str]]]:
    return [(each.scheme, each.token, each.parameters) for each in parse_challenges(value)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        (" , ,\t", []),
        ("Negotiate", [("negotiate", "", {})]),
        ("NEGOTIATE, ntlm", [("negotiate", "", {}), ("ntlm", "", {})]),
        ("Negotiate, NTLM, Basic realm=x", [("negotiate", "", {}), ("ntlm", "", {}), ("basic", "", {"realm": "x"})]),
        ("NTLM TlRMTVNTUAAC+/-._~==", [("ntlm", "TlRMTVNTUAAC+/-._~==", {})]),
        ("Negotiate oYG2== , Basic realm=x", [("negotiate", "oYG2==", {}), ("basic", "", {"realm": "x"})]),
        ("NTLM   TlRM=", [("ntlm", "TlRM=", {})]),
        ('Basic realm="x"', [("basic", "", {"realm": "x"})]),
        ('Basic realm=""', [("basic", "", {"realm": ""})]),
        ('BASIC REALM="X", CharSet="UTF-8"', [("basic", "", {"realm": "X", "charset": "UTF-8"})]),
        ('Basic realm = "x" , charset\t=\tUTF-8', [("basic", "", {"realm": "x", "charset": "UTF-8"})]),
        (r'Basic realm="a \"b\" \\ c"', [("basic", "", {"realm": 'a "b" \\ c'})]),
        ('Basic realm="one, Digest nonce=two"', [("basic", "", {"realm": "one, Digest nonce=two"})]),
        ('Basic realm="first", realm="second"', [("basic", "", {"realm": "first"})]),
        ('Basic realm="Gel\xc3\xa4nde"', [("basic", "", {"realm": "Gel\xc3\xa4nde"})]),
        (
            'Digest realm="a", nonce="n==", qop="auth,auth-int", algorithm=MD5, Basic realm="b", Negotiate',
            [
                ("digest", "", {"realm": "a", "nonce": "n==", "qop": "auth,auth-int", "algorithm": "MD5"}),
                ("basic", "", {"realm": "b"}),
                ("negotiate", "", {}),
            ],
        ),
        # RFC 9110 §11.6.1's own example
        (
            'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
            [
                ("basic", "", {"realm": "simple"}),
                ("newauth", "", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
            ],
        ),
    ],
)
def test_each_login_of_a_header_is_read_with_its_parameters(
    value: str, expected: list[tuple[str, str, dict[str, str]]]
) -> None:
    assert parsed(value) == expected


@pytest.mark.parametrize(
    ("value", "understood"),
    [
        ('"Basic" realm="x"', []),
        ("Basic; realm=x, NTLM", []),
        ("=Basic realm=x", []),
        ('Basic realm="never closed, NTLM', ["basic"]),
        ('Basic realm="closed by nothing\\"', ["basic"]),
        ("Negotiate, NTLM abc=def=, Basic", ["negotiate", "ntlm"]),
        ('Digest nonce="a" "b", Basic', ["digest"]),
        ("NTLM, <b>Basic</b>", ["ntlm"]),
        ("NTLM, (, Basic", ["ntlm"]),
        ("NTLM\x00, Basic", []),
    ],
)
def test_what_is_not_understood_ends_the_list(value: str, understood: list[str]) -> None:
    assert [each.scheme for each in parse_challenges(value)] == understood


def test_one_scheme_is_found_in_any_letter_case() -> None:
    value = "Negotiate abc, nTlM first, NTLM second"
    assert find_challenge(value, "NTLM") == Challenge("ntlm", "first")
    assert find_challenge(value, "Basic") is None
    assert find_challenge('Foo x="NTLM"', "NTLM") is None


@given(st.text(max_size=300) | st.text(alphabet='aB9 ,=";\\\t~+/', max_size=300))
def test_no_header_is_an_error(value: str) -> None:
    for each in parse_challenges(value):
        assert each.scheme
        assert each.scheme == each.scheme.lower()
        assert not (each.token and each.parameters)


_NAME = st.text(alphabet="abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=8)
_QUOTED = st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_categories=["Cc"]))


@given(st.lists(st.tuples(_NAME, st.dictionaries(_NAME, _QUOTED, max_size=4)), max_size=5))
def test_what_is_written_by_the_book_is_read_as_it_was_meant(challenges: list[tuple[str, dict[str, str]]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    written = [
        f"{scheme} {', '.join(f'{name}={quoted(text)}' for name, text in given.items())}"
        for scheme, given in challenges
    ]
    assert parsed(", ".join(written)) == [(scheme, "", given) for scheme, given in challenges]


@pytest.mark.parametrize(
    "piece",
    [
        " ",
        ",",
        "a",
        "a ",
        "a,",
        "a=",
        'a="',
        "a =",
        '\\"',
        'a="\\',
        "a b ",
        "a=b ",
        "a a=",
        "=",
        "A" * 40 + "=",
        '"',
        "\t",
    ],
)
@pytest.mark.parametrize("head", ["", "Digest ", 'Digest a="'])
def test_a_long_header_costs_no_time(head: str, piece: str) -> None:
    """A hostile server's, of which a proxy with a lock on its one loop would be the victim."""
    value = head + piece * (1_000_000 // len(piece))
    began = time.process_time()
    parse_challenges(value)
    assert time.process_time() - began < 0.5

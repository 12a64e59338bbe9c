"""proxy.core.parameters: which name a server reads in a key, in queries, forms and JSON."""

import contextlib
import time

import pytest

from proxy.core.parameters import name_of, of_form, of_json
from proxy.errors import BadRequest

TOKEN = frozenset(("token", "stops"))
NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "key",
    [
        *("token", "Token", "%74oken", "to%4Ben", "to%E2%84%AAen", "%EF%BD%94oken", "+token", "token%20", "token%09"),
        *("token[]", "token%5B%5D", "token[0]", "[token]", "%5Btoken%5D", "token[a][b]", "token%00", "token%00x"),
        *("stop%C5%BF", "to\u212aen", "+" * 5000 + "token", "%20" * 5000 + "token"),
    ],
)
def test_a_key_is_read_as_any_server_may_read_it(key: str) -> None:
    assert name_of(key) in TOKEN


@pytest.mark.parametrize(
    "key", ["tokens", "mytoken", "a[token]", "a.token", "%2574oken", "", "[]", "%00", "=", "x" * 5000]
)
def test_other_keys_are_others(key: str) -> None:
    assert name_of(key) not in TOKEN


def test_raw_letters_in_a_form_are_folded_too() -> None:
    assert of_form("to\u212aen=x&stop\u017f=y&f=json".encode(), TOKEN, NONE) == (b"f=json", [])


@pytest.mark.parametrize("form", [b"a&" * 5_000_000, b"%41" * 3_000_000, b"layers=" + b"%41" * 3_000_000, b"%" * 10**7])
def test_a_form_costs_little_to_judge(form: bytes) -> None:
    began = time.process_time()
    with contextlib.suppress(BadRequest):
        of_form(form, TOKEN, frozenset(("layers",)))
    assert time.process_time() - began < 0.5


def test_the_members_of_a_json_object_are_judged() -> None:
    body = b'\xef\xbb\xbf {"F": "json", "layers": [{"a": "\\u0064ataLayer"}], "a": {"f": 1}, "n": %s}' % (b"9" * 5000)
    assert of_json(body, TOKEN, frozenset(("f", "layers"))) == [("f", "json"), ("layers", '[{"a": "dataLayer"}]')]
    assert of_json(b'{"a": {"token": 1}} {"token": 1}', TOKEN, NONE) == []
    assert of_json(b'[{"token": 1}]', TOKEN, NONE) == []
    assert of_json(b"f=json", TOKEN, NONE) == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"token": 1}',
        b'{"to\\u006ben": 1}',
        b'{"TOKEN": 1}',
        b'{"a": 1, "a": 2}',
        b'{"a": }',
        b'{"a": ' + b"[" * 100_000,
        '{"token": 1}'.encode("utf-16"),
        '{"token": 1}'.encode("utf-16-le"),
        '{"token": 1}'.encode("utf-32"),
        b'/**/{"token": 1}',
        b' // a comment\n{"token": 1}',
        b'#\n{"token": 1}',
        b'\xef\xbb\xbf\xef\xbb\xbf{"token": 1}',
    ],
)
def test_json_that_cannot_be_judged_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        of_json(body, TOKEN, NONE)


def test_more_escapes_than_can_be_decoded_in_time_are_refused() -> None:
    values = b"layers=" + b"%41" * 2**18
    assert len(of_form(values + b"&where=" + b"%41" * 2**20, TOKEN, frozenset(("layers",)))[1]) == 1
    with pytest.raises(BadRequest, match="escapes"):
        of_form(b"&".join([values, values, b"layers=%41"]), TOKEN, frozenset(("layers",)))

"""A user's token: where it may travel, what form it has, and that it goes no further."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import names
from proxy.core import hygiene
from proxy.core.users import token_of
from proxy.errors import NotAllowed
from proxy.model import JwtUsers
from tests.unit.core.identified import JWT, ONCE, reason

TOKEN = "eyJh.eyJp.c2ln"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": f"bearer   {TOKEN}"},
        {"cookie": f"session={TOKEN}"},
        {"cookie": f"a=1; session={TOKEN}; b=2"},
        {"cookie": f"a=1;session={TOKEN};"},
        {"cookie": f'session="{TOKEN}"'},
        {"cookie": f"session={TOKEN}; session={TOKEN}"},  # said twice, and the same: no doubt
        {"cookie": "session=other.other.other", "authorization": f"Bearer {TOKEN}"},
        {"cookie": f"session={TOKEN}", "authorization": "Basic dTpw"},  # for somebody in front of us
        {"cookie": f"__Host-session=x; Session=y; xsession=z; session={TOKEN}"},
        {"cookie": f"session={TOKEN}==".replace(".", "=.")},  # with padding, as some load balancers have it
    ],
)
def test_a_token_comes_in_the_header_or_the_cookie(headers: dict[str, str]) -> None:
    found = token_of(JWT, headers, ONCE)
    assert found is not None
    token, is_cookie = found
    assert token.replace("=", "") == TOKEN
    assert is_cookie is not headers.get("authorization", "").lower().startswith("bearer")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": ""},
        {"cookie": "session"},
        {"cookie": "session="},
        {"cookie": 'session=""'},
        {"cookie": f"Session={TOKEN}"},
        {"cookie": f"xsession={TOKEN}; session.0={TOKEN}; session[]={TOKEN}; %73ession={TOKEN}"},
        {"cookie": f"session ={TOKEN}"},
        {"cookie": f"a=1, session={TOKEN}"},  # two lines that somebody joined: it is a's value
        {"cookie": f"={TOKEN}"},
        {"authorization": "Basic dTpw"},
        {"authorization": TOKEN},
        {"x-authorization": f"Bearer {TOKEN}"},
        {"x-esri-authorization": f"Bearer {TOKEN}"},
        {"authorization_": f"Bearer {TOKEN}"},
    ],
)
def test_what_is_somewhere_else_is_no_login(headers: dict[str, str]) -> None:
    assert token_of(JWT, headers, ONCE) is None


def test_without_a_cookies_name_no_cookie_is_looked_at() -> None:
    bare = JwtUsers(JWT.issuer, JWT.audience, JWT.keys, JWT.route)
    assert token_of(bare, {"cookie": f"session={TOKEN}; ={TOKEN}"}, ONCE) is None
    assert token_of(bare, {"authorization": f"Bearer {TOKEN}"}, ONCE) == (TOKEN, False)


@pytest.mark.parametrize(
    "token",
    [
        "eyJh.eyJp",
        "eyJh.eyJp.",  # no signature, as `alg: none` has it
        ".eyJp.c2ln",
        "eyJh..c2ln",
        "eyJh.eyJp.c2ln.x.y",  # encrypted (JWE)
        "eyJh.eyJp.c2ln\n",
        "eyJh.eyJp.c2\u00e9n",
        "eyJh.eyJp.c2 ln",
        "eyJh.ey+p.c2/n",
        "eyJh===.eyJp.c2ln",
        f"Bearer {TOKEN}",
        f"{TOKEN}, Bearer {TOKEN}",
        f'{{"token":"{TOKEN}"}}',
        "A" * 20_000,
    ],
)
def test_what_has_not_the_form_of_a_token_is_refused(token: str) -> None:
    assert reason(lambda: token_of(JWT, {"authorization": f"Bearer {token}"}, ONCE))
    assert reason(lambda: token_of(JWT, {"cookie": f"session={token}"}, ONCE))


def test_a_bearer_header_without_a_token_does_not_fall_back_to_the_cookie() -> None:
    for value in ("Bearer", "Bearer ", "Bearer x"):
        assert reason(lambda v=value: token_of(JWT, {"authorization": v, "cookie": f"session={TOKEN}"}, ONCE))  # type: ignore[misc]


@pytest.mark.parametrize(
    "cookie",
    [
        f"session={TOKEN}; session=evil.evil.evil",
        f"session=evil.evil.evil; a=1; session={TOKEN}",
        f"session={TOKEN}; session=",
        f'session="{TOKEN}; session=evil.evil.evil"',
    ],
)
def test_two_cookies_of_that_name_are_refused(cookie: str) -> None:
    assert reason(lambda: token_of(JWT, {"cookie": cookie}, ONCE)) == "two cookies that may carry the login"


def test_quotes_hide_nothing() -> None:
    """A parser that takes quoted values whole (Python's `http.cookies`) would see another cookie than the browser."""
    assert token_of(JWT, {"cookie": f'a="x; session={TOKEN}; b=y"'}, ONCE) == (TOKEN, True)
    assert reason(lambda: token_of(JWT, {"cookie": f'a="x; session={TOKEN}"'}, ONCE)) == (
        "what came in place of a token is none"
    )


@pytest.mark.parametrize(("name", "value"), [("cookie", f"session={TOKEN}"), ("authorization", f"Bearer {TOKEN}")])
def test_a_header_that_came_on_two_lines_is_refused(name: str, value: str) -> None:
    assert reason(lambda: token_of(JWT, {name: value}, frozenset((name,)))) == "two headers that may carry the login"
    assert token_of(JWT, {name: value}, frozenset(("accept",))) == (TOKEN, name == "cookie")


def test_a_token_may_be_long_but_not_huge() -> None:
    long = f"{'A' * 12_000}.{'B' * 2_000}.CCCC"
    assert token_of(JWT, {"cookie": f"session={long}"}, ONCE) == (long, True)
    huge = f"{'A' * 16_384}.B.C"
    assert reason(lambda: token_of(JWT, {"cookie": f"session={huge}"}, ONCE)) == "the token is far too long"


def test_neither_header_nor_cookie_goes_up() -> None:
    given = {"authorization": f"Bearer {TOKEN}", "cookie": f"session={TOKEN}", "x-auth-user": "anna", "accept": "*/*"}
    up = hygiene.to_upstream(given, referer="https://maps.example.com/")
    assert up.keys() == {names.ACCEPT, names.ACCEPT_ENCODING, names.REFERER}
    assert TOKEN not in str(up)


@given(st.text())
def test_any_cookie_header_is_read_or_refused(text: str) -> None:
    with suppress(NotAllowed):
        found = token_of(JWT, {"cookie": text}, ONCE)
        assert found is None or found[0] in text

"""proxy.core.users: who a request is from, and may they use this rule."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.core.target import parse_url
from proxy.core.users import (
    SIGNED_IN,
    admit,
    are_safe,
    as_header,
    check_times,
    forwarded_user,
    may_use,
    parse_users,
    repeated_names,
    sign_in,
    user_of_claims,
)
from proxy.errors import NotAllowed
from proxy.model import ForwardedUsers
from proxy.traffic import User
from tests.unit.core.identified import JWT, ONCE, reason

NOW = 1_700_000_000.0


FORWARDED = ForwardedUsers("x-auth-user", "x-auth-groups")


# --- rules ---------------------------------------------------------------------------------------------------------
ANNA = User("anna", frozenset(("editors", "staff")))


@pytest.mark.parametrize(
    ("entries", "user", "may"),
    [
        (["anna"], ANNA, True),
        (["editors"], ANNA, True),
        (["user:anna"], ANNA, True),
        (["group:editors"], ANNA, True),
        (["group:anna"], ANNA, False),
        (["user:editors"], ANNA, False),
        (["bert", "viewers"], ANNA, False),
        (["Anna"], ANNA, False),  # names are compared as they are: two users may differ in letter case
        (["anna "], ANNA, False),
        ([], ANNA, False),
        (["anna"], None, False),
        # who may choose a name must not choose a group's, nor the prefix, nor the sign for all
        (["group:editors"], User("editors"), False),
        (["group:editors"], User("group:editors"), False),
        (["user:anna"], User("mallory", frozenset(("user:anna",))), False),
        (["anna"], User("user:anna"), False),
        (["*"], ANNA, False),
        (["required"], ANNA, False),
        (["Jo\u0308rg"], User("J\u00f6rg"), False),
    ],
)
def test_a_rule_lists_users_and_groups(entries: list[str], user: User | None, may: bool) -> None:
    assert may_use(parse_users(entries), user) is may


@pytest.mark.parametrize(("user", "may"), [(ANNA, True), (User("*"), True), (None, False)])
def test_a_rule_may_be_for_all_who_are_signed_in(user: User | None, may: bool) -> None:
    assert may_use(SIGNED_IN, user) is may


def test_who_is_not_signed_in_and_who_is_not_meant_are_told_different_things() -> None:
    assert admit(SIGNED_IN, ANNA) is ANNA
    with pytest.raises(NotAllowed, match="sign in to the page again") as nobody:
        admit(SIGNED_IN, None)
    assert nobody.value.__notes__ == ["no login came with the request"]
    with pytest.raises(NotAllowed, match="not for the user") as other:
        admit(parse_users(["bert"]), ANNA)
    assert other.value.slug == nobody.value.slug == "user"
    assert "anna" not in str(other.value.details)


def test_the_sentence_is_the_same_whatever_the_reason() -> None:
    one, other = sign_in("the token has ended"), sign_in("the signature is not the key's")
    assert (one.message, one.details, one.slug, one.retry_after) == (other.message, other.details, other.slug, None)
    assert one.__notes__ != other.__notes__


# --- claims --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("claims", "user"),
    [
        ({"preferred_username": "anna", "email": "a@example.com", "sub": "1"}, User("anna")),
        ({"email": "boss@example.com", "sub": "1"}, User("1")),
        ({"email": "a@example.com", "email_verified": "true", "sub": "1"}, User("a@example.com")),
        ({"email": "a@example.com", "email_verified": True, "sub": "1"}, User("a@example.com")),
        ({"email": "boss@example.com", "email_verified": False, "sub": "1"}, User("1")),
        ({"email": "boss@example.com", "email_verified": "false", "sub": "1"}, User("1")),
        ({"preferred_username": "", "email": None, "sub": " 1 "}, User("1")),
        ({"sub": "1", "groups": ["a", "b b"], "roles": ["c"]}, User("1", frozenset(("a", "b b", "c")))),
        ({"sub": "1", "groups": "a, b b,,c"}, User("1", frozenset(("a", "b b", "c")))),
        ({"sub": "1", "roles": "a"}, User("1", frozenset("a"))),
        ({"sub": "1", "groups": ["a", 5, None, ["b"], "", "c\nd", "e" * 257]}, User("1", frozenset("a"))),
        ({"sub": "1", "groups": {"a": True}, "roles": 7}, User("1")),
        ({"sub": "n" * 256}, User("n" * 256)),
        ({"sub": "J\u00f6rg \u8449"}, User("J\u00f6rg \u8449")),
    ],
)
def test_claims_name_the_user(claims: dict[str, Any], user: User) -> None:
    assert user_of_claims(JWT, claims) == user


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"sub": ""},
        {"preferred_username": 5, "sub": "1"},
        {"preferred_username": ["anna"], "sub": "1"},
        {"preferred_username": "n" * 257, "sub": "1"},
        {"preferred_username": "an\nna", "sub": "1"},
        {"preferred_username": "an\u202ena", "sub": "1"},  # turns what is read after it
        {"preferred_username": "an\u200bna", "sub": "1"},  # takes no room
        {"preferred_username": "an\x00na", "sub": "1"},
        {"preferred_username": "\ud800", "sub": "1"},
        {"preferred_username": "  ", "sub": "1"},
    ],
)
def test_claims_without_a_clean_name_are_refused(claims: dict[str, Any]) -> None:
    assert reason(lambda: user_of_claims(JWT, claims))


def test_groups_have_an_end() -> None:
    assert len(user_of_claims(JWT, {"sub": "1", "groups": [f"g{n}" for n in range(5000)]}).groups) == 1000


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": NOW - 59.9}, ""),
        ({"exp": NOW - 60}, "the token has ended (exp)"),
        ({"exp": int(NOW) - 61}, "the token has ended (exp)"),
        ({"exp": 0}, "the token has ended (exp)"),
        ({"exp": -1e308}, "the claim exp is no time"),
        ({"exp": 10**15}, ""),
        ({"exp": 10**400}, "the claim exp is no time"),
        ({}, "the token has no end (exp)"),
        ({"exp": None}, "the token has no end (exp)"),
        ({"exp": str(int(NOW) + 300)}, "the claim exp is no time"),
        ({"exp": True}, "the claim exp is no time"),
        ({"exp": float("inf")}, "the claim exp is no time"),
        ({"exp": float("nan")}, "the claim exp is no time"),
        ({"exp": [NOW + 300]}, "the claim exp is no time"),
        ({"exp": NOW + 300, "nbf": NOW + 60}, ""),
        ({"exp": NOW + 300, "nbf": NOW + 60.1}, "the token is not yet good (nbf)"),
        ({"exp": NOW + 300, "nbf": float("-inf")}, "the claim nbf is no time"),
        ({"exp": NOW + 300, "iat": NOW + 60}, ""),
        ({"exp": NOW + 300, "iat": NOW + 61}, "the token was made in the future (iat)"),
        ({"exp": NOW + 300, "iat": "now"}, "the claim iat is no time"),
        ({"exp": NOW + 300, "iat": NOW - 10**9, "nbf": 0}, ""),
    ],
)
def test_a_token_has_its_time_and_a_minute(claims: dict[str, Any], why: str) -> None:
    assert reason(lambda: check_times(claims, NOW, 60.0)) == why


# --- named by a proxy in front -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("headers", "user"),
    [
        ({"x-auth-user": "anna"}, User("anna")),
        ({"x-auth-user": "anna", "x-auth-groups": "editors, staff"}, ANNA),
        ({"x-auth-user": "J\u00f6rg".encode().decode("latin-1")}, User("J\u00f6rg")),
        ({"x-auth-user": "anna", "x-auth-groups": ""}, User("anna")),
        ({"x-auth-user": "anna@example.com"}, User("anna@example.com")),
        ({"x-auth-user": ""}, None),
        ({"x_auth_user": "anna"}, None),
        ({"x-auth-groups": "editors"}, None),
        ({"authorization": "Bearer anna", "x-forwarded-user": "anna"}, None),
    ],
)
def test_a_proxy_in_front_names_the_user(headers: dict[str, str], user: User | None) -> None:
    ambient = replace(user, is_ambient=True) if user is not None else None
    assert forwarded_user(FORWARDED, headers, ONCE) == ambient


@pytest.mark.parametrize(
    "value",
    ["anna, admin", "anna,", "n" * 257, "an\x80na", "J\xf6rg", "an\tna", "\u202eanna".encode().decode("latin-1")],
)
def test_what_is_no_name_is_refused(value: str) -> None:
    assert reason(lambda: forwarded_user(FORWARDED, {"x-auth-user": value}, ONCE))


@pytest.mark.parametrize("name", ["x-auth-user", "x-auth-groups"])
def test_of_two_lines_one_may_be_the_clients(name: str) -> None:
    headers = {"x-auth-user": "anna", "x-auth-groups": "staff, admins"}
    assert reason(lambda: forwarded_user(FORWARDED, headers, frozenset((name,)))) == "two headers that name the user"


def test_without_a_header_for_groups_there_are_none() -> None:
    only = ForwardedUsers("x-auth-user")
    assert forwarded_user(only, {"x-auth-user": "anna", "x-auth-groups": "admins"}, ONCE) == User(
        "anna", is_ambient=True
    )


@pytest.mark.parametrize(
    ("raw", "repeated"),
    [
        ([(b"X-Auth-User", b"a")], set()),
        ([(b"X-Auth-User", b"a"), (b"x-auth-user", b"a")], {"x-auth-user"}),
        ([(b"X-Auth-User", b"a"), (b"X_Auth_User", b"admin")], {"x-auth-user"}),
        ([(b"X_Auth-User", b"a"), (b"X-Auth_User", b"admin")], {"x-auth-user"}),
        ([(b"Cookie", b"a=1"), (b"Accept", b"x"), (b"COOKIE", b"b=2")], {"cookie"}),
    ],
)
def test_an_underscore_is_a_hyphen_to_some(raw: list[tuple[bytes, bytes]], repeated: set[str]) -> None:
    assert repeated_names(raw) == repeated


@pytest.mark.parametrize(
    ("name", "written"),
    [("anna", "anna"), ("J\u00f6rg Li", "J%C3%B6rg Li"), ("100%", "100%25"), ('a"b\\c', 'a"b\\c')],
)
def test_a_name_in_a_header_is_plain(name: str, written: str) -> None:
    assert as_header(User(name)) == written


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://login.example.com/keys", True),
        ("http://login.example.com/keys", False),
        ("http://10.0.0.7/keys", False),
        ("http://localhost:8090/keys", True),
        ("http://127.0.0.1/keys", True),
        ("http://localhost.example.com/keys", False),
    ],
)
def test_keys_come_over_https(url: str, is_safe: bool) -> None:
    assert are_safe(parse_url(url)) is is_safe

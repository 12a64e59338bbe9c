"""proxy.users.identify: who a request is from, from its headers to a name, and whether a rule is for them."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.core.users import SIGNED_IN, parse_users
from proxy.errors import NotAllowed
from proxy.model import ForwardedUsers, JwtUsers, UserPolicy
from proxy.traffic import Exchange, Headers, Incoming, User
from proxy.users.identify import Users
from tests.unit.core.rules import rule
from tests.unit.users.issuer import Service, claims, jwk, jwks, policy, private, signed

SERVICE = "https://gis.example.com/x"
FORWARDED = ForwardedUsers("x-forwarded-user", "x-forwarded-groups")


def incoming(
    headers: Headers, *, peer_is_trusted: bool = False, raw: list[tuple[bytes, bytes]] | None = None
) -> Incoming:
    lines = raw if raw is not None else [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Incoming(
        *("GET", "/proxy", None, headers, "192.0.2.7", None),
        raw_headers=lines,
        peer_is_trusted=peer_is_trusted,
    )


def front_door(service: Service) -> Users:
    return Users(service, service.clock, service.wall_clock)


async def named(headers: Headers, given: UserPolicy | None = None, **more: Any) -> User | None:
    service = Service()
    return await front_door(service).identify(given or policy(), incoming(headers, **more))


async def refusal(headers: Headers, given: UserPolicy | None = None, **more: Any) -> str:
    with pytest.raises(NotAllowed) as refused:
        await named(headers, given, **more)
    assert refused.value.slug == "user"
    return " ".join(refused.value.__notes__)


async def test_a_login_that_comes_by_itself_is_told_from_one_that_a_page_sends() -> None:
    token = signed(claims(groups=["editors"]))
    anna = User("anna", frozenset(("editors",)))
    assert await named({"authorization": f"Bearer {token}"}) == anna
    assert await named({"cookie": f"session={token}"}) == replace(anna, is_ambient=True)
    # a proxy in front may have made the header of a cookie of its own
    assert await named({"authorization": f"Bearer {token}"}, peer_is_trusted=True) == replace(anna, is_ambient=True)
    assert await named({}) is None


async def test_a_login_services_own_header() -> None:
    assertion = replace(policy(), header="cf-access-jwt-assertion")
    for value in (signed(), f"Bearer {signed()}"):
        assert await named({"cf-access-jwt-assertion": value}, assertion) == User("anna", is_ambient=True)
    assert await named({"authorization": f"Bearer {signed()}"}, assertion) is None
    assert await refusal({"cf-access-jwt-assertion": "anna"}, assertion) == "what came in place of a token is none"


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"exp": 1_699_999_900}, "the token has ended (exp)"),
        ({"nbf": 1_700_000_100}, "the token is not yet good (nbf)"),
        ({"aud": "other"}, "the token is for another audience (aud)"),
        ({"iss": "https://evil.example/"}, "the token is of another issuer (iss)"),
    ],
)
async def test_the_log_says_what_is_wrong_with_a_token(payload: dict[str, Any], why: str) -> None:
    assert await refusal({"cookie": f"session={signed(claims(**payload))}"}) == why


async def test_the_clock_may_differ_by_what_is_configured() -> None:
    late = {"cookie": f"session={signed(claims(exp=1_699_999_990))}"}
    assert await named(late) is not None
    assert await refusal(late, replace(policy(), skew=5.0)) == "the token has ended (exp)"


async def test_only_the_listed_signatures_are_taken() -> None:
    given = replace(policy(), algorithms=frozenset(("PS256",)))
    key = private("RSA-2048")
    assert await named({"cookie": f"session={signed(key=key, algorithm='PS256')}"}, given) is not None
    assert await refusal({"cookie": f"session={signed()}"}, given) == "the token's algorithm is not taken here"
    # a list cannot take in what is never safe
    unsafe = replace(policy(), algorithms=frozenset(("HS256", "none")))
    assert await refusal({"cookie": f"session={signed()}"}, unsafe) == "the token's algorithm is not taken here"


@pytest.mark.parametrize(
    ("more", "payload", "user"),
    [
        ({"user_claim": "oid"}, {"oid": "o-1"}, User("o-1")),
        ({"user_claim": "email"}, {"email": "a@example.com"}, User("a@example.com")),
        (
            {"groups_claim": "realm_access.roles"},
            {"realm_access": {"roles": ["editors"]}, "groups": ["admins"]},
            User("anna", frozenset(("editors",))),
        ),
        (
            {"groups_claim": "https://example.com/groups"},
            {"https://example.com/groups": ["a"]},
            User("anna", frozenset("a")),
        ),
        ({"groups_claim": "realm_access.roles"}, {"realm_access": "admins"}, User("anna")),
        ({"groups_claim": "a.b"}, {"a.b": ["x"], "a": {"b": ["y"]}}, User("anna", frozenset("x"))),
    ],
)
async def test_claims_are_where_the_login_service_puts_them(
    more: dict[str, str], payload: dict[str, Any], user: User
) -> None:
    given = replace(policy(), **more)  # type: ignore[arg-type]
    assert await named({"authorization": f"Bearer {signed(claims(**payload))}"}, given) == user


async def test_a_claim_that_is_asked_for_has_no_substitute() -> None:
    given = replace(policy(), user_claim="oid")
    assert await refusal({"cookie": f"session={signed()}"}, given) == "the token names no user"


async def test_a_proxy_in_front_is_believed_and_nobody_else() -> None:
    headers = {"x-forwarded-user": "anna", "x-forwarded-groups": "editors,staff"}
    anna = User("anna", frozenset(("editors", "staff")), is_ambient=True)
    assert await named(headers, FORWARDED, peer_is_trusted=True) == anna
    assert await refusal(headers, FORWARDED) == "the request did not come from one of trustedProxies"
    assert await refusal({}, FORWARDED) == "the request did not come from one of trustedProxies"
    assert await named({}, FORWARDED, peer_is_trusted=True) is None


@pytest.mark.parametrize("other", [b"X-Forwarded-User", b"x-forwarded-user", b"X_Forwarded_User", b"X-Forwarded_User"])
async def test_a_name_never_comes_twice(other: bytes) -> None:
    raw = [(b"X-Forwarded-User", b"anna"), (other, b"admin")]
    headers = {"x-forwarded-user": "anna"}
    assert await refusal(headers, FORWARDED, peer_is_trusted=True, raw=raw) == "two headers that name the user"


async def test_keys_are_kept_per_login_service_and_forgotten_after_a_reload() -> None:
    service = Service()
    users = front_door(service)
    request = incoming({"cookie": f"session={signed()}"})
    for _ in range(3):
        await users.identify(policy(), request)
    await users.identify(policy("https://login.example.com/others"), request)
    assert [call.target.path for call in service.calls] == ["/keys", "/others"]
    users.retain(policy())
    await users.identify(policy(), request)
    await users.identify(policy("https://login.example.com/others"), request)
    assert [call.target.path for call in service.calls] == ["/keys", "/others", "/others"]
    users.retain(None)
    await users.close()


async def test_a_key_that_was_rotated_in_is_found() -> None:
    service = Service()
    users, new = front_door(service), private("RSA-2048", 1)
    await users.identify(policy(), incoming({"cookie": f"session={signed()}"}))
    service.body, service.now = jwks(jwk(private("RSA-2048")), jwk(new, "k2")), 40
    for token in (signed(key=new, kid="k2"), signed()):
        assert await users.identify(policy(), incoming({"cookie": f"session={token}"})) is not None
    assert len(service.calls) == 2


@pytest.mark.parametrize("users", [SIGNED_IN, parse_users(["anna"]), None])
async def test_a_rule_lets_its_users_in(users: frozenset[str] | None) -> None:
    exchange = Exchange("r-1", "GET", 0.0)
    request = incoming({"authorization": f"Bearer {signed()}"})
    found = await front_door(Service()).admit(policy(), rule(SERVICE, users=users), request, exchange)
    # where a rule asks nobody, nobody is looked at: a login that has ended keeps no one from what is for all
    assert (found, exchange.user) == ((None, "") if users is None else (User("anna"), "anna"))


@pytest.mark.parametrize("given", [policy(), None])
async def test_without_a_login_nobody_gets_in(given: JwtUsers | None) -> None:
    exchange = Exchange("r-1", "GET", 0.0)
    with pytest.raises(NotAllowed, match="signed in"):
        await front_door(Service()).admit(given, rule(SERVICE, users=SIGNED_IN), incoming({}), exchange)
    assert exchange.user == ""


async def test_the_log_knows_who_was_turned_away() -> None:
    exchange = Exchange("r-1", "GET", 0.0)
    request = incoming({"authorization": f"Bearer {signed()}"})
    with pytest.raises(NotAllowed, match="not for the user"):
        await front_door(Service()).admit(
            policy(), rule(SERVICE, users=parse_users(["group:editors"])), request, exchange
        )
    assert exchange.user == "anna"

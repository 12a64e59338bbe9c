"""proxy.settings.check_users and .danger: the front door as configured, and settings that let strangers in."""

from pathlib import Path

import pytest
import trustme

from proxy.identity import Reach
from proxy.model import ForwardedUsers, JwtUsers
from proxy.settings.reload import _paths
from tests.unit.settings.files import PAGES, RULE, complaints, loaded, warnings

JWT = "users: {source: jwt, issuer: 'https://l/', audience: maps, jwksUrl: 'https://l/keys'"
FORWARDED = "users: {source: forwarded, header: X-Forwarded-User"
TRUST = "server: {trustedProxies: [10.0.0.0/8]}\n"
SECRET = "    username: u\n    password: p\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("users: {source: jwt}\n", "4: users: source: jwt needs issuer and audience and jwksUrl; write issuer"),
        (
            "users: {source: jwt, issuer: a, audience: b}\n",
            "4: users: source: jwt needs issuer and audience and jwksUrl",
        ),
        ("users: {source: forwarded}\n" + TRUST, "4: users: source: forwarded needs header; write header"),
        ("users: {issuer: a}\n", "4: users.issuer: has no meaning with source: none; write source: jwt or forwarded"),
        (JWT + ", groupsHeader: X-G}\n", "4: users.groupsHeader: has no meaning with source: jwt; leave it out"),
        (FORWARDED + ", cookie: c}\n" + TRUST, "4: users.cookie: has no meaning with source: forwarded; leave it out"),
        (FORWARDED + "}\n", "4: users: nobody's word would be taken; list the proxy that signs users in"),
        (JWT.replace("'https://l/keys'", "'http://l/keys'") + "}\n", "4: users.jwksUrl: whoever can change the keys"),
        (JWT.replace("'https://l/keys'", "keys") + "}\n", "4: users.jwksUrl: The URL is not an absolute http"),
        (JWT + ", cookie: 'a b'}\n", "4: users.cookie: this is no name of a cookie"),
        (JWT + ", header: 'X Y'}\n", "4: users.header: this is no safe name of a header"),
        (JWT + ", header: Accept}\n", "4: users.header: Accept has another meaning"),  # it goes up, the token with it
        (JWT + ", header: Cookie}\n", "4: users.header: Cookie has another meaning"),
        (JWT + ", caBundle: /nowhere}\n", "4: users.caBundle: the file '/nowhere' cannot be read"),
        (JWT + ", clockSkew: 1h}\n", "4: users.clockSkew: write 300 or less"),
        (JWT + ", algorithms: [HS256]}\n", "4: users.algorithms[0]: write 'RS256'"),
        (JWT + ", algorithms: [none]}\n", "4: users.algorithms[0]: write 'RS256'"),
        (
            FORWARDED.replace("X-Forwarded-User", "X_User") + "}\n" + TRUST,
            "4: users.header: this is no safe name of a header",
        ),
        (FORWARDED.replace("X-Forwarded-User", "Authorization") + "}\n" + TRUST, "4: users.header: Authorization has"),
        (FORWARDED + ", groupsHeader: x-forwarded-user}\n" + TRUST, "4: users.groupsHeader: this is the header with"),
    ],
)
def test_a_source_says_what_it_needs(tmp_path: Path, text: str, expected: str) -> None:
    (complaint,) = complaints(tmp_path, PAGES + RULE + text)
    assert complaint.startswith(f"proxy.yaml:{expected}")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("users: []", "users: an empty list lets nobody in"),
        ("users: [required]", "users[0]: write users: required"),
        ("users: ['*']", "users[0]: write users: required"),
        ("users: [anna, 'a\\tb']", ""),
        ('users: [anna, "a\\tb"]', "users[1]: 'a\\tb' is no name of a user or group"),
        ("users: ['group:']", "users[0]: 'group:' is no name of a user or group"),
        ("users: ['']", "users[0]: '' is no name"),
        ("userHeader: X-User", "userHeader: has no effect on a rule that asks nobody who they are"),
        ("users: required\n    userHeader: Cookie", "userHeader: Cookie has another meaning"),
        ("users: required\n    userHeader: Referer", "userHeader: Referer has another meaning"),
        ('users: required\n    userHeader: "X-A\\r\\nX-B"', "userHeader: this is no safe name"),
        ("users: required\n    userHeader: X-A\n    headers: {x-a: b}", "userHeader: `headers` has X-A already"),
    ],
)
def test_a_rule_names_people(tmp_path: Path, rule: str, expected: str) -> None:
    text = PAGES + JWT + "}\n" + RULE + f"    {rule}\n"
    if not expected:
        assert loaded(tmp_path, text).rules
        return
    (complaint,) = complaints(tmp_path, text)
    assert f": serverUrls[0].{expected}" in complaint


def test_without_a_source_nobody_can_sign_in(tmp_path: Path) -> None:
    (complaint,) = complaints(tmp_path, PAGES + RULE + "    users: required\n")
    assert complaint.startswith("proxy.yaml:4: serverUrls[0].users: nobody can sign in; say under `users` where")


def test_a_front_door_that_no_rule_asks_is_odd(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, PAGES + RULE + JWT + "}\n")
    assert warning.startswith("proxy.yaml:4: users: no rule asks who its users are")


def test_a_group_that_nobody_can_be_in_is_odd(tmp_path: Path) -> None:
    text = PAGES + TRUST + FORWARDED + "}\n" + RULE + "    users: ['group:editors', anna]\n"
    (warning,) = warnings(tmp_path, text)
    assert "serverUrls[0].users[0]: nobody is in a group here" in warning


def test_what_a_login_service_becomes(tmp_path: Path) -> None:
    more = ", cookie: s, header: X-Token, clockSkew: 5s, algorithms: [ES256], userClaim: oid, groupsClaim: a.b}\n"
    configuration = loaded(tmp_path, PAGES + JWT + more + RULE + "    users: [anna]\n    userHeader: X-User\n")
    users = configuration.users
    assert isinstance(users, JwtUsers)
    assert (users.issuer, users.audience, users.keys.url, users.cookie) == ("https://l/", "maps", "https://l/keys", "s")
    assert (users.header, users.skew, set(users.algorithms)) == ("x-token", 5.0, {"ES256"})
    assert (users.user_claim, users.groups_claim, users.route.reach) == ("oid", "a.b", Reach.LISTED)
    (rule,) = configuration.rules
    assert (rule.users, rule.user_header) == (frozenset(("user:anna", "group:anna")), "x-user")
    assert configuration.admit.with_cookies


def test_what_a_proxy_in_front_becomes(tmp_path: Path) -> None:
    text = PAGES + TRUST + FORWARDED + ", groupsHeader: X-Groups}\n" + RULE + "    users: required\n"
    configuration = loaded(tmp_path, text)
    assert configuration.users == ForwardedUsers("x-forwarded-user", "x-groups")
    assert configuration.rules[0].users == frozenset("*")
    assert not configuration.admit.with_cookies


def test_without_users_there_are_none(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, PAGES + RULE + "users: {source: none}\n")
    assert (configuration.users, configuration.rules[0].users) == (None, None)


ANYONE = "allowedReferers: ['*']\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ANYONE + RULE + SECRET + "    access: edit\n", "serverUrls[0].access: any page in the world"),
        (
            PAGES + "allowMissingReferer: true\n" + RULE + SECRET + "    access: edit\n",
            "serverUrls[0].access: any program (allowMissingReferer)",
        ),
        (PAGES + RULE + SECRET + "    access: all\n", "serverUrls[0].access: anonymous visitors reach"),
        (
            PAGES + "mustMatch: false\nallowAddresses: [192.168.7.0/24]\n" + RULE,
            "allowAddresses[0]: with mustMatch: false whoever may use the proxy reaches every server in this network",
        ),
        (
            PAGES + "server: {trustedProxies: [0.0.0.0/0]}\n" + FORWARDED + "}\n" + RULE + "    users: required\n",
            "server.trustedProxies[0]: every client can say of itself who it is",
        ),
        (
            PAGES + JWT + ", cookie: s}\n" + RULE + SECRET + "    users: required\n    allowJsonp: true\n",
            "serverUrls[0].allowJsonp: any page that a user looks at can read",
        ),
    ],
)
def test_every_danger_is_told_at_its_key(tmp_path: Path, text: str, expected: str) -> None:
    (danger,) = loaded(tmp_path, text).dangers
    assert f": {expected}" in danger


@pytest.mark.parametrize(
    "text",
    [
        PAGES + RULE + SECRET + "    access: edit\n",
        ANYONE + RULE + SECRET,
        ANYONE + RULE + "    access: edit\n",  # without a credential it is what the page could do itself
        ANYONE + JWT + "}\n" + RULE + SECRET + "    access: edit\n    users: required\n",
        ANYONE + RULE + SECRET + "    access: edit\n    allowedReferers: [https://maps.example.com]\n",
        PAGES + "mustMatch: false\nallowAddresses: [203.0.113.0/24]\n" + RULE,
        PAGES + "server: {trustedProxies: [0.0.0.0/0]}\n" + RULE,
    ],
)
def test_what_is_weak_is_no_danger(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, text).dangers == ()


@pytest.mark.parametrize("key", ["allowJsonp", "allowDataLayers"])
def test_doors_that_stand_open_are_told(tmp_path: Path, key: str) -> None:
    (warning,) = warnings(tmp_path, PAGES + RULE + SECRET + f"    {key}: true\n")
    assert f"serverUrls[0].{key}: " in warning


def test_the_login_services_authorities_are_watched(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(bundle))
    text = PAGES + JWT + f", caBundle: {bundle}}}\n" + RULE + "    users: required\n"
    before = loaded(tmp_path, text)
    assert _paths(before) == [bundle]
    trustme.CA().cert_pem.write_to_path(str(bundle))
    assert loaded(tmp_path, text) != before  # so that a reload takes the new ones

"""The front door: who a request says it is from, and whether a rule is for them. Checks no signature.

Whoever is not let in gets one and the same sentence: which check failed is in the log, and no help to a forger.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from proxy import names
from proxy.core.addresses import names_loopback
from proxy.errors import NotAllowed
from proxy.model import ForwardedUsers, JwtUsers, UserPolicy
from proxy.traffic import Headers, User
from proxy.urls import Target

SIGNED_IN: Final = frozenset(("*",))  # `users: required`; all other entries have a prefix
_LONGEST_NAME: Final = 256  # characters
_LONGEST_TOKEN: Final = 16 * 1024  # characters; a directory's token with 200 groups has 8,000
_MOST_GROUPS: Final = 1000
_LAST_TIME: Final = 10**15  # seconds since 1970; beyond, sums lose their seconds or overflow
_USER, _GROUP = "user:", "group:"
# Three parts and nothing else: an encrypted token has five. Amazon's load balancers write the padding, too.
_TOKEN: Final = re.compile(r"(?:[A-Za-z0-9_-]+={0,2}\.){2}[A-Za-z0-9_-]+={0,2}")
_PRINTABLE: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def are_safe(keys: Target) -> bool:
    """Whether keys from there can be believed: who can change them on the way can sign as anybody."""
    return keys.origin.scheme == "https" or names_loopback(keys.origin.host)


def parse_users(entries: Iterable[str]) -> frozenset[str]:
    """A rule's `users` list. `user:anna` and `group:editors` say which is meant; a bare name means either.

    With a prefix, nobody gets a group's rights who may choose a user name at the login service.
    """
    parsed: set[str] = set()
    for entry in entries:
        is_marked = entry.startswith((_USER, _GROUP))
        parsed.update((entry,) if is_marked else (_USER + entry, _GROUP + entry))
    return frozenset(parsed)


def in_words(rule_users: frozenset[str]) -> str:
    """What `parse_users` was given, for people to read."""
    if rule_users == SIGNED_IN:
        return "whoever is signed in"
    users = {each.removeprefix(_USER) for each in rule_users if each.startswith(_USER)}
    groups = {each.removeprefix(_GROUP) for each in rule_users if each.startswith(_GROUP)}
    named = [f"user {each}" for each in sorted(users - groups)] + [f"group {each}" for each in sorted(groups - users)]
    return ", ".join([*sorted(users & groups), *named])


def may_use(rule_users: frozenset[str], user: User | None) -> bool:
    """Whether a rule is for this user; `rule_users` as `parse_users` gives it, or SIGNED_IN."""
    if user is None:
        return False
    theirs = (_USER + user.name, *(_GROUP + group for group in user.groups))
    return rule_users == SIGNED_IN or not rule_users.isdisjoint(theirs)


def is_name(text: str) -> bool:
    """Whether a user or group can have this name."""
    return _clean(text) == text


def admit(rule_users: frozenset[str], user: User | None) -> User:
    """The user, if the rule is for them. Raises NotAllowed (slug `user`)."""
    if user is None:
        raise sign_in("no login came with the request")
    if not may_use(rule_users, user):
        raise NotAllowed("This is not for the user who is signed in.", "`users` of the rule says who.", slug="user")
    return user


def sign_in(reason: str) -> NotAllowed:
    """The one answer to every login that is missing, over or false. `reason` is a note for the log."""
    error = NotAllowed(
        "This is for users who are signed in: sign in to the page again.",
        "If that does not help, the log of the proxy has the reason beside the request id.",
        slug="user",
    )
    error.add_note(reason)
    return error


def repeated_names(raw: Iterable[tuple[bytes, bytes]]) -> frozenset[str]:
    """Names of headers that came on more than one line. `_` counts as `-`: to many servers they are the same, so that
    `X_User` may get past a proxy that takes the client's `X-User` away (oauth2-proxy CVE-2025-64484)."""
    counts = Counter(name.decode("latin-1").lower().replace("_", "-") for name, _ in raw)
    return frozenset(name for name, count in counts.items() if count > 1)


def token_of(policy: JwtUsers, headers: Headers, repeated: frozenset[str]) -> tuple[str, bool] | None:
    """The token that came, in the form of one, and whether it came in the cookie; None if none did. Raises
    NotAllowed (slug `user`).

    The header beats the cookie: a page sets it on purpose, a cookie goes along by itself.
    """
    token = _in_header(policy.header, headers.get(policy.header, ""))
    is_cookie = token is None
    if token is None:
        token = _cookie(headers.get(names.COOKIE, ""), policy.cookie) if policy.cookie else None
    if token is None:
        return None
    if (names.COOKIE if is_cookie else policy.header) in repeated:
        raise sign_in("two headers that may carry the login")
    if len(token) > _LONGEST_TOKEN:
        raise sign_in("the token is far too long")
    if not _TOKEN.fullmatch(token):
        raise sign_in("what came in place of a token is none")
    return token, is_cookie


def user_of_claims(policy: JwtUsers, claims: Mapping[str, object]) -> User:
    """The user of a token whose signature is good. Raises NotAllowed (slug `user`)."""
    for claim in (policy.user_claim,) if policy.user_claim else ("preferred_username", "email", "sub"):
        value = _claim(claims, claim)
        # An address that nobody has verified is whatever its owner wrote
        is_unsaid = claim == "email" != policy.user_claim and claims.get("email_verified") not in (True, "true")
        if value in (None, "") or is_unsaid:
            continue
        name = _clean(value)
        if name is None:
            raise sign_in(f"the claim {claim} is no name")
        wanted = (policy.groups_claim,) if policy.groups_claim else ("groups", "roles")
        return User(name, frozenset().union(*(_groups(_claim(claims, each)) for each in wanted)))
    raise sign_in("the token names no user")


def check_times(claims: Mapping[str, object], now: float, skew: float) -> None:
    """Whether a token is good now, in seconds since 1970. Raises NotAllowed (slug `user`).

    Stricter than a library that takes what `int()` does: a time is a number, not a text, and not infinite.
    """
    end, start, made = (_number(claims, claim) for claim in ("exp", "nbf", "iat"))
    if end is None:
        raise sign_in("the token has no end (exp)")
    if now >= end + skew:
        raise sign_in("the token has ended (exp)")
    if start is not None and now < start - skew:
        raise sign_in("the token is not yet good (nbf)")
    if made is not None and now < made - skew:
        raise sign_in("the token was made in the future (iat)")


def forwarded_user(policy: ForwardedUsers, headers: Headers, repeated: frozenset[str]) -> User | None:
    """The user whom the proxy in front names; None if it names none. Only for requests of a trusted proxy.

    Raises NotAllowed (slug `user`): of two lines one may be the client's.
    """
    if not repeated.isdisjoint((policy.header, policy.groups_header)):
        raise sign_in("two headers that name the user")
    value = headers.get(policy.header, "")
    if not value:
        return None
    name = _clean(_text(value))
    if name is None or "," in name:  # somebody in front has joined two lines
        raise sign_in("what the header has is no name")
    return User(name, _groups(_text(headers.get(policy.groups_header, ""))), is_ambient=True)


def as_client(user: User) -> str:
    """Who a rate limit counts, wherever the user sits. No address looks so."""
    return _USER + user.name


def varied(vary: str, policy: UserPolicy) -> str:
    """`Vary` of an answer for one user: the browser's own cache, too, has another user after the next login."""
    told = [names.COOKIE, names.AUTHORIZATION]
    told += [policy.header] if policy.header not in told else []
    given = [part for each in vary.split(",") if (part := each.strip())]
    return ", ".join(dict.fromkeys((*given, *told)))


def as_header(user: User) -> str:
    """A user's name for a header: what is not plain ASCII is percent-encoded UTF-8, as is the percent sign."""
    return quote(user.name, safe=_PRINTABLE)


def _in_header(name: str, value: str) -> str | None:
    """`Authorization` may hold something else (Basic) that is meant for somebody in front of us; a header of the
    login service's own holds the token, bare or after `Bearer`."""
    scheme, _, token = value.partition(" ")
    if scheme.lower() == "bearer":
        return token.strip(" ")
    return (value or None) if name != names.AUTHORIZATION else None


def _claim(claims: Mapping[str, object], name: str) -> object:
    """A claim by its name, or by a path with dots: Keycloak has `realm_access.roles`."""
    if name in claims:
        return claims[name]
    value: object = claims
    for step in name.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _cookie(header: str, name: str) -> str | None:
    """A cookie's value as the browser has it (RFC 6265 §5.4), but for quotes around it. Raises NotAllowed.

    A quote does not hide a semicolon here: what stands between two cookies in quotes is another cookie.
    """
    pairs = (pair.strip(" \t").partition("=") for pair in header.split(";"))
    found = {value for key, _, value in pairs if key == name}
    if len(found) > 1:  # another host of the domain has set one, too: no telling which is meant
        raise sign_in("two cookies that may carry the login")
    value = found.pop() if found else None
    if value and len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return value or None


def _clean(value: object) -> str | None:
    """A name that can be compared and logged: no controls, no marks that turn or hide what is read."""
    name = value.strip() if isinstance(value, str) else ""
    return name if name and len(name) <= _LONGEST_NAME and name.isprintable() else None


def _groups(value: object) -> frozenset[str]:
    """Groups as a list, or as text with commas. What is no name is left out: that takes rights, and gives none."""
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list):
        return frozenset()
    return frozenset(name for each in given[:_MOST_GROUPS] if (name := _clean(each)) is not None)


def _text(value: str) -> str:
    """A header's value, in which each character is a byte, as UTF-8. Raises NotAllowed."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        raise sign_in("a header that names the user is not UTF-8") from None


def _number(claims: Mapping[str, object], claim: str) -> float | None:
    value = claims.get(claim)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LAST_TIME:
        return float(value)
    if isinstance(value, float) and abs(value) <= _LAST_TIME:  # NaN is not
        return value
    raise sign_in(f"the claim {claim} is no time")

"""What a shared cache may keep, how long, and for whom: RFC 9111, with RFC 5861 (stale answers) and RFC 9213 (CDNs'
own Cache-Control). Holds no answers, knows no clock; ages and lives are seconds."""

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy import names
from proxy.core.cache_control import age_given, directives, http_date, seconds
from proxy.core.content import kind_of
from proxy.model import CachePolicy
from proxy.traffic import Headers

_KEPT: Final = (200, 203)  # whole and good; errors and redirects never, whatever they allow
_ERRORS: Final = (500, 502, 503, 504)  # for which a stale answer may stand in (RFC 5861 §4)
_NOT_OF_A_304: Final = frozenset(
    {names.CONTENT_ENCODING, names.CONTENT_LENGTH, names.CONTENT_RANGE, names.TRANSFER_ENCODING}
)
_OVERRULED: Final = frozenset(
    "max-age s-maxage no-cache must-revalidate proxy-revalidate stale-while-revalidate stale-if-error".split()
)
_FOREVER: Final = float("inf")
_ROLES: Final = re.compile(names.ROLES_COOKIE + r"=[^,;]*(?:;[^,]*)?")
_SERVICES: Final = "/services/"
_TYPE: Final = re.compile(r"/[a-z]+server(?:/|$)")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks of caches (RFC 9111 §5.2.1)."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: float = _FOREVER
    min_fresh: float = 0.0
    max_stale: float = 0.0


_NOTHING: Final = Wish()


def wish(headers: Headers) -> Wish:
    """The request's."""
    asked, pragma = headers.get(names.CACHE_CONTROL), headers.get(names.PRAGMA)
    return _NOTHING if asked is None and pragma is None else _wish(asked, pragma)


@lru_cache(maxsize=256)
def _wish(asked: str | None, pragma: str | None) -> Wish:
    if asked is None:
        return Wish(no_cache="no-cache" in directives(pragma or ""))
    given = directives(asked)
    stale = given.get("max-stale")
    return Wish(
        no_cache="no-cache" in given,
        no_store="no-store" in given,
        only_if_cached="only-if-cached" in given,
        max_age=seconds(given["max-age"]) if "max-age" in given else _FOREVER,
        min_fresh=seconds(given.get("min-fresh", "0")),
        max_stale=0.0 if stale is None else seconds(stale) if stale else _FOREVER,
    )


@dataclass(frozen=True, slots=True)
class Life:
    """How long an answer is good. `is_strict`: once stale, never without asking; `is_doubted`: never at all."""

    fresh: float
    while_revalidate: float = 0.0
    if_error: float = 0.0
    is_strict: bool = False
    is_doubted: bool = False
    is_ours: bool = False  # the configuration's, where the server gave none


def life(told: Headers, policy: CachePolicy) -> Life:
    """Of an answer with the headers `told`."""
    if policy.overrule:
        return Life(policy.max_age, policy.while_revalidate, policy.if_error, is_ours=True)
    given = directives(_control(told))
    fresh = _lifetime(told, given)
    return Life(
        policy.max_age if fresh is None else fresh,
        _extension(given, "stale-while-revalidate", policy.while_revalidate),
        _extension(given, "stale-if-error", policy.if_error),
        # s-maxage says proxy-revalidate, too (RFC 9111 §5.2.2.10)
        is_strict=not given.keys().isdisjoint(("must-revalidate", "proxy-revalidate", "s-maxage", "no-cache")),
        is_doubted=given.get("no-cache") == "",
        is_ours=fresh is None and policy.max_age > 0,
    )


def _lifetime(told: Headers, given: Mapping[str, str]) -> float | None:
    """What the server gives (RFC 9111 §4.2.1); None where it gives none."""
    for name in ("s-maxage", "max-age"):
        if name in given:
            return float(seconds(given[name]))
    if names.EXPIRES in told and _targeted(told) is None:
        until, date = http_date(told[names.EXPIRES]), http_date(told.get(names.DATE, ""))
        return max(0.0, until - date) if until is not None and date is not None else 0.0
    return None


def _extension(given: Mapping[str, str], name: str, otherwise: float) -> float:
    return float(seconds(given[name])) if name in given else otherwise


def _control(told: Headers) -> str:
    """What is said to caches like this one alone comes first."""
    targeted = _targeted(told)
    return told.get(names.CACHE_CONTROL, "") if targeted is None else targeted


def _targeted(told: Headers) -> str | None:
    """RFC 9213, and the W3C's note on surrogates before it."""
    return told.get(names.CDN_CACHE_CONTROL) or told.get(names.SURROGATE_CONTROL)


def initial_age(told: Headers, *, delay: float, wall: float) -> float:
    """How old an answer was when it came (RFC 9111 §4.2.3). `delay` is what it took, `wall` the time since 1970."""
    date = http_date(told.get(names.DATE, ""))
    apparent = max(0.0, wall - date) if date is not None else 0.0
    return max(apparent, age_given(told.get(names.AGE, "0")) + delay)


def is_storable(status: int, told: Headers, asked: Headers, policy: CachePolicy) -> bool:
    """RFC 9111 §3, and stricter: no errors, parts, redirects, cookies, and nothing whose end cannot be told."""
    given = directives(_control(told))
    if status not in _KEPT or "no-store" in given or wish(asked).no_store or names.CONTENT_RANGE in told:
        return False
    if not _is_cookieless(told, policy) or vary_names(told) is None or not _has_end(told):
        return False
    if not policy.overrule:
        if given.get("private") == "":
            return False
        if names.AUTHORIZATION in asked and given.keys().isdisjoint(("public", "s-maxage", "must-revalidate")):
            return False
    has_validator = names.ETAG in told or names.LAST_MODIFIED in told
    return has_validator or (life(told, policy).fresh > 0 and not life(told, policy).is_doubted)


def _is_cookieless(told: Headers, policy: CachePolicy) -> bool:
    cookie = told.get(names.SET_COOKIE)
    return cookie is None or (policy.overrule and _ROLES.fullmatch(cookie) is not None)


def _has_end(told: Headers) -> bool:
    """What ends with its connection may have been broken off."""
    return names.CONTENT_LENGTH in told or "chunked" in told.get(names.TRANSFER_ENCODING, "").lower()


def withheld(told: Headers) -> frozenset[str]:
    """The headers that must not be kept though the rest may: private="…" and no-cache="…" (RFC 9111 §5.2.2)."""
    given = directives(_control(told))
    fields = f"{given.get('private', '')},{given.get('no-cache', '')}"
    return frozenset(name for part in fields.split(",") if (name := part.strip().lower()))


def vary_names(told: Headers) -> tuple[str, ...] | None:
    """What of a request the answer depends on; None where nobody can know (`*`)."""
    found = {name for part in told.get(names.VARY, "").split(",") if (name := part.strip().lower())}
    if names.CONTENT_ENCODING in told:
        found.add(names.ACCEPT_ENCODING)  # some servers compress and do not say that they would not for others
    return None if "*" in found else tuple(sorted(found))


def vary_value(headers: Headers, name: str) -> str | None:
    """As it is compared: blanks around commas say nothing (RFC 9111 §4.1)."""
    value = headers.get(name)
    return value if value is None or "," not in value else ",".join(part.strip() for part in value.split(","))


class Use(enum.Enum):
    """What a stored answer is good for."""

    AT_ONCE = "at once"
    MEANWHILE = "meanwhile"  # and a new one is fetched behind the client's back
    CHECKED = "checked"  # after the server was asked


def use(life: Life, age: float, wish: Wish) -> Use:
    """Of an answer that is `age` old, for a request with that wish (RFC 9111 §4.2.4)."""
    if wish is _NOTHING and age < life.fresh and not life.is_doubted:
        return Use.AT_ONCE  # as nearly always
    if life.is_doubted or wish.no_cache or age > wish.max_age:
        return Use.CHECKED
    left = life.fresh - age
    if left > 0 and left >= wish.min_fresh:
        return Use.AT_ONCE
    if life.is_strict or wish.min_fresh:
        return Use.CHECKED
    if -left < wish.max_stale:
        return Use.AT_ONCE
    return Use.MEANWHILE if -left < life.while_revalidate else Use.CHECKED


def may_stand_in(life: Life, age: float, wish: Wish) -> bool:
    """Whether a stored answer may be given in place of an error (RFC 5861 §4)."""
    return not (life.is_strict or wish.no_cache or age > wish.max_age) and age - life.fresh < life.if_error


def is_failure(status: int) -> bool:
    """A status in place of which a stored answer may be given."""
    return status in _ERRORS


def validators(headers: Headers) -> dict[str, str]:
    """The headers that ask whether a stored answer is still the one (RFC 9111 §4.3.1)."""
    found = {}
    if names.ETAG in headers:
        found[names.IF_NONE_MATCH] = headers[names.ETAG]
    if names.LAST_MODIFIED in headers:
        found[names.IF_MODIFIED_SINCE] = headers[names.LAST_MODIFIED]
    return found


def confirms(headers: Headers, update: Headers) -> bool:
    """Whether a 304, or the answer to HEAD, speaks of the stored answer (RFC 9111 §4.3.4, §4.3.5)."""
    if update.get(names.CONTENT_LENGTH, "0") not in ("0", headers.get(names.CONTENT_LENGTH)):
        return False
    for name in (names.ETAG, names.LAST_MODIFIED):
        if name in update:
            return update[name].removeprefix("W/") == headers.get(name, "").removeprefix("W/")
    return True


def freshened(headers: Headers, update: Headers) -> dict[str, str]:
    """The stored answer's headers after a 304: all of the new ones but those that are of the body. What the body was
    taken for when it was looked into, it stays (RFC 9111 §3.2 allows that)."""
    changed = {name: value for name, value in update.items() if name not in _NOT_OF_A_304}
    if kind_of(headers.get(names.CONTENT_TYPE, "")) != kind_of(update.get(names.CONTENT_TYPE, "")):
        changed.pop(names.CONTENT_TYPE, None)
    return {**headers, **changed}


def shown_control(control: str, life: Life, policy: CachePolicy) -> str:
    """The Cache-Control that the client gets: where the life is ours, browsers are told of it, too."""
    if not life.is_ours:
        return control
    dropped = _OVERRULED if policy.overrule else ("max-age",)  # that one was ours, before a 304
    kept = [each for each in map(str.strip, control.split(",")) if each and each.lower().split("=")[0] not in dropped]
    return ", ".join([*kept, f"max-age={int(life.fresh)}"])


def service_of(place: str) -> str:
    """What an edit may change: everything of the service, its MapServer as well as its FeatureServer; lower-case."""
    lower = place.lower()
    services = lower.find(_SERVICES)
    type_of_service = _TYPE.search(lower, services + len(_SERVICES)) if services >= 0 else None
    return lower[: type_of_service.start() + 1] if type_of_service else lower

"""Says who a request is from, as the configuration says where to look. Reads nothing but headers."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from proxy import names
from proxy.core.users import admit, check_times, forwarded_user, repeated_names, sign_in, token_of, user_of_claims
from proxy.identity import Route
from proxy.model import ForwardedUsers, JwtUsers, Rule, UserPolicy
from proxy.ports import Clock, Fetcher, WallClock
from proxy.traffic import Exchange, Incoming, User
from proxy.urls import Target

if TYPE_CHECKING:
    from proxy.users.keyring import Keyring, Observe


def _unobserved(event: str, url: str, why: str) -> None:
    """Nobody listens."""


class Users:
    """The front door. Holds the keys of the login services that generations of the configuration name."""

    def __init__(self, fetcher: Fetcher, clock: Clock, wall_clock: WallClock, observe: "Observe" = _unobserved) -> None:
        self._fetcher, self._clock, self._wall_clock, self._observe = fetcher, clock, wall_clock, observe
        self._rings: dict[tuple[Target, Route], Keyring] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def admit(self, policy: UserPolicy | None, rule: Rule, incoming: Incoming, exchange: Exchange) -> User | None:
        """Who asks; None where the rule is for anyone, and nobody is asked. Raises as `identify`, and where the rule
        is not for this user."""
        if rule.users is None:
            return None
        user = await self.identify(policy, incoming) if policy is not None else None
        exchange.user = user.name if user is not None else ""
        return admit(rule.users, user)

    async def identify(self, policy: UserPolicy, incoming: Incoming) -> User | None:
        """Who a request is from; None if it does not say.

        Raises NotAllowed (slug `user`, the reason as a note), or TokenUnavailable where the login service has never
        answered.
        """
        repeated = repeated_names(incoming.raw_headers)
        match policy:
            case ForwardedUsers():
                if not incoming.peer_is_trusted:  # whatever it says of itself
                    raise sign_in("the request did not come from one of trustedProxies")
                return forwarded_user(policy, incoming.headers, repeated)
            case JwtUsers():
                found = token_of(policy, incoming.headers, repeated)
                if found is None:
                    return None
                token, is_cookie = found
                # A proxy in front may have made the header of its own cookie
                is_ambient = is_cookie or incoming.peer_is_trusted or policy.header != names.AUTHORIZATION
                return replace(await self._user(policy, token), is_ambient=is_ambient)

    def retain(self, policy: UserPolicy | None) -> None:
        """After a reload: forgets the keys that no configuration names any more."""
        kept = (policy.keys, policy.route) if isinstance(policy, JwtUsers) else None
        for place in [place for place in self._rings if place != kept]:
            del self._rings[place]

    async def close(self) -> None:
        """Ends the fetches in flight. Nobody waits for them any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _user(self, policy: JwtUsers, token: str) -> User:
        # Only here, and in `_ring`: who asks for no logins does without the memory of what checks them
        from proxy.users.keys import ALGORITHMS
        from proxy.users.login import read_head, verified

        kid, algorithm = read_head(token, policy.algorithms or ALGORITHMS)
        claims = verified(token, await self._ring(policy).find(kid, algorithm), policy)
        check_times(claims, self._wall_clock(), policy.skew)
        return user_of_claims(policy, claims)

    def _ring(self, policy: JwtUsers) -> "Keyring":
        from proxy.users.keyring import Keyring

        place = (policy.keys, policy.route)
        ring = self._rings.get(place)
        if ring is None:
            ring = self._rings[place] = Keyring(
                self._fetcher, policy.keys, policy.route, self._clock, self._observe, self._tasks
            )
        return ring

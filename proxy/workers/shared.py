"""The tokens that all workers share and the supervisor keeps, so that there is one login and one refused password
however many workers there are. The worker's end of it; `leases` is that of the limits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from cachetools import LRUCache

from proxy.core.hearing import Hearing
from proxy.errors import Overloaded
from proxy.identity import Place
from proxy.ports import Clock
from proxy.secret import Secret
from proxy.traffic import Audience, Token
from proxy.urls import Origin, Server
from proxy.workers.channel import Channel, Gone

_MOST_AUDIENCES: Final = 10_000


@dataclass(slots=True)
class _Known:
    token: Token
    fresh_until: float  # until then nobody has to be asked
    hearing: Hearing
    proven: set[Place] = field(default_factory=set)  # by a request that passed


class SharedTokens:
    """Implements `ports.Tokens`: a copy of what the supervisor's store gave, until that is to be renewed."""

    def __init__(self, channel: Channel, clock: Clock) -> None:
        self._channel, self._clock = channel, clock
        self._known: LRUCache[Audience, _Known] = LRUCache(_MOST_AUDIENCES)
        # By identity, as in the store: to hash an audience takes as long as all else
        self._near: dict[int, tuple[Audience, _Known]] = {}
        self.trace: Callable[[], str] = str  # for whom a login is made, where requests are traced

    def at_hand(self, audience: Audience) -> Token | None:
        """See `ports.Tokens.at_hand`."""
        known = self._of(audience)
        return known.token if known is not None and self._clock() < known.fresh_until else None

    async def get(self, audience: Audience) -> Token:
        """See `ports.TokenSource.get`."""
        token = self.at_hand(audience)
        if token is not None:
            return token
        said = await _asked(self._channel, "token", audience=audience_fields(audience), trace=self.trace())
        known = self._known.get(audience)
        value = Secret(said["value"])
        learned = Hearing(Place(said["place"]) if said["place"] else None, said["isDeafToForms"])
        if known is None or known.token.value != value:
            before = tuple(Token(Secret(text), audience, *times) for text, *times in said["before"])
            token = Token(value, audience, said["obtainedAt"], said["expiresAt"], said["isRenewable"], before)
            known = self._known[audience] = _Known(token, said["freshUntil"], learned)
            self._near.clear()  # another one may have gone for it
        known.fresh_until = said["freshUntil"]
        known.hearing.place = known.hearing.place or learned.place
        return known.token

    def accepted(self, token: Token, place: Place) -> None:
        """See `ports.Tokens.accepted`."""
        known = self._of(token.audience)
        if known is not None and known.token is token and place not in known.proven:
            known.proven.add(place)
            known.hearing.hears_headers |= place is Place.HEADER
            self._channel.tell("accepted", place=place.value, **_token_fields(token))

    def reject(self, token: Token) -> None:
        """See `ports.TokenSource.reject`."""
        known = self._known.get(token.audience)
        if known is not None and known.token is token:
            known.fresh_until = 0.0
            self._channel.tell("rejected", **_token_fields(token))

    def place(self, audience: Audience, configured: Place | None, *, is_form: bool, path: str = "") -> Place:
        """See `ports.Tokens.place`."""
        known = self._of(audience)
        return (known.hearing if known is not None else Hearing()).place_at(path, configured, is_form=is_form)

    def learn(self, audience: Audience, place: Place, path: str = "") -> None:
        """See `ports.Tokens.learn`."""
        known = self._known.get(audience)
        if known is not None:
            known.hearing.learn(place, path)
        self._channel.tell("learned", audience=audience_fields(audience), place=place.value, path=path)

    def forget(self) -> None:
        """After a reload: the supervisor knows which tokens are still good."""
        self._known.clear()
        self._near.clear()

    def _of(self, audience: Audience) -> _Known | None:
        near = self._near.get(id(audience))
        if near is not None:
            return near[1]
        known = self._known.get(audience)
        if known is not None:
            if len(self._near) >= _MOST_AUDIENCES:  # equal audiences that are not the same object
                self._near.clear()
            self._near[id(audience)] = audience, known
        return known


async def _asked(channel: Channel, name: str, **fields: object) -> Any:
    try:
        return await channel.ask(name, **fields)
    except Gone:
        raise Overloaded("The proxy is stopping.", retry_after=1) from None


def audience_fields(audience: Audience) -> list[object]:
    """As JSON holds it."""
    origin = audience.server.origin
    where = (origin.scheme, origin.host, origin.port, audience.server.context)
    return [audience.credential, *where, audience.referer, audience.is_guess]


def audience_of(fields: list[Any]) -> Audience:
    """Back again."""
    credential, scheme, host, port, context, referer, is_guess = fields
    return Audience(credential, Server(Origin(scheme, host, port), context), referer, is_guess)


def _token_fields(token: Token) -> dict[str, object]:
    return {"audience": audience_fields(token.audience), "fingerprint": token.value.fingerprint()}

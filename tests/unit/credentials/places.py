"""A place behind a web server that asks for a login, and what was sent there."""

from dataclasses import dataclass

import pytest

from proxy.credentials.web_tier import WebTier
from proxy.errors import CredentialRefused, ProxyError
from proxy.identity import HttpLogin, Identity, Route, Scheme
from proxy.secret import Secret
from proxy.traffic import Reply
from proxy.urls import Scope
from tests.unit.credentials.wire import Sent, Wire, outgoing
from tests.unit.credentials.world import PASSWORD

KEY = "canary-gateway-key"
BASIC = HttpLogin(Scheme.BASIC, "web map", Secret(PASSWORD))
HERE = Scope("https", "gis.example.com")
NO = {"www-authenticate": 'Basic realm="x"'}


def route(login: HttpLogin | None = BASIC, scope: Scope = HERE, **headers: str) -> Route:
    secrets = tuple((name.replace("_", "-"), Secret(value)) for name, value in headers.items())
    return Route(identity=Identity("tier", scope, secrets, login))


@dataclass(slots=True)
class Place:
    """A web tier, a server behind it that lets in or does not, and a clock."""

    lets_in: bool = True
    status: int = 200
    says: str = NO["www-authenticate"]
    now: float = 0.0

    def __call__(self, sent: Sent) -> Reply:
        if self.lets_in:
            return Reply(self.status, {}, b"map")
        return Reply(401, {"www-authenticate": self.says} if self.says else {}, b"no")


def tier_of(place: Place) -> tuple[Wire, WebTier, list[tuple[str, str, str]]]:
    wire, events = Wire(place), list[tuple[str, str, str]]()
    return wire, WebTier(wire, lambda: place.now, lambda *event: events.append(event)), events


async def refusal(tier: WebTier, where: Route, kind: type[ProxyError] = CredentialRefused) -> ProxyError:
    with pytest.raises(kind) as caught:
        await tier.send(outgoing(route=where))
    assert type(caught.value) is kind
    return caught.value

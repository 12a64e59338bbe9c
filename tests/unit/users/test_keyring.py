"""proxy.users.keyring: one fetch for everybody, kept for its life, anew when a key is missing, never more often."""

import asyncio
from typing import Any

import pytest

from proxy.core.target import parse_url
from proxy.errors import TokenUnavailable, UpstreamTimeout
from proxy.identity import Route
from proxy.users.keyring import Keyring, life
from tests.unit.users.issuer import Service, jwk, jwks, private

RSA, NEW = private("RSA-2048"), private("RSA-2048", 1)


class Ring:
    """A keyring, its service and what it said."""

    def __init__(self, **service: Any) -> None:
        self.service, self.said = Service(**service), list[tuple[str, str]]()
        self.tasks: set[asyncio.Task[None]] = set()
        self.ring = Keyring(
            self.service,
            parse_url("https://login.example.com/keys"),
            Route(),
            self.service.clock,
            lambda event, url, why: self.said.append((event, why)),
            self.tasks,
        )

    async def finds(self, kid: str | None = "k1") -> bool:
        return bool(await self.ring.find(kid, "RS256"))


async def test_keys_are_fetched_once_and_kept() -> None:
    ring = Ring()
    for _ in range(5):
        assert await ring.finds()
    assert len(ring.service.calls) == 1
    assert ring.said == [("available", "1 keys")]
    ring.service.now = 3599
    assert await ring.finds()
    assert len(ring.service.calls) == 1
    ring.service.now = 3600
    assert await ring.finds()
    assert len(ring.service.calls) == 2


async def test_many_that_ask_at_once_wait_for_one_fetch() -> None:
    ring = Ring(go=asyncio.Event())
    asked = [asyncio.create_task(ring.finds()) for _ in range(50)]
    await asyncio.sleep(0)
    asked[0].cancel()  # one that leaves takes the keys from nobody
    await asyncio.sleep(0)
    assert ring.service.go is not None
    ring.service.go.set()
    assert await asyncio.gather(*asked[1:]) == [True] * 49
    assert len(ring.service.calls) == 1
    assert not ring.tasks


async def test_a_new_key_is_fetched_when_a_token_names_it() -> None:
    ring = Ring()
    assert await ring.finds()
    ring.service.body, ring.service.now = jwks(jwk(NEW, "k2")), 31
    assert await ring.finds("k2")
    assert not await ring.finds("k1")  # withdrawn
    assert len(ring.service.calls) == 2


async def test_made_up_keys_cannot_make_us_ask_all_the_time() -> None:
    ring = Ring()
    for second in range(61):
        ring.service.now = second
        assert not await ring.finds(f"made-up-{second}")
    assert len(ring.service.calls) == 3  # at 0, 30 and 60


async def test_the_last_keys_serve_while_the_service_is_down() -> None:
    ring = Ring(headers={"cache-control": "max-age=600"})
    assert await ring.finds()
    ring.service.error, ring.service.now = UpstreamTimeout("The server did not answer in time."), 700
    assert await ring.finds()
    assert ring.said[-1] == ("unavailable", "The server did not answer in time.")
    ring.service.go, ring.service.now = asyncio.Event(), 750  # nobody waits for a service that is known to be down
    assert await ring.finds()
    ring.service.go.set()
    ring.service.error = None
    await asyncio.gather(*ring.tasks)
    ring.service.now = 800
    assert await ring.finds()
    await asyncio.gather(*ring.tasks)
    assert ring.said[-1] == ("available", "1 keys")
    assert [event for event, _ in ring.said] == ["available", "unavailable", "available"]  # changes alone are told


async def test_without_any_keys_nobody_gets_in_and_clients_are_told_when_to_come_again() -> None:
    ring = Ring(error=UpstreamTimeout("The server did not answer in time."))
    with pytest.raises(TokenUnavailable) as refused:
        await ring.finds()
    assert (refused.value.slug, refused.value.retry_after) == ("keys_unavailable", 5.0)
    with pytest.raises(TokenUnavailable):
        await ring.finds()
    assert len(ring.service.calls) == 1
    ring.service.error, ring.service.now = None, 5
    assert await ring.finds()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (302, b"", "the answer has the status 302"),  # keys come from the URL configured, and from no other
        (404, b"", "the answer has the status 404"),
        (200, b"<html>Sign in</html>", "the answer is no JSON"),
        (200, b'{"error":"x"}', "the answer is no JWK set"),
    ],
)
async def test_what_is_no_key_set_takes_no_keys_away(status: int, body: bytes, why: str) -> None:
    ring = Ring()
    assert await ring.finds()
    ring.service.status, ring.service.body, ring.service.now = status, body, 4000
    assert await ring.finds()
    assert ring.said[-1] == ("unavailable", why)


async def test_withdrawn_keys_are_gone() -> None:
    ring = Ring()
    assert await ring.finds()
    ring.service.body, ring.service.now = jwks(), 4000
    assert not await ring.finds()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 3600),
        ({"cache-control": "max-age=1200"}, 1200),
        ({"cache-control": 'public, MAX-AGE="1200", immutable'}, 1200),
        ({"cache-control": "max-age=1200", "age": "200"}, 1000),
        ({"cache-control": "max-age=1200", "age": "soon"}, 1200),
        ({"cache-control": "max-age=1"}, 300),
        ({"cache-control": "max-age=1200", "age": "99999"}, 300),
        ({"cache-control": "max-age=9999999999"}, 86400),
        ({"cache-control": "max-age=99999999999999"}, 3600),
        ({"cache-control": "no-store"}, 300),
        ({"cache-control": "no-cache, max-age=1200"}, 300),
        ({"cache-control": "s-maxage=1200"}, 3600),
        ({"cache-control": "max-age=-1"}, 3600),
    ],
)
def test_how_long_keys_are_kept(headers: dict[str, str], seconds: float) -> None:
    assert life(headers) == seconds

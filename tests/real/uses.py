"""What a map does with a server, and what it gets where the proxy's own login is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable

from tests.live.conftest import Got, World
from tests.until import until

_PNG = b"\x89PNG\r\n\x1a\n"
_FORM = b"f=json&where=NAME+LIKE+%27a%25%27&geometry=%7B%22x%22%3A1%7D&returnGeometry=false"
_BIG = bytes(range(256)) * 4 * 1024 * 3  # 3 MiB
_PART = b'--x\r\nContent-Disposition: form-data; name="attachment"; filename="\xc3\xa4.bin"\r\n\r\n'
_MULTIPART = _PART + _BIG + b"\r\n--x--\r\n"
_FORM_TYPE = "application/x-www-form-urlencoded"

# What a login costs before the first client waits for it: the rule's own URL (here one without a page), asked as nobody
# and then signed in
PROOF = ["401", "404"]
CITY = "/rest/services/Public/City/MapServer"
EXPORT = f"{CITY}/export?bbox=0,0,100,100&bboxSR=102100&size=64,64&format=png32&f=image"
QUERY = "/rest/services/Public/City/MapServer/0/query"
ATTACH = "/rest/services/Public/City/FeatureServer/0/1/addAttachment?f=json"


def is_proof_and(statuses: list[str], *then: str) -> bool:
    """Whether a web server's log has a proof, which begins with a 401, and `then`: what ends at nearly the same time
    stands there in any order."""
    return statuses[0] == PROOF[0] and sorted(statuses) == sorted([*PROOF, *then])


async def everything(world: World, site: str, last_body: Callable[[], bytes]) -> None:
    """JSON, pictures, forms, uploads with a length and without. `last_body` is what arrived at the server."""
    client = world.client
    got = await client.get(f"{site}{CITY}?f=json")
    assert (got.status, got.json["mapName"]) == (200, "City"), got.body
    got = await client.get(site + EXPORT)
    assert (got.status, got.headers["content-type"], got.body[:8]) == (200, "image/png", _PNG)
    got = await client.get(site + QUERY, "POST", _FORM, Content_Type=_FORM_TYPE)
    assert got.status == 200, got.body
    assert last_body() == _FORM
    got = await client.get(
        site + ATTACH, "POST", _in_pieces(_MULTIPART), Content_Type="multipart/form-data; boundary=x"
    )
    assert got.status == 200, got.body
    assert last_body() == _MULTIPART
    await upload(world, site, last_body)


async def upload(world: World, site: str, last_body: Callable[[], bytes]) -> None:
    """3 MiB that nobody keeps for a second try, and whose length is not said."""
    got = await world.client.get(site + ATTACH, "POST", _in_pieces(_BIG), Content_Type="application/octet-stream")
    assert got.status == 200, got.body
    assert last_body() == _BIG


async def at_once(world: World, site: str, times: int) -> list[Got]:
    """A map's first look: so many requests at the same moment."""
    targets = [f"{site}{CITY}?f=json&n={n}" if n % 2 else f"{site}{EXPORT}&n={n}" for n in range(times)]
    return await asyncio.gather(*map(world.client.get, targets))


async def refusals(world: World, site: str, slug: str, times: int = 10) -> Got:
    """Asks `times` at once, and sees that every answer is our own; the last."""
    answers = await at_once(world, site, times)
    for got in answers:
        assert (got.status, got.json["error"]["code"]) == (502, 502), got.body
        assert got.json["error"]["messageCode"] == f"PROXY_{slug.upper()}", got.body
        assert "www-authenticate" not in got.headers
    return answers[-1]


async def logged(world: World, text: str, times: int = 1) -> None:
    """Sees that `text` is in the log so often, once what is queued is written."""
    await until(lambda: world.log.getvalue().count(text) >= times)
    assert world.log.getvalue().count(text) == times, world.log.getvalue()


async def _in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 100_000):
        yield body[start : start + 100_000]

"""Refusals and failures that look alike: nobody learns from them what is listed, where we are, or what went wrong."""

from typing import Any

from proxy.traffic import Outgoing, Reply
from tests.live.conftest import Got, World
from tests.until import until


def told(got: Got) -> tuple[int, Any, list[str]]:
    """What a client sees, but for the request's id and the time."""
    error = got.json["error"]
    error["details"] = [detail for detail in error["details"] if not detail.startswith("Request id")]
    return got.status, error, sorted(set(got.headers) - {"content-length"})


async def test_who_may_not_ask_learns_nothing_of_what_is_listed(world: World) -> None:
    targets = [world.url(), f"{world.arcgis.url}/other", "https://not-listed.example/", "https://169.254.169.254/"]
    for headers in ({"Referer": "https://evil.example/"}, {"Referer": ""}, {"Origin": "https://evil.example"}):
        seen = [told(await world.client.get(target, **headers)) for target in targets]
        assert seen[0][0] == 403
        assert all(each == seen[0] for each in seen)


async def test_a_host_that_is_listed_looks_like_one_that_is_not(world: World) -> None:
    targets = [f"{world.arcgis.url}/other", "https://not-listed.example/", "https://127.0.0.1/", "http://localhost/"]
    seen = [told(await world.client.get(target)) for target in targets]
    assert seen[0][0] == 403
    assert all(each == seen[0] for each in seen)


async def test_nobody_says_of_himself_by_which_name_he_came(world: World) -> None:
    """Believed, `X-Forwarded-Host` would make any page one of our own, which its Referer alone would judge."""
    for scheme in ("http", "https"):
        got = await world.client.get(
            world.url(),
            Origin=f"{scheme}://evil.example",
            X_Forwarded_Host="evil.example",
            X_Forwarded_Proto=scheme,
        )
        assert got.status == 403
        assert len(world.arcgis.journal.to("City/MapServer")) == 0


class Broken:
    """An upstream that fails as nobody foresaw."""

    async def send(self, outgoing: Outgoing) -> Reply:
        raise ZeroDivisionError(f"canary-words at {outgoing.target} /usr/lib/canary.py")


async def test_what_fails_in_an_unforeseen_way_says_nothing(world: World) -> None:
    world.service.pipeline.attempts.upstream = Broken()
    got = await world.client.get(world.url())
    assert got.status == 500
    assert b"canary" not in got.body
    assert str(world.arcgis.url).encode() not in got.body
    await until(lambda: "ZeroDivisionError" in world.log.getvalue())  # the operator's part
    lines = world.log.getvalue()
    assert "canary-words" not in lines
    assert "Traceback" not in lines

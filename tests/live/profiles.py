"""Configurations for sites of every kind."""

from typing import Any

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD, World, config

FORM = "application/x-www-form-urlencoded"


def document(site: Simulator, credential: dict[str, Any], url: str = "", **rule: Any) -> dict[str, Any]:
    """The whole site under one rule, so that its SOAP and OGC endpoints are too."""
    made = config(site.url, **rule)
    made["credentials"]["city"] = credential
    made["serverUrls"][0]["url"] = url or site.url
    return made


USER = {"username": "webmap", "password": PASSWORD}


async def draws_a_map(world: World, site: Simulator) -> None:
    """What a map asks for: description, picture, tile, legend, features by form."""
    secure = f"{site.services_url}/Secure/City/MapServer"
    got = await world.client.get(f"{secure}?f=json")
    assert (got.status, got.json["mapName"]) == (200, "City"), got.body
    got = await world.client.get(f"{secure}/export?bbox=0,0,1,1&size=8,8&format=png32&f=image")
    assert (got.status, got.body[:4]) == (200, b"\x89PNG"), got.body[:200]
    got = await world.client.get(f"{secure}/tile/13/1/1")
    assert got.status == 200, got.body[:200]
    got = await world.client.get(f"{secure}/legend?f=json")
    assert "layers" in got.json, got.body[:200]
    features = f"{site.services_url}/Secure/City/FeatureServer/0/query"
    got = await world.client.get(features, "POST", b"where=1%3D1&f=json", Content_Type=FORM)
    assert got.json["features"], got.body[:200]

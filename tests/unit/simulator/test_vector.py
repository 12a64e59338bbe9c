"""Vector tiles as clients read them: shapes inside what readers allow, a style that names what is there."""

from proxy.simulator.tiling import tile_info
from tests.unit.simulator.conftest import Visit

BASE = "/rest/services/Secure/Base/VectorTileServer"
LARGEST = 16_384  # what MapLibre takes a coordinate for, on a grid of 8192


def fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """A message's fields: numbers, or bytes."""
    found: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        value, at = varint(data, at)
        found.append((key >> 3, data[at : at + value] if key & 7 == 2 else value))
        at += value if key & 7 == 2 else 0
    return found


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def numbers(data: bytes) -> list[int]:
    at, found = 0, []
    while at < len(data):
        value, at = varint(data, at)
        found.append(value)
    return found


def points(commands: list[int]) -> list[tuple[int, int]]:
    """Where a shape's commands lead, by the specification's section 4.3."""
    found, x, y, at = [], 0, 0, 0
    while at < len(commands):
        command, count, at = commands[at] & 7, commands[at] >> 3, at + 1
        assert command in (1, 2, 7)
        for _ in range(0 if command == 7 else count):
            x += (commands[at] >> 1) ^ -(commands[at] & 1)
            y += (commands[at + 1] >> 1) ^ -(commands[at + 1] & 1)
            at += 2
            found.append((x, y))
    return found


async def test_a_tile_holds_the_town_within_its_bounds(visit: Visit) -> None:
    token = await visit.log_in()
    for level, row, column in ((11, 716, 1080), (12, 1433, 2160), (17, 45871, 69148), (19, 183484, 276593)):
        got = await visit.ask(f"{BASE}/tile/{level}/{row}/{column}.pbf?token={token}")
        assert got.status == 200
        layers = [dict(fields(layer)) for _, layer in fields(got.body) if isinstance(layer, bytes)]
        names = [layer[1] for layer in layers]
        assert b"Land" in names, (level, names)
        for _, layer in fields(got.body):
            assert isinstance(layer, bytes)
            for field, feature in fields(layer):
                if field == 2 and isinstance(feature, bytes):
                    geometry = dict(fields(feature))[4]
                    assert isinstance(geometry, bytes)
                    at = points(numbers(geometry))
                    assert at
                    assert all(abs(number) < LARGEST // 2 for point in at for number in point)


async def test_the_style_names_what_is_there(visit: Visit) -> None:
    token = await visit.log_in()
    style = (await visit.ask(f"{BASE}/resources/styles/root.json?token={token}")).json
    assert style["sources"]["esri"]["url"] == "../../"
    for path in ("sprites/sprite.json", "sprites/sprite@2x.png", "fonts/Arial%20Regular/0-255.pbf"):
        assert (await visit.ask(f"{BASE}/resources/{path}?token={token}")).status == 200
    assert (await visit.ask(f"{BASE}/resources/styles/root.json?f=json")).json["error"]["code"] == 499


async def test_a_cached_map_tells_its_tiles(visit: Visit) -> None:
    token = await visit.log_in()
    described = (await visit.ask(f"/rest/services/Secure/Base/MapServer?f=json&token={token}")).json
    assert described["singleFusedMapCache"] is True
    assert described["tileInfo"] == tile_info(256, "PNG")
    assert round(described["tileInfo"]["lods"][0]["scale"]) == 591657528

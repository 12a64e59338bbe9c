"""A vector tile service: its description, style, sprites and fonts, and Mapbox Vector Tiles of the town.
Who may ask is decided in `rest.py`.

Source: the Mapbox Vector Tile specification 2.1. Styles are written with relative addresses, as ArcGIS writes them.
"""

import json
from collections.abc import Iterable
from io import BytesIO
from itertools import pairwise
from typing import Any, Final

from aiohttp import web
from PIL import Image

from proxy.simulator import geography as town
from proxy.simulator.draw import DISTRICT_FILLS, LAND, MAIN, MINOR, PARK, PLACE_FILLS, SEA, swatch_png
from proxy.simulator.geography import Feature, Point
from proxy.simulator.options import Options
from proxy.simulator.protobuf import message, number, packed, text, zigzag
from proxy.simulator.tiling import DEEPEST, extent_of, tile_info

_GRID, _MARGIN, _SWATCH = 4096, 128, 20
_POINT, _LINE, _POLYGON = 1, 2, 3
_MOVE, _DRAW, _CLOSE = 1, 2, 7
_SHORES: Final = [Feature(1, "Mainland", "land", 0, town.LAND), Feature(2, "Island", "land", 0, town.ISLAND)]
_LAYERS: Final = (
    ("Land", _POLYGON, _SHORES),
    ("Districts", _POLYGON, town.DISTRICTS),
    ("Parks", _POLYGON, town.PARKS),
    ("Streets", _LINE, town.STREETS),
    ("Places", _POINT, town.PLACES),
)


def answer(rest: list[str], options: Options) -> web.Response | None:
    """`…/VectorTileServer/<rest>`; None where there is no such resource."""
    match [part.lower() for part in rest]:
        case []:
            return _json(_described(options))
        case ["tile", level, row, column] if column.endswith(".pbf"):
            return _binary(_tile(int(level), int(row), int(column.removesuffix(".pbf"))))
        case ["resources", "styles"] | ["resources", "styles", "root.json"]:
            return _json(_style())
        case ["resources", "sprites", name] if name.endswith(".json"):
            return _json(_sprites())
        case ["resources", "sprites", name] if name.endswith(".png"):
            return web.Response(body=_sheet(), content_type="image/png")
        case ["resources", "fonts", _, name] if name.endswith(".pbf"):
            # no letter of any alphabet is in it, which is as good a font as one with all of them
            stack = text(1, rest[2]) + text(2, rest[3].removesuffix(".pbf"))
            return _binary(message(1, stack))
        case _:
            return None


def _described(options: Options) -> dict[str, Any]:
    return {
        "currentVersion": options.version,
        "name": "Base",
        "capabilities": "TilesOnly",
        "type": "indexedVector",
        "defaultStyles": "resources/styles",
        "tiles": ["tile/{z}/{y}/{x}.pbf"],
        "exportTilesAllowed": False,
        "initialExtent": town.full_extent(),
        "fullExtent": town.full_extent(),
        "minScale": 0,
        "maxScale": 0,
        "tileInfo": tile_info(512, "pbf"),
        "maxzoom": DEEPEST,
        "resourceInfo": {"styleVersion": 8, "tileCompression": "gzip"},
    }


def _style() -> dict[str, Any]:
    names = [feature.name for feature in town.DISTRICTS]
    districts = [part for pair in zip(names, map(_rgb, DISTRICT_FILLS), strict=True) for part in pair]
    main = ["==", ["get", "kind"], "main"]
    layers = [
        {"id": "Sea", "type": "background", "paint": {"background-color": _rgb(SEA)}},
        _layer("Land", "fill", {"fill-color": _rgb(LAND)}),
        _layer("Districts", "fill", {"fill-color": ["match", ["get", "name"], *districts, _rgb(LAND)]}),
        _layer("Parks", "fill", {"fill-color": _rgb(PARK)}),
        _layer("Streets", "line", {"line-width": 3, "line-color": ["case", main, _rgb(MAIN), _rgb(MINOR)]}),
        _layer("Places", "symbol", {}, {"icon-image": ["get", "kind"], "icon-allow-overlap": True}),
        _layer("Names", "symbol", {}, {"text-field": ["get", "name"], "text-font": ["Arial Regular"]}, "Places"),
    ]
    return {
        "version": 8,
        "sprite": "../sprites/sprite",
        "glyphs": "../fonts/{fontstack}/{range}.pbf",
        "sources": {"esri": {"type": "vector", "url": "../../"}},
        "layers": layers,
    }


def _layer(
    name: str, kind: str, paint: dict[str, Any], layout: dict[str, Any] | None = None, source: str = ""
) -> dict[str, Any]:
    return {
        "id": name,
        "type": kind,
        "source": "esri",
        "source-layer": source or name,
        "layout": layout or {},
        "paint": paint,
    }


def _rgb(colour: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _sprites() -> dict[str, Any]:
    size = {"y": 0, "width": _SWATCH, "height": _SWATCH, "pixelRatio": 1, "sdf": False}
    return {kind: {**size, "x": index * _SWATCH} for index, kind in enumerate(PLACE_FILLS)}


def _sheet() -> bytes:
    sheet = Image.new("RGBA", (_SWATCH * len(PLACE_FILLS), _SWATCH))
    for index in range(len(PLACE_FILLS)):
        sheet.paste(Image.open(BytesIO(swatch_png(0, index))), (index * _SWATCH, 0))
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


def _tile(level: int, row: int, column: int) -> bytes:
    """One tile; a layer without features is left out (section 4.1)."""
    box = extent_of(level, row, column)
    layers = ((name, kind, _features(kind, features, box)) for name, kind, features in _LAYERS)
    return b"".join(message(3, _encoded(name, kind, found)) for name, kind, found in layers if found)


def _features(
    kind: int, features: list[Feature], box: tuple[float, float, float, float]
) -> list[tuple[Feature, list[list[Point]]]]:
    """The features that touch the tile, with what is left of their shapes in its own grid."""
    step = (box[2] - box[0]) / _GRID
    found = []
    for feature in features:
        points = [((x - box[0]) / step, (box[3] - y) / step) for x, y in map(town.to_mercator, feature.shape)]
        if kind == _POLYGON:
            shapes = [_clipped(points)]
        elif kind == _LINE:
            shapes = [inside for pair in pairwise(points) if (inside := _cut(*pair))]
        else:
            shapes = [points] if _is_near(points) else []
        if any(shapes):
            found.append((feature, shapes))
    return found


def _is_near(points: Iterable[Point]) -> bool:
    xs, ys = zip(*points, strict=True)
    return all(min(each) <= _GRID + _MARGIN and max(each) >= -_MARGIN for each in (xs, ys))


def _cut(start: Point, end: Point) -> list[Point]:
    """What of a line is inside (Liang and Barsky); nothing where it passes by."""
    first, last = 0.0, 1.0
    for axis in (0, 1):
        way = end[axis] - start[axis]
        ends = sorted((edge - start[axis]) / (way or 1e-9) for edge in (-_MARGIN, _GRID + _MARGIN))
        first, last = max(first, ends[0]), min(last, ends[1])
    along = [(start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1])) for part in (first, last)]
    return along if first < last else []


def _clipped(ring: list[Point]) -> list[Point]:
    """The ring inside the tile and its margin (Sutherland and Hodgman): readers bound how far out a shape may reach."""
    for axis, edge, sign in ((0, -_MARGIN, 1), (0, _GRID + _MARGIN, -1), (1, -_MARGIN, 1), (1, _GRID + _MARGIN, -1)):
        kept: list[Point] = []
        for start, end in zip([*ring[-1:], *ring[:-1]], ring, strict=True):
            is_in, was_in = (end[axis] - edge) * sign >= 0, (start[axis] - edge) * sign >= 0
            if is_in != was_in:
                part = (edge - start[axis]) / (end[axis] - start[axis])
                kept.append((start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1])))
            if is_in:
                kept.append(end)
        ring = kept
    return ring


def _encoded(name: str, kind: int, found: list[tuple[Feature, list[list[Point]]]]) -> bytes:
    """One layer: keys 0 and 1 are `name` and `kind`; each feature has two values of its own."""
    out = [number(15, 2), text(1, name), text(3, "name"), text(3, "kind"), number(5, _GRID)]
    for index, (feature, shapes) in enumerate(found):
        out += [message(4, text(1, value)) for value in (feature.name, feature.kind)]
        tags = packed(2, (0, 2 * index, 1, 2 * index + 1))
        out.append(message(2, number(1, feature.oid) + tags + number(3, kind) + packed(4, _commands(kind, shapes))))
    return b"".join(out)


def _commands(kind: int, shapes: list[list[Point]]) -> list[int]:
    """Section 4.3: move, draw, close; every point counted from the one before."""
    out: list[int] = []
    column = row = 0
    for shape in shapes:
        ring = shape if kind != _POLYGON or _area(shape) > 0 else shape[::-1]  # outer rings have a positive area
        for index, (x, y) in enumerate(ring):
            if index < 2:
                out.append(_DRAW | (len(ring) - 1) << 3 if index else _MOVE | 1 << 3)
            at = round(x), round(y)
            out += [zigzag(at[0] - column), zigzag(at[1] - row)]
            column, row = at
        out += [_CLOSE | 1 << 3] if kind == _POLYGON else []
    return out


def _area(ring: list[Point]) -> float:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))


def _json(document: dict[str, Any]) -> web.Response:
    return web.Response(text=json.dumps(document), content_type="application/json")


def _binary(body: bytes) -> web.Response:
    return web.Response(body=body, content_type="application/x-protobuf", headers={"Cache-Control": "max-age=60"})

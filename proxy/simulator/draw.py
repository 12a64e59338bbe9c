"""Draws Havenport: a PNG of any extent and size, so that a picture shows whether the right thing arrived."""

from functools import lru_cache
from io import BytesIO
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from proxy.simulator import geography as town
from proxy.simulator.geography import Feature, Point

_SCALE: Final = 2  # drawn larger, then reduced: smooth edges
SEA, LAND, PARK, RIVER = (169, 206, 222), (244, 241, 232), (196, 222, 178), (169, 206, 222)
MAIN, MINOR, CASING, INK = (255, 221, 150), (255, 255, 255), (203, 189, 160), (64, 66, 74)
DISTRICT_FILLS: Final = ((236, 206, 190), (203, 217, 236), (228, 217, 240), (238, 230, 195), (206, 232, 224))
PLACE_FILLS: Final = {
    "office": (58, 96, 160),
    "utility": (214, 120, 40),
    "school": (140, 80, 160),
    "hospital": (196, 52, 64),
    "landmark": (40, 130, 110),
}


class _Canvas:
    """Maps the town's metres to pixels."""

    def __init__(self, bbox: tuple[float, float, float, float], size: tuple[int, int], *, is_transparent: bool) -> None:
        self.width, self.height = size[0] * _SCALE, size[1] * _SCALE
        self.bbox = bbox
        background = (*SEA, 0 if is_transparent else 255)
        self.image = Image.new("RGBA", (self.width, self.height), background)
        self.draw = ImageDraw.Draw(self.image)
        self.metres = (bbox[2] - bbox[0]) / max(1, size[0])  # for each pixel of the result

    def at(self, point: Point) -> Point:
        x, y = town.to_mercator(point)
        xmin, ymin, xmax, ymax = self.bbox
        return (x - xmin) / (xmax - xmin) * self.width, (ymax - y) / (ymax - ymin) * self.height

    def shape(self, points: list[Point], *, is_ring: bool = False) -> list[Point]:
        return [self.at(point) for point in _rounded(tuple(points), is_ring=is_ring)]

    def width_of(self, pixels: float) -> int:
        return max(1, round(pixels * _SCALE))

    def png(self, size: tuple[int, int]) -> bytes:
        out = BytesIO()
        self.image.resize(size, Image.Resampling.BOX).save(out, "PNG", compress_level=1)
        return out.getvalue()


def map_png(
    bbox: tuple[float, float, float, float],
    size: tuple[int, int],
    layers: frozenset[int] = frozenset(range(4)),
    *,
    is_transparent: bool = False,
    has_base: bool = True,
) -> bytes:
    """A PNG of `bbox` (Web Mercator) with the given layers. `has_base` draws coast and river under them."""
    canvas = _Canvas(bbox, size, is_transparent=is_transparent)
    if has_base:
        _base(canvas)
    if 3 in layers:
        for feature, fill in zip(town.DISTRICTS, DISTRICT_FILLS, strict=True):
            canvas.draw.polygon(
                [canvas.at(point) for point in feature.shape], fill=(*fill, 255), outline=(255, 255, 255, 255)
            )
    if 2 in layers:
        for feature in town.PARKS:
            canvas.draw.polygon(
                canvas.shape(feature.shape, is_ring=True), fill=(*PARK, 255), outline=(160, 196, 140, 255)
            )
    if has_base:
        canvas.draw.line(
            canvas.shape(town.RIVER), fill=(*RIVER, 255), width=canvas.width_of(90 / canvas.metres), joint="curve"
        )
    if 1 in layers:
        _streets(canvas)
    if 0 in layers:
        for feature in town.PLACES:
            _place(canvas, feature)
    if canvas.metres < 30 and 3 in layers:
        for feature in town.DISTRICTS:
            _label(canvas, town.centre(feature.shape), feature.name.upper(), 13, (120, 112, 108, 255), anchor="mm")
    return canvas.png(size)


@lru_cache(maxsize=64)
def _rounded(points: tuple[Point, ...], *, is_ring: bool) -> tuple[Point, ...]:
    """Corners cut twice (Chaikin): coasts and parks have no corners."""
    for _ in range(2):
        pairs = zip(points, [*points[1:], points[0]] if is_ring else points[1:], strict=False)
        cut = [(a[0] * (1 - t) + b[0] * t, a[1] * (1 - t) + b[1] * t) for a, b in pairs for t in (0.25, 0.75)]
        points = tuple(cut) if is_ring else (points[0], *cut, points[-1])
    return points


@lru_cache(maxsize=16)
def swatch_png(layer: int, index: int = 0) -> bytes:
    """A 20 × 20 symbol for a legend."""
    image = Image.new("RGBA", (40, 40), (255, 255, 255, 0))
    draw = ImageDraw.Draw(image)
    if layer == 0:
        fill = list(PLACE_FILLS.values())[index % len(PLACE_FILLS)]
        draw.ellipse((8, 8, 32, 32), fill=(*fill, 255), outline=(255, 255, 255, 255), width=3)
    elif layer == 1:
        draw.line((2, 30, 38, 10), fill=(*CASING, 255), width=12)
        draw.line((2, 30, 38, 10), fill=(*(MAIN if index == 0 else MINOR), 255), width=8)
    else:
        draw.rectangle(
            (3, 7, 37, 33), fill=(*(PARK if layer == 2 else DISTRICT_FILLS[0]), 255), outline=(*CASING, 255), width=2
        )
    out = BytesIO()
    image.resize((20, 20), Image.Resampling.BOX).save(out, "PNG")
    return out.getvalue()


def _base(canvas: _Canvas) -> None:
    for shore in (town.LAND, town.ISLAND):
        ring = canvas.shape(shore, is_ring=True)
        canvas.draw.line([*ring, ring[0]], fill=(150, 190, 208, 255), width=canvas.width_of(7), joint="curve")
        canvas.draw.polygon(ring, fill=(*LAND, 255))


def _streets(canvas: _Canvas) -> None:
    for is_casing in (True, False):
        for street in town.STREETS:
            fill = CASING if is_casing else MAIN if street.kind == "main" else MINOR
            pixels = (6.0 if street.kind == "main" else 3.5) * min(1.6, max(0.5, 14 / canvas.metres))
            width = canvas.width_of(pixels + (2.5 if is_casing else 0.0))
            canvas.draw.line(canvas.shape(street.shape), fill=(*fill, 255), width=width, joint="curve")


def _place(canvas: _Canvas, feature: Feature) -> None:
    x, y = canvas.at(feature.shape[0])
    r = 5.5 * _SCALE
    canvas.draw.ellipse(
        (x - r, y - r, x + r, y + r),
        fill=(*PLACE_FILLS[feature.kind], 255),
        outline=(255, 255, 255, 255),
        width=_SCALE * 2,
    )
    if canvas.metres < 22:
        _label(canvas, feature.shape[0], feature.name, 12, (*INK, 255), anchor="lm", shift=9)


def _label(
    canvas: _Canvas, point: Point, text: str, size: int, ink: tuple[int, ...], *, anchor: str, shift: int = 0
) -> None:
    x, y = canvas.at(point)
    canvas.draw.text(
        (x + shift * _SCALE, y), text, font=_font(size), fill=ink, anchor=anchor,
        stroke_width=2 * _SCALE, stroke_fill=(255, 255, 255, 210),
    )  # fmt: skip


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size * _SCALE)

"""Havenport, a town that does not exist: its coast, parks, streets and places, in Web Mercator metres. Data alone."""

from dataclasses import dataclass
from math import atan, degrees, exp, log, pi, radians, tan
from typing import Any, Final

WKID: Final = 102100
ORIGIN: Final = (1_105_000.0, 6_012_000.0)  # where the town's own (0, 0) is
EXTENT: Final = (-6000.0, -4500.0, 6000.0, 4500.0)  # xmin, ymin, xmax, ymax of the town, in its own metres
_RADIUS: Final = 6378137.0

Point = tuple[float, float]

LAND: Final[list[Point]] = [
    (-6500, 5000), (-6500, -1200), (-5200, -1500), (-4300, -900), (-3500, -1150), (-2900, -2000), (-2100, -2350),
    (-1300, -1900), (-900, -1100), (-300, -700), (350, -900), (700, -1700), (1500, -2600), (2600, -2900),
    (3500, -2500), (4200, -2800), (5200, -2300), (6500, -2700), (6500, 5000),
]  # fmt: skip
ISLAND: Final[list[Point]] = [
    (-1100, -3600), (-500, -3250), (300, -3300), (700, -3700), (200, -4050), (-700, -4000),
]  # fmt: skip
RIVER: Final[list[Point]] = [
    (1800, 5000), (1500, 3900), (1900, 2900), (1300, 2000), (600, 1300), (450, 500), (150, -100), (30, -820),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Feature:
    """One row of a layer. `shape` is a point, a line, or a ring (closed by its user)."""

    oid: int
    name: str
    kind: str
    value: int
    shape: list[Point]


DISTRICTS: Final = [
    Feature(1, "Old Town", "district", 18400, [(-2600, -600), (-900, -700), (200, -500), (500, 700), (-700, 1500), (-2500, 1200)]),
    Feature(2, "Harbour", "district", 6100, [(500, 700), (200, -500), (700, -1300), (2400, -2500), (3300, -1700), (2300, 300)]),
    Feature(3, "Northgate", "district", 25800, [(-2500, 1200), (-700, 1500), (500, 700), (1400, 2200), (1400, 4200), (-2600, 4200)]),
    Feature(4, "Westfield", "district", 14200, [(-5800, -800), (-2600, -600), (-2500, 1200), (-2600, 4200), (-5800, 4200)]),
    Feature(5, "Eastbank", "district", 21300, [(500, 700), (2300, 300), (3300, -1700), (5800, -1900), (5800, 4200), (1400, 4200), (1400, 2200)]),
]  # fmt: skip
PARKS: Final = [
    Feature(1, "Lindenpark", "park", 42, [(-2300, 1700), (-1200, 1900), (-1000, 2900), (-1900, 3300), (-2500, 2600)]),
    Feature(2, "Strand Gardens", "park", 18, [(-4200, -600), (-3300, -800), (-2900, -300), (-3700, 100)]),
    Feature(3, "Mill Meadows", "park", 31, [(2300, 1700), (3500, 1500), (3900, 2600), (2700, 2900)]),
    Feature(4, "Castle Hill", "park", 12, [(-600, 300), (0, 250), (150, 800), (-450, 950)]),
]
STREETS: Final = [
    Feature(1, "Coast Road", "main", 4, [(-6000, -700), (-4200, -300), (-2800, -150), (-1000, -350), (-100, -250), (900, -500), (2200, -1500), (3600, -1300), (6000, -1500)]),
    Feature(2, "North Avenue", "main", 4, [(-1000, -350), (-900, 600), (-1100, 1700), (-800, 3000), (-900, 4500)]),
    Feature(3, "Ring", "main", 6, [(-4600, 4500), (-4200, 2400), (-2600, 1400), (-900, 1350), (900, 1500), (2400, 1100), (3900, 900), (6000, 1500)]),
    Feature(4, "East Street", "minor", 2, [(900, -500), (1500, 500), (2400, 1100), (3000, 3200), (2900, 4500)]),
    Feature(5, "Mill Lane", "minor", 2, [(-2600, 1400), (-3000, 2600), (-2800, 4500)]),
    Feature(6, "Station Road", "minor", 2, [(-2800, -150), (-2500, 600), (-2600, 1400)]),
    Feature(7, "Quay", "minor", 2, [(2200, -1500), (2900, -700), (3900, 900), (4300, 2500), (4200, 4500)]),
    Feature(8, "Field Way", "minor", 2, [(-6000, 1300), (-4200, 2400), (-3000, 2600), (-1100, 1700)]),
]  # fmt: skip
PLACES: Final = [
    Feature(1, "City Hall", "office", 310, [(-850, -30)]),
    Feature(2, "Harbour Office", "office", 45, [(1300, -1150)]),
    Feature(3, "Waterworks", "utility", 60, [(1250, 2650)]),
    Feature(4, "Substation West", "utility", 9, [(-4500, 900)]),
    Feature(5, "Substation East", "utility", 9, [(4700, 600)]),
    Feature(6, "Grammar School", "school", 780, [(-1750, 600)]),
    Feature(7, "Eastbank School", "school", 540, [(3400, 350)]),
    Feature(8, "St. Anne's Hospital", "hospital", 1250, [(-1500, 3800)]),
    Feature(9, "Fire Station", "utility", 70, [(250, 1750)]),
    Feature(10, "Lighthouse", "landmark", 1, [(-150, -3650)]),
    Feature(11, "Museum", "landmark", 24, [(-300, 620)]),
    Feature(12, "Railway Station", "landmark", 130, [(-2450, 450)]),
]

LAYERS: Final[list[tuple[str, str, list[Feature]]]] = [
    ("Places", "esriGeometryPoint", PLACES),
    ("Streets", "esriGeometryPolyline", STREETS),
    ("Parks", "esriGeometryPolygon", PARKS),
    ("Districts", "esriGeometryPolygon", DISTRICTS),
]


def to_mercator(point: Point) -> Point:
    """The town's own metres to Web Mercator."""
    return point[0] + ORIGIN[0], point[1] + ORIGIN[1]


def to_degrees(point: Point) -> Point:
    """Web Mercator to longitude and latitude."""
    return degrees(point[0] / _RADIUS), degrees(2 * atan(exp(point[1] / _RADIUS)) - pi / 2)


def from_degrees(point: Point) -> Point:
    """Longitude and latitude to Web Mercator."""
    return radians(point[0]) * _RADIUS, log(tan(pi / 4 + radians(point[1]) / 2)) * _RADIUS


def full_extent() -> dict[str, Any]:
    """The town's extent as ArcGIS writes it."""
    (xmin, ymin), (xmax, ymax) = to_mercator(EXTENT[:2]), to_mercator(EXTENT[2:])
    return {"xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax, "spatialReference": spatial_reference()}


def spatial_reference() -> dict[str, int]:
    return {"wkid": WKID, "latestWkid": 3857}


def centre(shape: list[Point]) -> Point:
    """Where a label stands."""
    return sum(p[0] for p in shape) / len(shape), sum(p[1] for p in shape) / len(shape)

"""The Web Mercator tiling scheme that cached services share. Pure."""

from typing import Any, Final

from proxy.simulator import geography as town

DEEPEST: Final = 19
HALF_WORLD: Final = 20037508.342787
_DPI: Final = 96
_INCHES: Final = 39.37  # to a metre, as ArcGIS reckons scales


def extent_of(level: int, row: int, column: int) -> tuple[float, float, float, float]:
    """xmin, ymin, xmax, ymax of a tile in Web Mercator."""
    width = 2 * HALF_WORLD / 2**level
    xmin, ymax = -HALF_WORLD + column * width, HALF_WORLD - row * width
    return xmin, ymax - width, xmin + width, ymax


def tile_info(pixels: int, form: str) -> dict[str, Any]:
    """The scheme as ArcGIS describes it, for tiles of that many pixels."""
    resolutions = [2 * HALF_WORLD / pixels / 2**level for level in range(DEEPEST + 1)]
    return {
        "rows": pixels,
        "cols": pixels,
        "dpi": _DPI,
        "format": form,
        "compressionQuality": 0,
        "origin": {"x": -HALF_WORLD, "y": HALF_WORLD},
        "spatialReference": town.spatial_reference(),
        "lods": [
            {"level": level, "resolution": resolution, "scale": resolution * _DPI * _INCHES}
            for level, resolution in enumerate(resolutions)
        ],
    }

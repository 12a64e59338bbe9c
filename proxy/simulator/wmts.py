"""WMTS below `…/MapServer/WMTS`, as ArcGIS Server answers it: capabilities with absolute links, and tiles.
Who may ask is decided in `rest.py`."""

from typing import Final
from xml.sax.saxutils import escape

from proxy.simulator import geography as town
from proxy.simulator.tiling import HALF_WORLD

LEVELS: Final = range(19)
_TILE: Final = 256
_SCALE_OF_LEVEL_0: Final = 559082264.0287178
_SPACES: Final = (
    'xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1" '
    'xmlns:xlink="http://www.w3.org/1999/xlink"'
)
_LAYER: Final = "Secure_City"


def capabilities(root: str) -> str:
    """The document; `root` is the map service's own URL."""
    wmts = escape(f"{root}/WMTS")
    described = f"{wmts}/1.0.0/WMTSCapabilities.xml"
    operations = _operation("GetCapabilities", described, wmts) + _operation("GetTile", f"{wmts}/tile/1.0.0/", wmts)
    template = f"{wmts}/tile/1.0.0/{_LAYER}/{{Style}}/{{TileMatrixSet}}/{{TileMatrix}}/{{TileRow}}/{{TileCol}}"
    extent = town.full_extent()
    lower, upper = town.to_degrees((extent["xmin"], extent["ymin"])), town.to_degrees((extent["xmax"], extent["ymax"]))
    box = "<ows:{0}>{1[0]} {1[1]}</ows:{0}>".format("LowerCorner", lower)
    box += "<ows:{0}>{1[0]} {1[1]}</ows:{0}>".format("UpperCorner", upper)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Capabilities {_SPACES} version="1.0.0">'
        "<ows:ServiceIdentification><ows:Title>Secure_City</ows:Title><ows:ServiceType>OGC WMTS</ows:ServiceType>"
        "<ows:ServiceTypeVersion>1.0.0</ows:ServiceTypeVersion></ows:ServiceIdentification>"
        f"<ows:OperationsMetadata>{operations}</ows:OperationsMetadata><Contents><Layer><ows:Title>{_LAYER}</ows:Title>"
        f"<ows:WGS84BoundingBox>{box}</ows:WGS84BoundingBox><ows:Identifier>{_LAYER}</ows:Identifier>"
        '<Style isDefault="true"><ows:Title>Default Style</ows:Title><ows:Identifier>default</ows:Identifier></Style>'
        "<Format>image/png</Format><TileMatrixSetLink><TileMatrixSet>GoogleMapsCompatible</TileMatrixSet>"
        f'</TileMatrixSetLink><ResourceURL format="image/png" resourceType="tile" template="{template}"/></Layer>'
        "<TileMatrixSet><ows:Identifier>GoogleMapsCompatible</ows:Identifier>"
        "<ows:SupportedCRS>urn:ogc:def:crs:EPSG:6.18.3:3857</ows:SupportedCRS>"
        "<WellKnownScaleSet>urn:ogc:def:wkss:OGC:1.0:GoogleMapsCompatible</WellKnownScaleSet>"
        f"{''.join(map(_matrix, LEVELS))}</TileMatrixSet></Contents>"
        f'<ServiceMetadataURL xlink:href="{described}"/></Capabilities>'
    )


def is_capabilities(parts: list[str], parameters: dict[str, str]) -> bool:
    """Whether the document is asked for, by path or by parameters."""
    return parts == ["1.0.0", "wmtscapabilities.xml"] or (not parts and _asked(parameters) == "getcapabilities")


def tile(parts: list[str], parameters: dict[str, str]) -> tuple[int, int, int] | None:
    """Level, row and column: of `tile/1.0.0/<layer>/<style>/<set>/<level>/<row>/<column>`, or by parameters."""
    if not parts and _asked(parameters) == "gettile":
        folded = {name.lower(): value for name, value in parameters.items()}
        numbers = [folded.get(name, "") for name in ("tilematrix", "tilerow", "tilecol")]
    else:
        numbers = [part.removesuffix(".png") for part in parts[-3:]] if len(parts) == 8 else []
    if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
        return None
    return int(numbers[0]), int(numbers[1]), int(numbers[2])


def _asked(parameters: dict[str, str]) -> str:
    return next((value.lower() for name, value in parameters.items() if name.lower() == "request"), "")


def _operation(name: str, restful: str, kvp: str) -> str:
    ways = "".join(
        f'<ows:Get xlink:href="{link}"><ows:Constraint name="GetEncoding"><ows:AllowedValues><ows:Value>{way}'
        "</ows:Value></ows:AllowedValues></ows:Constraint></ows:Get>"
        for link, way in ((restful, "RESTful"), (f"{kvp}?", "KVP"))
    )
    return f'<ows:Operation name="{name}"><ows:DCP><ows:HTTP>{ways}</ows:HTTP></ows:DCP></ows:Operation>'


def _matrix(level: int) -> str:
    return (
        f"<TileMatrix><ows:Identifier>{level}</ows:Identifier>"
        f"<ScaleDenominator>{_SCALE_OF_LEVEL_0 / 2**level}</ScaleDenominator>"
        f"<TopLeftCorner>-{HALF_WORLD} {HALF_WORLD}</TopLeftCorner><TileWidth>{_TILE}</TileWidth>"
        f"<TileHeight>{_TILE}</TileHeight><MatrixWidth>{2**level}</MatrixWidth><MatrixHeight>{2**level}</MatrixHeight>"
        "</TileMatrix>"
    )

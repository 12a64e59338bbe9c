"""WMS and WFS below `/services/…/WMSServer` and `WFSServer`, as far as map clients go: capabilities with absolute
links, and real pictures. Who may ask is decided in `server.py`."""

from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

from aiohttp import web

from proxy.simulator import geography as town
from proxy.simulator import layers
from proxy.simulator.answers import service_exception
from proxy.simulator.draw import map_png
from proxy.simulator.geography import LAYERS
from proxy.simulator.site import Asked, Site

SERVERS: Final = ("wmsserver", "wfsserver")
_XLINK: Final = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
_SCHEMA: Final = (
    '<?xml version="1.0" encoding="UTF-8"?><xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' elementFormDefault="qualified"/>'
)
_DEGREES: Final = ("EPSG:4326", "CRS:84")


def answer(site: Site, asked: Asked, parts: list[str]) -> web.Response:
    """`/services/<folder>/<name>/<type>/WMSServer` or `WFSServer`."""
    parameters = asked.folded
    url = f"{site.url}/services/{'/'.join(parts)}"
    link = f"{url}?token={quote(asked.token)}&" if site.options.echoes_token and asked.token else f"{url}?"
    match (parts[-1].lower(), parameters.get("request", "").lower()):
        case ("wmsserver", "getcapabilities"):
            return _xml(_wms(link))
        case ("wmsserver", "getmap"):
            return _map(parameters)
        case ("wfsserver", "getcapabilities"):
            return _xml(_wfs(link))
        case ("wfsserver", "describefeaturetype"):
            return _xml(_SCHEMA)
        case ("wfsserver", "getfeature"):
            return _features(parameters)
        case _:
            return _xml(service_exception("Operation not supported"))


def _map(parameters: dict[str, str]) -> web.Response:
    try:
        numbers = [float(part) for part in parameters.get("bbox", "").split(",")]
        x1, y1, x2, y2 = numbers
        size = int(parameters["width"]), int(parameters["height"])
    except (KeyError, ValueError):
        return _xml(service_exception("BBOX, WIDTH and HEIGHT must be specified"))
    reference = (parameters.get("crs") or parameters.get("srs") or "EPSG:3857").upper()
    if reference == "EPSG:4326" and parameters.get("version", "1.3.0") == "1.3.0":
        x1, y1, x2, y2 = y1, x1, y2, x2  # WMS 1.3.0, section 6.7.3.2: latitude comes first
    if reference in _DEGREES:
        (x1, y1), (x2, y2) = town.from_degrees((x1, y1)), town.from_degrees((x2, y2))
    if not (x1 < x2 and y1 < y2 and min(size) > 0 and max(size) <= 2048):
        return _xml(service_exception("The BBOX or the size is not valid"))
    asked = [int(name) for name in parameters.get("layers", "").split(",") if name.isdecimal()]
    shown = frozenset(asked) or frozenset(range(len(LAYERS)))
    is_transparent = parameters.get("transparent", "").lower() == "true"
    return web.Response(
        body=map_png((x1, y1, x2, y2), size, shown, is_transparent=is_transparent), content_type="image/png"
    )


def _features(parameters: dict[str, str]) -> web.Response:
    """As GeoJSON alone, which ArcGIS Server gives since 10.6.1."""
    names = [row[0] for row in LAYERS]
    wanted = (parameters.get("typenames") or parameters.get("typename") or "").partition(":")[2]
    if wanted not in names or parameters.get("outputformat", "").upper() != "GEOJSON":
        return _xml(service_exception("TYPENAMES or OUTPUTFORMAT is not valid"))
    return web.json_response(layers.query(names.index(wanted), {"f": "geojson", "where": "1=1"}))


def _wms(link: str) -> str:
    resource = f'<OnlineResource {_XLINK} xlink:type="simple" xlink:href="{escape(link)}"/>'
    get = f"<DCPType><HTTP><Get>{resource}</Get></HTTP></DCPType>"
    extent = town.full_extent()
    box = f'minx="{extent["xmin"]}" miny="{extent["ymin"]}" maxx="{extent["xmax"]}" maxy="{extent["ymax"]}"'
    legend = f'<OnlineResource {_XLINK} xlink:type="simple" xlink:href="{escape(link)}request=GetLegendGraphic"/>'
    style = (
        '<Style><Name>default</Name><Title>default</Title><LegendURL width="20" height="20"><Format>image/png</Format>'
        f"{legend}</LegendURL></Style>"
    )
    named = "".join(
        f'<Layer queryable="1"><Name>{i}</Name><Title>{row[0]}</Title><CRS>EPSG:3857</CRS><CRS>EPSG:4326</CRS>'
        f"{_around()}{style}</Layer>"
        for i, row in enumerate(LAYERS)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><WMS_Capabilities version="1.3.0" xmlns="http://www.opengis.net/wms">'
        f"<Service><Name>WMS</Name><Title>City</Title>{resource}</Service><Capability><Request>"
        f"<GetCapabilities><Format>text/xml</Format>{get}</GetCapabilities>"
        f"<GetMap><Format>image/png</Format>{get}</GetMap></Request><Exception><Format>XML</Format></Exception>"
        f"<Layer><Title>Havenport</Title><CRS>EPSG:3857</CRS><CRS>EPSG:4326</CRS>{_around()}"
        f'<BoundingBox CRS="EPSG:3857" {box}/>{named}</Layer></Capability></WMS_Capabilities>'
    )


def _around() -> str:
    extent = town.full_extent()
    west, south = town.to_degrees((extent["xmin"], extent["ymin"]))
    east, north = town.to_degrees((extent["xmax"], extent["ymax"]))
    return (
        f"<EX_GeographicBoundingBox><westBoundLongitude>{west}</westBoundLongitude><eastBoundLongitude>{east}"
        f"</eastBoundLongitude><southBoundLatitude>{south}</southBoundLatitude><northBoundLatitude>{north}"
        "</northBoundLatitude></EX_GeographicBoundingBox>"
    )


def _wfs(link: str) -> str:
    ways = f'<ows:Get xlink:href="{escape(link)}"/><ows:Post xlink:href="{escape(link)}"/>'
    operations = "".join(
        f'<ows:Operation name="{name}"><ows:DCP><ows:HTTP>{ways}</ows:HTTP></ows:DCP></ows:Operation>'
        for name in ("GetCapabilities", "DescribeFeatureType", "GetFeature")
    )
    types = "".join(
        f"<FeatureType><Name>City:{row[0]}</Name><Title>{row[0]}</Title><DefaultCRS>urn:ogc:def:crs:EPSG:6.9:3857"
        "</DefaultCRS><OutputFormats><Format>GML32</Format><Format>GEOJSON</Format></OutputFormats></FeatureType>"
        for row in LAYERS
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><wfs:WFS_Capabilities version="2.0.0" '
        f'xmlns="http://www.opengis.net/wfs/2.0" xmlns:wfs="http://www.opengis.net/wfs/2.0" '
        f'xmlns:City="{escape(link.partition("?")[0])}" xmlns:ows="http://www.opengis.net/ows/1.1" {_XLINK}>'
        "<ows:ServiceIdentification><ows:Title>City</ows:Title><ows:ServiceType>WFS</ows:ServiceType>"
        "<ows:ServiceTypeVersion>2.0.0</ows:ServiceTypeVersion></ows:ServiceIdentification>"
        f"<ows:OperationsMetadata>{operations}</ows:OperationsMetadata>"
        f"<FeatureTypeList>{types}</FeatureTypeList></wfs:WFS_Capabilities>"
    )


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/xml")

"""The layers as ArcGIS describes and queries them: metadata, renderers, features. Pure: values in, values out."""

import json
import re
from typing import Any, Final

from proxy.simulator import geography as town
from proxy.simulator.draw import DISTRICT_FILLS, MAIN, MINOR, PARK, PLACE_FILLS
from proxy.simulator.geography import LAYERS, Feature, Point

FIELDS: Final[list[dict[str, Any]]] = [
    {"name": "OBJECTID", "type": "esriFieldTypeOID", "alias": "OBJECTID", "nullable": False, "editable": False},
    {"name": "NAME", "type": "esriFieldTypeString", "alias": "Name", "length": 64, "nullable": True, "editable": True},
    {"name": "KIND", "type": "esriFieldTypeString", "alias": "Kind", "length": 16, "nullable": True, "editable": True},
    {"name": "VALUE", "type": "esriFieldTypeInteger", "alias": "Value", "nullable": True, "editable": True},
]
_WHERE: Final = re.compile(r"\s*(\w+)\s*(=|<>|>=|<=|>|<|LIKE|IN)\s*(.+?)\s*", re.IGNORECASE | re.DOTALL)


# What all layers of all releases say
_CONSTANT: Final[dict[str, Any]] = {
    "type": "Feature Layer",
    "sourceSpatialReference": town.spatial_reference(),
    "copyrightText": "",
    "parentLayer": None,
    "subLayers": [],
    "minScale": 0,
    "maxScale": 0,
    "defaultVisibility": True,
    "extent": town.full_extent(),
    "htmlPopupType": "esriServerHTMLPopupTypeAsHTMLText",
    "displayField": "NAME",
    "typeIdField": None,
    "objectIdField": "OBJECTID",
    "globalIdField": "",
    "fields": FIELDS,
    "indexes": [],
    "relationships": [],
    "canModifyLayer": False,
    "maxRecordCount": 1000,
    "supportsStatistics": True,
    "supportsAdvancedQueries": True,
    "supportedQueryFormats": "JSON, geoJSON, PBF",
    "hasZ": False,
    "hasM": False,
    "allowGeometryUpdates": True,
    "advancedQueryCapabilities": {
        "supportsPagination": True,
        "supportsQuantization": True,
        "supportsOrderBy": True,
        "supportsDistinct": False,
        "supportsStatistics": False,
        "supportsReturningQueryExtent": True,
        "supportsQueryWithDistance": False,
        "supportsSqlExpression": False,
    },
    "supportsCoordinatesQuantization": True,
    "useStandardizedQueries": True,
    "templates": [],
    "types": [],
}


def layer_metadata(layer: int, version: float, *, is_editable: bool) -> dict[str, Any]:
    """`…/MapServer/{id}` or `…/FeatureServer/{id}`."""
    name, geometry, _ = LAYERS[layer]
    return {
        "currentVersion": version,
        "id": layer,
        "name": name,
        "description": f"{name} of Havenport",
        "geometryType": geometry,
        "hasAttachments": layer == 0,
        "drawingInfo": {"renderer": renderer(layer), "transparency": 0, "labelingInfo": None},
        "capabilities": "Query,Create,Update,Delete,Editing" if is_editable else "Map,Query,Data",
        **_CONSTANT,
    }


def renderer(layer: int) -> dict[str, Any]:
    """How the layer's own picture draws it, so that a client that draws features shows the same."""
    line = {"type": "esriSLS", "style": "esriSLSSolid", "color": [255, 255, 255, 255], "width": 1}
    if layer == 0:
        infos = [
            {"value": kind, "label": kind.title(), "symbol": {
                "type": "esriSMS", "style": "esriSMSCircle", "color": [*fill, 255], "size": 9, "angle": 0,
                "xoffset": 0, "yoffset": 0, "outline": {**line, "width": 1.5}}}
            for kind, fill in PLACE_FILLS.items()
        ]  # fmt: skip
    elif layer == 1:
        infos = [
            {"value": kind, "label": kind.title(), "symbol": {**line, "color": [*fill, 255], "width": width}}
            for kind, fill, width in (("main", MAIN, 4), ("minor", MINOR, 2.5))
        ]
    else:
        fill = PARK if layer == 2 else DISTRICT_FILLS[0]
        symbol = {"type": "esriSFS", "style": "esriSFSSolid", "color": [*fill, 200], "outline": line}
        return {"type": "simple", "symbol": symbol, "label": "", "description": ""}
    return {"type": "uniqueValue", "field1": "KIND", "field2": None, "field3": None, "uniqueValueInfos": infos}


def attributes(feature: Feature) -> dict[str, Any]:
    return {"OBJECTID": feature.oid, "NAME": feature.name, "KIND": feature.kind, "VALUE": feature.value}


def geometry_of(layer: int, feature: Feature, *, in_degrees: bool = False) -> dict[str, Any]:
    """The feature's shape as Esri JSON, in Web Mercator or degrees."""
    points = [town.to_mercator(point) for point in feature.shape]
    if in_degrees:
        points = [town.to_degrees(point) for point in points]
    kind = LAYERS[layer][1]
    if kind == "esriGeometryPoint":
        return {"x": points[0][0], "y": points[0][1]}
    if kind == "esriGeometryPolyline":
        return {"paths": [points]}
    return {"rings": [[*_clockwise(points), _clockwise(points)[0]]]}


def query(layer: int, parameters: dict[str, str]) -> dict[str, Any]:
    """`…/{id}/query`, f=json or geojson. Knows 1=1, simple comparisons, objectIds, envelopes, paging and counts."""
    found = [feature for feature in LAYERS[layer][2] if _is_wanted(feature, parameters)]
    if _is_true(parameters, "returnCountOnly"):
        return {"count": len(found)}
    if _is_true(parameters, "returnIdsOnly"):
        return {"objectIdFieldName": "OBJECTID", "objectIds": [feature.oid for feature in found]}
    if _is_true(parameters, "returnExtentOnly"):
        return {"count": len(found), "extent": town.full_extent()}
    offset, count = int(parameters.get("resultOffset") or 0), int(parameters.get("resultRecordCount") or 1000)
    page = found[offset : offset + count]
    in_degrees = "4326" in parameters.get("outSR", "") or parameters.get("f") == "geojson"
    if parameters.get("f") == "geojson":
        return {"type": "FeatureCollection", "features": [_geojson(layer, feature) for feature in page]}
    has_geometry = parameters.get("returnGeometry", "true").lower() != "false"
    rows: list[dict[str, Any]] = []
    for feature in page:
        row: dict[str, Any] = {"attributes": attributes(feature)}
        if has_geometry:
            row["geometry"] = geometry_of(layer, feature, in_degrees=in_degrees)
        rows.append(row)
    return {
        "objectIdFieldName": "OBJECTID",
        "globalIdFieldName": "",
        "displayFieldName": "NAME",
        "geometryType": LAYERS[layer][1],
        "spatialReference": {"wkid": 4326} if in_degrees else town.spatial_reference(),
        "fields": FIELDS,
        "features": rows,
        "exceededTransferLimit": offset + count < len(found),
    }


def touched(point: Point, tolerance: float) -> list[tuple[int, Feature]]:
    """The features at a point (Web Mercator), nearest layer first; `tolerance` in metres."""
    found: list[tuple[int, Feature]] = []
    for layer, (_, kind, features) in enumerate(LAYERS):
        for feature in features:
            shape = [town.to_mercator(corner) for corner in feature.shape]
            near = min(_distance(point, a, b) for a, b in zip(shape, [*shape[1:], shape[-1]], strict=True))
            if near <= tolerance or (kind.endswith("Polygon") and _is_inside(point, shape)):
                found.append((layer, feature))
    return found


def _is_wanted(feature: Feature, parameters: dict[str, str]) -> bool:
    ids = parameters.get("objectIds", "")
    if ids and str(feature.oid) not in [each.strip() for each in ids.split(",")]:
        return False
    is_degrees = "4326" in parameters.get("inSR", "")
    geometry = parameters.get("geometry", "")
    return _fits_where(feature, parameters.get("where", "")) and _fits_box(feature, geometry, is_degrees=is_degrees)


def _fits_where(feature: Feature, where: str) -> bool:
    match = _WHERE.fullmatch(where)
    if match is None or match[1].upper() not in ("OBJECTID", "NAME", "KIND", "VALUE"):
        return True
    value = attributes(feature)[match[1].upper()]
    asked = [part.strip().strip("'") for part in match[3].strip("()").split(",")]
    operator = match[2].upper()
    if operator in ("=", "IN"):
        return str(value) in asked
    if operator == "<>":
        return str(value) != asked[0]
    if operator == "LIKE":
        return asked[0].strip("%").lower() in str(value).lower()
    number = float(asked[0])
    return bool({">": value > number, "<": value < number, ">=": value >= number, "<=": value <= number}[operator])


def _fits_box(feature: Feature, geometry: str, *, is_degrees: bool) -> bool:
    if not geometry:
        return True
    try:
        box = json.loads(geometry) if geometry.lstrip().startswith("{") else None
        xmin, ymin, xmax, ymax = (
            (box["xmin"], box["ymin"], box["xmax"], box["ymax"]) if box else map(float, geometry.split(","))
        )
    except (ValueError, KeyError):
        return True
    if is_degrees:
        (xmin, ymin), (xmax, ymax) = town.from_degrees((xmin, ymin)), town.from_degrees((xmax, ymax))
    xs, ys = zip(*(town.to_mercator(point) for point in feature.shape), strict=True)
    return bool(min(xs) <= xmax and max(xs) >= xmin and min(ys) <= ymax and max(ys) >= ymin)


def _geojson(layer: int, feature: Feature) -> dict[str, Any]:
    shape = geometry_of(layer, feature, in_degrees=True)
    if "x" in shape:
        geometry: dict[str, Any] = {"type": "Point", "coordinates": [shape["x"], shape["y"]]}
    elif "paths" in shape:
        geometry = {"type": "LineString", "coordinates": shape["paths"][0]}
    else:
        geometry = {"type": "Polygon", "coordinates": [list(reversed(shape["rings"][0]))]}
    return {"type": "Feature", "id": feature.oid, "geometry": geometry, "properties": attributes(feature)}


def _is_true(parameters: dict[str, str], name: str) -> bool:
    return parameters.get(name, "").lower() == "true"


def _clockwise(ring: list[Point]) -> list[Point]:
    """Esri's outer rings run clockwise."""
    doubled = sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))
    return ring if doubled > 0 else list(reversed(ring))


def _distance(p: Point, a: Point, b: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    t = 0.0 if not length else max(0.0, min(1.0, ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length))
    return float(((p[0] - a[0] - t * dx) ** 2 + (p[1] - a[1] - t * dy) ** 2) ** 0.5)


def _is_inside(p: Point, ring: list[Point]) -> bool:
    inside = False
    for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
        if (a[1] > p[1]) != (b[1] > p[1]) and p[0] < (b[0] - a[0]) * (p[1] - a[1]) / (b[1] - a[1]) + a[0]:
            inside = not inside
    return inside

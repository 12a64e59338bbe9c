"""`f=pbf`: a query's answer as Esri's FeatureCollectionPBuffer, encoded by hand.

Source: the message definitions that Esri publishes as arcgis-pbf. Only what the layers here need.
"""

import json
from typing import Any, Final

from proxy.simulator import geography as town
from proxy.simulator.protobuf import double, message, number, packed, text, zigzag

_GEOMETRIES: Final = {"esriGeometryPoint": 0, "esriGeometryPolyline": 2, "esriGeometryPolygon": 3}
_FIELDS: Final = {"esriFieldTypeInteger": 1, "esriFieldTypeString": 4, "esriFieldTypeOID": 6}
_FINE: Final = 0.01  # metres, where the client asks for no tolerance of its own


def encode(answer: dict[str, Any], quantization: str) -> bytes:
    """The answer of `layers.query` as protobuf; `quantization` is the request's quantizationParameters."""
    if "features" in answer:
        result = message(1, _features(answer, quantization))
    elif "objectIds" in answer:
        ids = packed(3, answer["objectIds"])
        result = message(3, text(1, answer["objectIdFieldName"]) + ids)
    elif "extent" in answer:
        result = message(4, message(1, _envelope(answer["extent"])) + number(2, answer["count"]))
    else:
        result = message(2, number(1, answer["count"]))
    return text(1, "1") + message(2, result)


def _features(answer: dict[str, Any], quantization: str) -> bytes:
    scale, left, top = _grid(quantization)
    transform = message(2, double(1, scale) + double(2, scale)) + message(3, double(1, left) + double(2, top))
    reference = answer["spatialReference"]
    out = [
        text(1, answer["objectIdFieldName"]),
        message(2, text(1, answer["objectIdFieldName"]) + number(2, 1)),
        number(7, _GEOMETRIES[answer["geometryType"]]),
        message(8, number(1, reference["wkid"]) + number(2, reference.get("latestWkid", reference["wkid"]))),
        number(9, int(answer["exceededTransferLimit"])),
        message(12, number(1, 0) + transform),
    ]
    for field in answer["fields"]:
        described = text(1, field["name"]) + number(2, _FIELDS[field["type"]]) + text(3, field["alias"])
        out.append(message(13, described))
    for feature in answer["features"]:
        values = b"".join(message(1, _value(feature["attributes"][field["name"]])) for field in answer["fields"])
        shape = message(2, _geometry(feature["geometry"], scale, left, top)) if "geometry" in feature else b""
        out.append(message(15, values + shape))
    return b"".join(out)


def _grid(quantization: str) -> tuple[float, float, float]:
    """The size of a step and the upper left corner that coordinates are counted from."""
    extent: dict[str, Any] = town.full_extent()
    scale = _FINE
    if quantization:
        asked = json.loads(quantization)
        extent, scale = asked.get("extent", extent), float(asked.get("tolerance") or _FINE)
    return scale, float(extent["xmin"]), float(extent["ymax"])


def _geometry(shape: dict[str, Any], scale: float, left: float, top: float) -> bytes:
    parts = [[(shape["x"], shape["y"])]] if "x" in shape else shape.get("paths") or shape["rings"]
    steps: list[int] = []
    for part in parts:
        column = row = 0
        for x, y in part:
            # whole steps from the corner, downwards; each point counted from the one before
            at = round((x - left) / scale), round((top - y) / scale)
            steps += [at[0] - column, at[1] - row]
            column, row = at
    lengths = b"" if "x" in shape else packed(2, map(len, parts))
    return lengths + packed(3, map(zigzag, steps))


def _value(value: object) -> bytes:
    if isinstance(value, int):
        return number(4, zigzag(value))
    return text(1, str(value))


def _envelope(extent: dict[str, Any]) -> bytes:
    corners = (extent["xmin"], extent["ymin"], extent["xmax"], extent["ymax"])
    reference = number(1, extent["spatialReference"]["wkid"])
    return b"".join(double(field, corner) for field, corner in enumerate(corners, 1)) + message(5, reference)

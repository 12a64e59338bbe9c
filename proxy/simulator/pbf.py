"""`f=pbf`: a query's answer as Esri's FeatureCollectionPBuffer, encoded by hand.

Source: the message definitions that Esri publishes as arcgis-pbf. Only what the layers here need.
"""

import json
import struct
from typing import Any, Final

from proxy.simulator import geography as town

_GEOMETRIES: Final = {"esriGeometryPoint": 0, "esriGeometryPolyline": 2, "esriGeometryPolygon": 3}
_FIELDS: Final = {"esriFieldTypeInteger": 1, "esriFieldTypeString": 4, "esriFieldTypeOID": 6}
_FINE: Final = 0.01  # metres, where the client asks for no tolerance of its own


def encode(answer: dict[str, Any], quantization: str) -> bytes:
    """The answer of `layers.query` as protobuf; `quantization` is the request's quantizationParameters."""
    if "features" in answer:
        result = _message(1, _features(answer, quantization))
    elif "objectIds" in answer:
        ids = b"".join(_varint(number) for number in answer["objectIds"])
        result = _message(3, _text(1, answer["objectIdFieldName"]) + _message(3, ids))
    elif "extent" in answer:
        result = _message(4, _message(1, _envelope(answer["extent"])) + _number(2, answer["count"]))
    else:
        result = _message(2, _number(1, answer["count"]))
    return _text(1, "1") + _message(2, result)


def _features(answer: dict[str, Any], quantization: str) -> bytes:
    scale, left, top = _grid(quantization)
    transform = _message(2, _double(1, scale) + _double(2, scale)) + _message(3, _double(1, left) + _double(2, top))
    reference = answer["spatialReference"]
    out = [
        _text(1, answer["objectIdFieldName"]),
        _message(2, _text(1, answer["objectIdFieldName"]) + _number(2, 1)),
        _number(7, _GEOMETRIES[answer["geometryType"]]),
        _message(8, _number(1, reference["wkid"]) + _number(2, reference.get("latestWkid", reference["wkid"]))),
        _number(9, int(answer["exceededTransferLimit"])),
        _message(12, _number(1, 0) + transform),
    ]
    for field in answer["fields"]:
        described = _text(1, field["name"]) + _number(2, _FIELDS[field["type"]]) + _text(3, field["alias"])
        out.append(_message(13, described))
    for feature in answer["features"]:
        values = b"".join(_message(1, _value(feature["attributes"][field["name"]])) for field in answer["fields"])
        shape = _message(2, _geometry(feature["geometry"], scale, left, top)) if "geometry" in feature else b""
        out.append(_message(15, values + shape))
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
    lengths = b"".join(_varint(len(part)) for part in parts)
    coordinates = b"".join(_varint(_zigzag(step)) for step in steps)
    return (b"" if "x" in shape else _message(2, lengths)) + _message(3, coordinates)


def _value(value: object) -> bytes:
    if isinstance(value, int):
        return _number(4, _zigzag(value))
    return _text(1, str(value))


def _envelope(extent: dict[str, Any]) -> bytes:
    corners = (extent["xmin"], extent["ymin"], extent["xmax"], extent["ymax"])
    reference = _number(1, extent["spatialReference"]["wkid"])
    return b"".join(_double(number, corner) for number, corner in enumerate(corners, 1)) + _message(5, reference)


def _zigzag(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _message(field, text.encode())

"""The map, feature and image services: what is answered once the token was found good."""

import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from aiohttp import web

from proxy.simulator import geography as town
from proxy.simulator import layers, pbf, wmts
from proxy.simulator.answers import json_answer
from proxy.simulator.draw import PLACE_FILLS, map_png, swatch_png
from proxy.simulator.geography import LAYERS
from proxy.simulator.options import Options
from proxy.simulator.tiling import extent_of, tile_info

TILE = 256


class Services:
    """The services of one simulated site. Edits are counted, and kept for nobody."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.edits: list[tuple[str, dict[str, str]]] = []
        self.attachments: list[bytes] = []

    @property
    def version(self) -> float:
        return self.options.version

    def map_server(
        self, root: str, rest: list[str], parameters: dict[str, str], *, is_cached: bool
    ) -> web.Response | None:
        """`…/MapServer/<rest>`; None where there is no such resource. `root` is the service's own URL."""
        match [part.lower() for part in rest]:
            case []:
                cache = {"singleFusedMapCache": True, "tileInfo": tile_info(TILE, "PNG")} if is_cached else {}
                return self._json(self._map_metadata(root) | cache, parameters)
            case ["layers"]:
                described = [layers.layer_metadata(i, self.version, is_editable=False) for i in range(len(LAYERS))]
                return self._json({"layers": described, "tables": []}, parameters)
            case ["legend"]:
                return self._json({"layers": [_legend(i) for i in range(len(LAYERS))]}, parameters)
            case ["export"]:
                return self._export(root, parameters)
            case ["identify"]:
                return self._json(_identify(parameters), parameters)
            case ["find"]:
                return self._json(_find(parameters), parameters)
            case ["wmts", *below] if wmts.is_capabilities(below, parameters):
                return web.Response(text=wmts.capabilities(root), content_type="application/xml")
            case ["wmts", *below] if place := wmts.tile(below, parameters):
                return _png(_tile(*place))
            case ["tile", level, row, column]:
                return _png(_tile(int(level), int(row), int(column)))
            case [number, "images", *_] if number.isdecimal():
                return _png(swatch_png(int(number)))
            case _:
                return self._layer(rest, parameters, is_editable=False)

    def feature_server(self, rest: list[str], parameters: dict[str, str], body: bytes) -> web.Response | None:
        """`…/FeatureServer/<rest>`."""
        match [part.lower() for part in rest]:
            case []:
                return self._json(self._feature_metadata(), parameters)
            case [_, "applyedits" | "addfeatures" | "updatefeatures" | "deletefeatures" as edit]:
                self.edits.append((edit, parameters))
                results = [{"objectId": 100 + len(self.edits), "success": True}]
                return self._json({"addResults": results, "updateResults": [], "deleteResults": []}, parameters)
            case [_, _, "addattachment"]:
                self.attachments.append(body)
                return self._json(
                    {"addAttachmentResult": {"objectId": len(self.attachments), "success": True}}, parameters
                )
            case [_, _, "attachments"]:
                infos = [{"id": 1, "contentType": "image/png", "size": len(swatch_png(0)), "name": "photo.png"}]
                return self._json({"attachmentInfos": infos}, parameters)
            case [_, _, "attachments", _]:
                return _png(swatch_png(0))
            case _:
                return self._layer(rest, parameters, is_editable=True)

    def image_server(self, root: str, rest: list[str], parameters: dict[str, str]) -> web.Response | None:
        """`…/ImageServer/<rest>`."""
        if [part.lower() for part in rest] == ["exportimage"]:
            return self._export(root, parameters)
        if not rest:
            described = {
                "currentVersion": self.version,
                "name": "Imagery",
                "extent": town.full_extent(),
                "bandCount": 3,
            }
            return self._json({**described, "pixelType": "U8", "capabilities": "Image,Metadata"}, parameters)
        return None

    def _layer(self, rest: list[str], parameters: dict[str, str], *, is_editable: bool) -> web.Response | None:
        if not rest or not rest[0].isdecimal() or int(rest[0]) >= len(LAYERS):
            return None
        layer = int(rest[0])
        match [part.lower() for part in rest[1:]]:
            case []:
                return self._json(layers.layer_metadata(layer, self.version, is_editable=is_editable), parameters)
            case ["query"] if parameters.get("f") == "pbf":
                body = pbf.encode(layers.query(layer, parameters), parameters.get("quantizationParameters", ""))
                return web.Response(body=body, content_type="application/x-protobuf")
            case ["query"]:
                return self._json(layers.query(layer, parameters), parameters)
            case _:
                return None

    def _json(self, document: Any, parameters: dict[str, str]) -> web.Response:
        return json_answer(document, self.options, parameters)

    def _export(self, root: str, parameters: dict[str, str]) -> web.Response:
        bbox, size = _box(parameters), _size(parameters)
        picture = map_png(bbox, size, _shown(parameters), is_transparent=parameters.get("transparent") == "true")
        if parameters.get("f") == "image":
            return _png(picture)
        context = self.options.context
        site = root.partition(f"{context}/")[0] + context
        query = "&".join(f"{name}={parameters[name]}" for name in ("bbox", "size", "layers") if name in parameters)
        href = f"{site}/rest/directories/arcgisoutput/City_MapServer/{urlsafe_b64encode(query.encode()).decode()}.png"
        extent = dict(zip(("xmin", "ymin", "xmax", "ymax"), bbox, strict=True))
        answer = {"href": href, "width": size[0], "height": size[1], "scale": 50000}
        return self._json({**answer, "extent": {**extent, "spatialReference": town.spatial_reference()}}, parameters)

    def _map_metadata(self, root: str) -> dict[str, Any]:
        described = {
            "currentVersion": self.version,
            "serviceDescription": "Havenport, a town that does not exist",
            "mapName": "City",
            "description": "",
            "copyrightText": "",
            "supportsDynamicLayers": False,
            "layers": [_layer_entry(i) for i in range(len(LAYERS))],
            "tables": [],
            "spatialReference": town.spatial_reference(),
            "singleFusedMapCache": False,
            "initialExtent": town.full_extent(),
            "fullExtent": town.full_extent(),
            "minScale": 0,
            "maxScale": 0,
            "units": "esriMeters",
            "supportedImageFormatTypes": "PNG32,PNG24,PNG,JPG",
            "documentInfo": {"Title": "City", "Author": "", "Comments": ""},
            "capabilities": "Map,Query,Data",
            "supportedQueryFormats": "JSON, geoJSON",
            "exportTilesAllowed": False,
            "maxRecordCount": 1000,
            "maxImageHeight": 4096,
            "maxImageWidth": 4096,
            "supportedExtensions": "",
        }
        return {**described, "tileServers": [f"{root}/tileserver"]} if self.options.leaks else described

    def _feature_metadata(self) -> dict[str, Any]:
        described = {
            "currentVersion": self.version,
            "serviceDescription": "",
            "hasVersionedData": False,
            "maxRecordCount": 1000,
            "supportedQueryFormats": "JSON",
            "capabilities": "Query,Create,Update,Delete,Editing",
            "spatialReference": town.spatial_reference(),
            "initialExtent": town.full_extent(),
            "fullExtent": town.full_extent(),
            "allowGeometryUpdates": True,
            "units": "esriMeters",
            "layers": [{**_layer_entry(i), "type": "Feature Layer"} for i in range(len(LAYERS))],
            "tables": [],
        }
        return {**described, "preferredHost": "direct.example"} if self.options.leaks else described


def output_png(name: str) -> bytes | None:
    """The picture behind an `href` of `export?f=json`; its name says what is on it."""
    try:
        text = urlsafe_b64decode(name.removesuffix(".png")).decode()
        parameters = dict(pair.split("=", 1) for pair in text.split("&") if pair)
        return map_png(_box(parameters), _size(parameters), _shown(parameters))
    except ValueError:
        return None


def _png(picture: bytes) -> web.Response:
    return web.Response(body=picture, content_type="image/png", headers={"Cache-Control": "max-age=60"})


def _layer_entry(layer: int) -> dict[str, Any]:
    name, kind, _ = LAYERS[layer]
    entry = {"id": layer, "name": name, "parentLayerId": -1, "defaultVisibility": True, "subLayerIds": None}
    return {**entry, "minScale": 0, "maxScale": 0, "type": "Feature Layer", "geometryType": kind}


def _legend(layer: int) -> dict[str, Any]:
    labels = [kind.title() for kind in PLACE_FILLS] if layer == 0 else ["Main", "Minor"] if layer == 1 else [""]
    entries = [
        {
            "label": label,
            "url": f"{layer:02d}{index:030x}",
            "imageData": b64encode(swatch_png(layer, index)).decode(),
            "contentType": "image/png",
            "height": 20,
            "width": 20,
            "values": [label.lower()] if label else [],
        }
        for index, label in enumerate(labels)
    ]
    name = LAYERS[layer][0]
    return {
        "layerId": layer,
        "layerName": name,
        "layerType": "Feature Layer",
        "minScale": 0,
        "maxScale": 0,
        "legend": entries,
    }


def _identify(parameters: dict[str, str]) -> dict[str, Any]:
    geometry = parameters.get("geometry", "0,0")
    point = json.loads(geometry) if geometry.lstrip().startswith("{") else None
    x, y = (point["x"], point["y"]) if point else map(float, geometry.split(",")[:2])
    if "4326" in parameters.get("sr", "") or (point or {}).get("spatialReference", {}).get("wkid") == 4326:
        x, y = town.from_degrees((x, y))
    xmin, _, xmax, _ = map(float, parameters.get("mapExtent", "0,0,1000,0").split(","))
    width = float(parameters.get("imageDisplay", "400").split(",")[0] or 400)
    tolerance = float(parameters.get("tolerance", "5")) * abs(xmax - xmin) / max(1.0, width)
    return {
        "results": [
            {
                "layerId": layer,
                "layerName": LAYERS[layer][0],
                "displayFieldName": "NAME",
                "value": feature.name,
                "attributes": layers.attributes(feature),
                "geometryType": LAYERS[layer][1],
                "geometry": layers.geometry_of(layer, feature),
            }
            for layer, feature in layers.touched((x, y), tolerance)
        ]
    }


def _find(parameters: dict[str, str]) -> dict[str, Any]:
    text = parameters.get("searchText", "").lower()
    return {
        "results": [
            {
                "layerId": i,
                "layerName": name,
                "foundFieldName": "NAME",
                "value": f.name,
                "attributes": layers.attributes(f),
            }
            for i, (name, _, features) in enumerate(LAYERS)
            for f in features
            if text and text in f.name.lower()
        ]
    }


def _tile(level: int, row: int, column: int) -> bytes:
    return map_png(extent_of(level, row, column), (TILE, TILE))


def _box(parameters: dict[str, str]) -> tuple[float, float, float, float]:
    numbers = [float(part) for part in parameters.get("bbox", "").split(",")[:4] if part]
    if len(numbers) != 4:
        extent = town.full_extent()
        return extent["xmin"], extent["ymin"], extent["xmax"], extent["ymax"]
    x1, y1, x2, y2 = numbers
    if "4326" in parameters.get("bboxSR", ""):
        (x1, y1), (x2, y2) = town.from_degrees((x1, y1)), town.from_degrees((x2, y2))
    # esri-leaflet swaps the corners
    return min(x1, x2), min(y1, y2), max(x1, x2, min(x1, x2) + 1), max(y1, y2, min(y1, y2) + 1)


def _size(parameters: dict[str, str]) -> tuple[int, int]:
    width, _, height = parameters.get("size", "400,400").partition(",")
    return max(1, min(2048, int(float(width or 400)))), max(1, min(2048, int(float(height or width or 400))))


def _shown(parameters: dict[str, str]) -> frozenset[int]:
    mode, _, ids = parameters.get("layers", "").partition(":")
    chosen = frozenset(int(part) for part in ids.split(",") if part.strip().isdecimal())
    everything = frozenset(range(len(LAYERS)))
    if mode == "show":
        return chosen
    return everything - chosen if mode == "hide" else everything

"""Opens the secured services in QGIS and draws them; a line on stdin draws them again, nearer. No test of its own.

`qgis_layers.py MOUNT FOLDER` prints one JSON object a drawing: for each layer its features, its colours, its errors.
"""

import json
import sys
from typing import Any

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsRasterLayer,
    QgsRectangle,
    QgsVectorLayer,
    QgsVectorTileLayer,
)
from qgis.PyQt.QtCore import QEventLoop, QSize

WIDTH, HEIGHT = 400, 300


def draw(layer: Any, extent: QgsRectangle, path: str) -> dict[str, Any]:
    """How many colours the layer's picture has, and what the renderer complained of."""
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setOutputSize(QSize(WIDTH, HEIGHT))
    settings.setExtent(extent)
    settings.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    job = QgsMapRendererSequentialJob(settings)
    waiting = QEventLoop()
    job.finished.connect(waiting.quit)
    job.start()
    waiting.exec_()
    picture = job.renderedImage()
    picture.save(path)
    colours = {picture.pixel(x, y) for x in range(WIDTH) for y in range(HEIGHT)}
    return {"colours": len(colours), "errors": [error.message for error in job.errors()]}


def main(mount: str, folder: str) -> None:
    rest = f"{mount}/rest/services/Secure"
    city, base = f"{rest}/City", f"{rest}/Base"
    wms = f"{mount}/services/Secure/City/MapServer/WMSServer"
    wmts = f"{city}/MapServer/WMTS/1.0.0/WMTSCapabilities.xml"
    tiles = f"{base}/VectorTileServer"
    matrices = "tileMatrixSet=GoogleMapsCompatible"
    layers = {
        "features": QgsVectorLayer(f"crs='EPSG:3857' url='{city}/FeatureServer/0'", "", "arcgisfeatureserver"),
        "picture": QgsRasterLayer(
            f"crs='EPSG:3857' format='PNG32' layer='0' url='{city}/MapServer'", "", "arcgismapserver"
        ),
        "tiles": QgsRasterLayer(f"crs='EPSG:3857' format='PNG32' url='{base}/MapServer'", "", "arcgismapserver"),
        "wms": QgsRasterLayer(f"crs=EPSG:3857&format=image/png&layers=0&styles=&url={wms}", "", "wms"),
        "wmts": QgsRasterLayer(
            f"crs=EPSG:3857&format=image/png&layers=Secure_City&styles=default&{matrices}&url={wmts}", "", "wms"
        ),
        "vector tiles": QgsVectorTileLayer(
            f"serviceType=arcgis&styleUrl={tiles}/resources/styles/root.json&type=xyz&url={tiles}", ""
        ),
    }
    for name, layer in layers.items():
        if not layer.isValid():
            sys.exit(f"{name}: {layer.error().message()}")
    for extent in ((1099000, 6007500, 1111000, 6016500), (1101000, 6009500, 1107000, 6014000)):
        drawn = {name: draw(layer, QgsRectangle(*extent), f"{folder}/{name}.png") for name, layer in layers.items()}
        drawn["features"]["names"] = sorted(feature["NAME"] for feature in layers["features"].getFeatures())
        sys.stdout.write(json.dumps(drawn) + "\n")
        sys.stdout.flush()
        sys.stdin.readline()


application = QgsApplication([], True)
application.initQgis()
main(*sys.argv[1:])

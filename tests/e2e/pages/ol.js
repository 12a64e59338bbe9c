// OpenLayers by a mount: an ordinary ArcGIS base URL, no load functions. Picture, WMTS by its capabilities, features.
import Map from "ol/Map.js";
import View from "ol/View.js";
import ImageLayer from "ol/layer/Image.js";
import TileLayer from "ol/layer/Tile.js";
import VectorLayer from "ol/layer/Vector.js";
import ImageArcGISRest from "ol/source/ImageArcGISRest.js";
import VectorSource from "ol/source/Vector.js";
import WMTS, { optionsFromCapabilities } from "ol/source/WMTS.js";
import EsriJSON from "ol/format/EsriJSON.js";
import WMTSCapabilities from "ol/format/WMTSCapabilities.js";

const site = new URLSearchParams(location.search).get("site");
const service = `${site}/rest/services/Secure/City`;
window.state = { pictures: 0, tiles: 0, features: 0, errors: [], tileUrl: "" };
const failed = what => () => window.state.errors.push(what);

const picture = new ImageArcGISRest({ url: `${service}/MapServer`, params: {}, crossOrigin: "anonymous" });
picture.on("imageloadend", () => { window.state.pictures += 1; });
picture.on("imageloaderror", failed("picture"));

const capabilities = new WMTSCapabilities().read(await (await fetch(`${service}/MapServer/WMTS/1.0.0/WMTSCapabilities.xml`)).text());
const tiles = new WMTS({ ...optionsFromCapabilities(capabilities, { layer: "Secure_City" }), crossOrigin: "anonymous" });
tiles.on("tileloadend", () => { window.state.tiles += 1; });
tiles.on("tileloaderror", failed("tile"));
window.state.tileUrl = tiles.getUrls()[0];

const places = new VectorSource({ url: `${service}/FeatureServer/0/query?f=json&where=1%3D1&outFields=*&outSR=102100`, format: new EsriJSON() });
places.on("featuresloadend", event => { window.state.features = event.features.length; });
places.on("featuresloaderror", failed("features"));

window.map = new Map({
  target: "view",
  layers: [
    new TileLayer({ source: tiles }),
    new ImageLayer({ source: picture }),
    new VectorLayer({ source: places }),
  ],
  view: new View({ center: [1105000, 6012000], zoom: 13 }),
});

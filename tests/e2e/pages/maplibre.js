// MapLibre by a mount: pictures as raster tiles from a URL template, features as GeoJSON.
import { Map, setWorkerUrl } from "maplibre-gl";

const site = new URLSearchParams(location.search).get("site");
const service = `${site}/rest/services/Secure/City`;
setWorkerUrl("/of/maplibre/maplibre-gl-worker.mjs");
window.state = { tiles: 0, features: 0, errors: [] };
window.map = new Map({
  container: "view",
  center: [9.927, 47.44],
  zoom: 12,
  fadeDuration: 0,
  style: {
    version: 8,
    sources: {
      city: {
        type: "raster",
        tileSize: 256,
        tiles: [`${service}/MapServer/export?bbox={bbox-epsg-3857}&bboxSR=3857&imageSR=3857&size=256,256&format=png32&f=image`],
      },
      places: { type: "geojson", data: `${service}/FeatureServer/0/query?where=1%3D1&outFields=*&f=geojson` },
    },
    layers: [
      { id: "city", type: "raster", source: "city" },
      { id: "places", type: "circle", source: "places", paint: { "circle-radius": 4 } },
    ],
  },
});
window.map.on("error", event => window.state.errors.push(String(event.error && event.error.message)));
window.map.on("sourcedata", event => { if (event.sourceId === "city" && event.tile) window.state.tiles += 1; });
window.map.on("idle", () => { window.state.features = window.map.querySourceFeatures("places").length; });

// The same with esri-leaflet: with its `proxy` option, or without one where `site` is a mount.
import L from "leaflet";
import * as esri from "esri-leaflet";

const asked = new URLSearchParams(location.search);
const site = asked.get("site"), proxy = asked.get("proxy") || false;
const map = L.map("view", { crs: L.CRS.EPSG3857, zoomAnimation: false, fadeAnimation: false }).setView([47.44, 9.927], 13);
window.map = map;
window.state = { drawn: 0, features: 0, errors: [] };
const image = esri.dynamicMapLayer({ url: `${site}/rest/services/Secure/City/MapServer`, proxy, useCors: true, f: asked.get("f") || "image" }).addTo(map);
image.on("load", () => { window.state.drawn += 1; });
image.on("requesterror", event => { window.state.errors.push(`${event.code} ${event.message}`); });
const places = esri.featureLayer({
  url: `${site}/rest/services/Secure/City/FeatureServer/0`,
  proxy,
  pointToLayer: (_, at) => L.circleMarker(at, { radius: 6 }),
}).addTo(map);
places.on("load", () => { window.state.features = Object.keys(places._layers).length; });
places.on("requesterror", event => { window.state.errors.push(`${event.code} ${event.message}`); });

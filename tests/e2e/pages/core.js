// A map of the secured services with the ArcGIS Maps SDK: picture, features, legend; `show` has tiles in their place.
import esriConfig from "@arcgis/core/config.js";
import * as urlUtils from "@arcgis/core/core/urlUtils.js";
import Map from "@arcgis/core/Map.js";
import MapView from "@arcgis/core/views/MapView.js";
import MapImageLayer from "@arcgis/core/layers/MapImageLayer.js";
import FeatureLayer from "@arcgis/core/layers/FeatureLayer.js";
import TileLayer from "@arcgis/core/layers/TileLayer.js";
import VectorTileLayer from "@arcgis/core/layers/VectorTileLayer.js";
import Legend from "@arcgis/core/widgets/Legend.js";

const asked = new URLSearchParams(location.search);
const site = asked.get("site");
esriConfig.assetsPath = asked.get("assets") || "/assets";
if (asked.get("proxy")) urlUtils.addProxyRule({ urlPrefix: site, proxyUrl: asked.get("proxy") });

const image = new MapImageLayer({ url: `${site}/rest/services/Secure/City/MapServer` });
const places = new FeatureLayer({ url: `${site}/rest/services/Secure/City/FeatureServer/0`, outFields: ["*"] });
const tiles = {
  tile: () => new TileLayer({ url: `${site}/rest/services/Secure/Base/MapServer` }),
  vector: () => new VectorTileLayer({ url: `${site}/rest/services/Secure/Base/VectorTileServer` }),
};
const view = new MapView({
  container: "view",
  map: new Map({ layers: [image, places] }),
  extent: { xmin: 1099000, ymin: 6007500, xmax: 1111000, ymax: 6016500, spatialReference: { wkid: 102100 } },
});
view.ui.add(new Legend({ view }), "bottom-left");
window.view = view;
window.state = { error: "", drawn: false };

const settled = async () => {
  do await new Promise(done => setTimeout(done, 200)); while (view.updating);
};
window.show = async kind => {
  const layer = tiles[kind]();
  view.map.removeAll();
  view.map.add(layer);
  await view.whenLayerView(layer);
  await settled();
};
Promise.all([view.whenLayerView(image), view.whenLayerView(places)])
  .then(async layerViews => {
    window.layerViews = layerViews;
    await settled();
    window.state.drawn = true;
    window.state.features = (await layerViews[1].queryFeatures()).features.length;
  })
  .catch(error => { window.state.error = String(error); });

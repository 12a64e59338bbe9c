// A map of the secured services with the ArcGIS Maps SDK: image layer, feature layer, legend; no basemap, no network.
import esriConfig from "@arcgis/core/config.js";
import * as urlUtils from "@arcgis/core/core/urlUtils.js";
import Map from "@arcgis/core/Map.js";
import MapView from "@arcgis/core/views/MapView.js";
import MapImageLayer from "@arcgis/core/layers/MapImageLayer.js";
import FeatureLayer from "@arcgis/core/layers/FeatureLayer.js";
import Legend from "@arcgis/core/widgets/Legend.js";

const asked = new URLSearchParams(location.search);
const site = asked.get("site");
esriConfig.assetsPath = "/assets";
if (asked.get("proxy")) urlUtils.addProxyRule({ urlPrefix: site, proxyUrl: asked.get("proxy") });

const image = new MapImageLayer({ url: `${site}/rest/services/Secure/City/MapServer` });
const places = new FeatureLayer({ url: `${site}/rest/services/Secure/City/FeatureServer/0`, outFields: ["*"] });
const view = new MapView({
  container: "view",
  map: new Map({ layers: [image, places] }),
  extent: { xmin: 1099000, ymin: 6007500, xmax: 1111000, ymax: 6016500, spatialReference: { wkid: 102100 } },
});
view.ui.add(new Legend({ view }), "bottom-left");
window.view = view;
window.state = { error: "", drawn: false };
Promise.all([view.whenLayerView(image), view.whenLayerView(places)])
  .then(async layerViews => {
    window.layerViews = layerViews;
    while (view.updating) await new Promise(done => setTimeout(done, 100));
    window.state.drawn = true;
    window.state.features = (await layerViews[1].queryFeatures()).features.length;
  })
  .catch(error => { window.state.error = String(error); });

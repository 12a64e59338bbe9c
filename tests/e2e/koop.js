// Koop with its token security switched on: a real third-party server of the ArcGIS protocol.
// node koop.js PORT DATA-DIRECTORY USER-FILE
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const [port, data, users] = process.argv.slice(2);
const Koop = require("@koopjs/koop-core");
const auth = require("@koopjs/auth-direct-file")("koop-signing-secret", users, { tokenExpirationMinutes: 5 });
const koop = new Koop({ logLevel: "error" });
koop.register(auth);
koop.register(require("@koopjs/provider-file-geojson"), { dataDir: data });
koop.server.listen(Number(port), "127.0.0.1", () => console.log("listening"));

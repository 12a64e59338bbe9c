"""`migrate`: the configuration of Esri's resource-proxy (.NET, Java, PHP) to proxy.yaml. Knows nothing of requests."""

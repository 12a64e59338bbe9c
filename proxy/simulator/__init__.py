"""A simulated ArcGIS Server with token security, for the demo and the tests. Imports nothing of the proxy but names."""

"""Several processes on one port: each answers requests, one keeps what they share (tokens, limits, pages)."""

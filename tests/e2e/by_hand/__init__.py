"""Clients too large to install for every run: `pytest tests/e2e/by_hand/*.py`. Nothing here is collected by itself."""

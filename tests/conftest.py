"""Fixtures that every kind of test shares. Nothing is patched; fakes are of the outside world."""

import gc
import os

import pytest


def pytest_configure() -> None:
    """Files that tests write hold passwords: the proxy refuses them where everyone can read them."""
    os.umask(0o077)


def pytest_collection_finish() -> None:
    """The tests themselves, some thousand objects each, are there to the end: a collection of garbage that looked
    through them all would hold up every server in this process for longer than a store has time to answer."""
    gc.collect()
    gc.freeze()


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """In CI nothing may skip: what a test needs is installed there."""
    if os.environ.get("CI") and call.excinfo is not None and call.excinfo.errisinstance(pytest.skip.Exception):
        raise AssertionError(f"{item.nodeid} was skipped in CI: {call.excinfo.value}")

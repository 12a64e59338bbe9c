"""proxy.secret: nothing that prints, formats or stores it shows it."""

import copy
import logging
import pickle

import pytest

from proxy.secret import Secret

VALUE = "canary-secret"


def test_nothing_that_prints_shows_it() -> None:
    secret = Secret(VALUE)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", str([secret])]
    shown.append(logging.LogRecord("x", 20, "", 0, "%s", (secret,), None).getMessage())
    assert VALUE not in "".join(shown)
    assert secret.reveal() == VALUE


@pytest.mark.parametrize("store", [pickle.dumps, copy.copy, copy.deepcopy])
def test_nothing_stores_it_in_the_clear(store: object) -> None:
    assert callable(store)
    try:
        stored = store(Secret(VALUE))
    except TypeError:
        return
    assert VALUE.encode() not in stored if isinstance(stored, bytes) else isinstance(stored, Secret)

"""What the fuzzer calls holds for its seeds, and for bytes of any kind; and the fuzzer itself begins and ends."""

from base64 import b64decode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, seeds

# Found by fuzzing, and mended since
FELL = [
    ("redactor", "AAAAAAAIAAAAAAAAAAAAAAAAAAAACAAAAAA="),  # a secret that overlaps itself, cut there
    ("redactor", "QRBcXFxcXFxcXFxcXFxcXFxcXFxcXDJcXFxcXDhcXFxcXFxcXFxcXFxcXFwBAAAAXABhyNLRoIHef54xLS5ffiEAL30="),
]


@pytest.mark.parametrize(("name", "data"), FELL)
def test_it_holds_for_what_once_fell(name: str, data: str) -> None:
    TARGETS[name](b64decode(data))


@pytest.mark.parametrize("name", TARGETS)
def test_it_holds_for_what_a_fuzzer_begins_with(name: str) -> None:
    found = list(seeds(name))
    assert found
    for seed in found:
        TARGETS[name](seed)
        TARGETS[name](seed[: len(seed) // 2])


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200))
def test_it_holds_for_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name](data)

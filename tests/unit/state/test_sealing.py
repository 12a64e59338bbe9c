"""proxy.state.sealing: what stands where others read and write shows nothing and is believed from nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.state.sealing import LONGEST, Sealer, derived_key

KEY, OTHER = derived_key("one"), derived_key("other")
SAYS = {"value": "canary-token", "life": 3600.0}


def test_what_is_sealed_opens_under_its_name_alone() -> None:
    sealer = Sealer(KEY)
    sealed = sealer.seal("n", SAYS)
    assert sealer.open("n", sealed) == Sealer(KEY).open("n", sealed) == SAYS
    assert b"canary" not in sealed
    assert sealer.seal("n", SAYS) != sealed
    assert sealer.open("other", sealed) is None
    assert Sealer(OTHER).open("n", sealed) is None


@pytest.mark.parametrize("at", range(0, 80, 7))
def test_no_byte_can_be_changed(at: int) -> None:
    sealed = bytearray(Sealer(KEY).seal("n", SAYS))
    sealed[at % len(sealed)] ^= 1
    assert Sealer(KEY).open("n", bytes(sealed)) is None


@given(st.one_of(st.binary(max_size=100), st.none(), st.integers(), st.text(), st.lists(st.binary())))
def test_garbage_opens_as_nothing(garbage: object) -> None:
    assert Sealer(KEY).open("n", garbage) is None


def test_what_is_too_long_is_not_even_read() -> None:
    sealed = Sealer(KEY).seal("n", {"value": "x" * LONGEST})
    assert Sealer(KEY).open("n", sealed) is None


def test_names_say_nothing_and_differ_by_key_and_part() -> None:
    names = {Sealer(key).name(parts) for key in (KEY, OTHER) for parts in (("a", "bc"), ("ab", "c"), ("abc",))}
    assert len(names) == 6
    assert all(len(name) == 32 and int(name, 16) for name in names)

"""Trace headers of clients: read to the letter, or not at all."""

import pytest

from proxy.core.trace import Parent, is_state, parent_of

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
KNOWN = Parent(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, 1, ())


@pytest.mark.parametrize(
    ("state", "members"),
    [
        ("", ()),
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", (("rojo", "00f067aa0ba902b7"), ("congo", "t61rcWkgMzE"))),
        ("a=1 ,\tb=2, ,", (("a", "1"), ("b", "2"))),
        ("4tenant@vendor=x y=z", ()),  # a value holds no "="
        ("4tenant@vendor=x y", (("4tenant@vendor", "x y"),)),
        ("a=1,a=2", ()),
        ("A=1", ()),
        ("a=", ()),
        ("a=\x7f", ()),
        ("a=é", ()),
        ("a=" + "b" * 257, ()),
        (",".join(f"a{number}=1" for number in range(32)), tuple((f"a{number}", "1") for number in range(32))),
        (",".join(f"a{number}=1" for number in range(33)), ()),
        (",".join(f"a{number}={'b' * 200}" for number in range(3)), ()),
    ],
)
def test_a_state_is_read_whole_or_not_at_all(state: str, members: tuple[tuple[str, str], ...]) -> None:
    parent = parent_of({"traceparent": TRACE, "tracestate": state})
    assert parent == KNOWN._replace(state=members)
    assert is_state(state) == (bool(members) or not state)


@pytest.mark.parametrize(
    "value",
    [
        "",
        TRACE.upper(),
        TRACE + "-more",
        TRACE + "\n",
        " " + TRACE,
        "01" + TRACE[2:],
        "ff" + TRACE[2:],
        "00-" + "0" * 32 + TRACE[35:],
        TRACE[:36] + "0" * 16 + "-01",
        TRACE[:-1],
        TRACE.replace("4bf9", "4bg9"),
        TRACE.replace("4bf9", "٤bf9"),
    ],
)
def test_what_is_no_parent_is_none(value: str) -> None:
    assert parent_of({"traceparent": value, "tracestate": "a=1"}) is None

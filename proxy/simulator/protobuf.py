"""The wire format of Protocol Buffers, as far as the simulator writes it. Knows no message.

Source: protobuf.dev/programming-guides/encoding.
"""

import struct
from collections.abc import Iterable


def zigzag(value: int) -> int:
    """Small numbers of either sign as small numbers (sint32)."""
    return value << 1 if value >= 0 else (-value << 1) - 1


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def double(field: int, value: float) -> bytes:
    return varint(field << 3 | 1) + struct.pack("<d", value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def text(field: int, value: str) -> bytes:
    return message(field, value.encode())


def packed(field: int, values: Iterable[int]) -> bytes:
    """A repeated number."""
    return message(field, b"".join(map(varint, values)))

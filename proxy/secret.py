"""The type that holds a password, token or key, and how to tell that one changed. Nothing that shows it stands here."""

import hashlib
import hmac
from dataclasses import fields, is_dataclass
from typing import NoReturn


class Secret:
    """A password, token or key. Printing, formatting or pickling it never shows it; `reveal()` does.

    Compares in constant time. `fingerprint()` tells two secrets apart without showing either.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. The contract tests count the places that call this."""
        return self._value

    def fingerprint(self) -> str:
        """Sixteen hex digits: enough to see that a secret changed."""
        return hashlib.sha256(b"fingerprint\0" + self._value.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return "Secret(…)"

    def __str__(self) -> str:
        return "Secret(…)"

    def __format__(self, spec: str) -> str:
        return "Secret(…)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


def fingerprint(value: object) -> str:
    """Changes when anything changes that `value` holds, secrets too, and shows none of it: tokens survive a reload
    while the fingerprint of their credential stays."""
    return hashlib.sha256(_flat(value).encode()).hexdigest()[:16]


def _flat(value: object) -> str:
    if isinstance(value, Secret):
        return value.fingerprint()
    if is_dataclass(value):
        return f"{type(value).__name__}({', '.join(_flat(getattr(value, each.name)) for each in fields(value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(_flat, value))})"
    return repr(value)

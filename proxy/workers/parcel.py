"""The configuration on its way from the supervisor to a worker: the very one, whatever the file holds by now.

Crosses only the socket pair that both inherited; never a file, never a network.
"""

import io
import pickle
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from proxy.model import Configuration
from proxy.secret import Secret


def packed(configuration: Configuration) -> str:
    """As a line of text, secrets in it."""
    parcel = io.BytesIO()
    _Packer(parcel).dump(configuration)
    return b64encode(parcel.getvalue()).decode("ascii")


def unpacked(parcel: str) -> Configuration:
    """Back again."""
    configuration = pickle.loads(b64decode(parcel))  # noqa: S301 - the supervisor wrote it
    assert isinstance(configuration, Configuration)  # noqa: S101 - it packs nothing else
    return configuration


class _Packer(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        """A secret refuses to be pickled; here it is meant. What is frozen is made anew: where it is compiled, nothing
        else sets its fields."""
        if isinstance(value, Secret):
            return Secret, (value.reveal(),)
        if is_dataclass(value) and not isinstance(value, type):
            return _made, (type(value), {field.name: getattr(value, field.name) for field in fields(value)})
        return NotImplemented


def _made(kind: Callable[..., object], values: dict[str, object]) -> object:
    return kind(**values)

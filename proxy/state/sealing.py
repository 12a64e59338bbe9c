"""What may stand in a store that others can read and write: names that say nothing, and contents that only a proxy
with the same key can read or make. Nothing that does not open is believed."""

import hmac
import json
import os
from collections.abc import Iterable, Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from proxy.secret import Secret

LONGEST: Final = 64 * 1024  # bytes of one sealed value; a token has some hundreds
_VERSION: Final = b"\x01"
_NONCE: Final = 12  # bytes; random, as NIST SP 800-38D §8.2.2 has it: good for 2**32 values under one key
_SALT: Final = b"arcgis-resource-proxy shared state 1"


def derived_key(secret: str) -> Secret:
    """The key that a text stands for. Slow on purpose (about 0.1 s and 32 MiB): where the text is a password, who can
    read the store must not try millions of them."""
    return Secret(Scrypt(salt=_SALT, length=32, n=2**15, r=8, p=1).derive(secret.encode()).hex())


class Sealer:
    """AES-256-GCM; a value opens only under the name that it was sealed for."""

    def __init__(self, key: Secret) -> None:
        root = bytes.fromhex(key.reveal())
        self._naming = hmac.digest(root, b"names", "sha256")
        self._cipher = AESGCM(hmac.digest(root, b"values", "sha256"))

    def name(self, parts: Iterable[str]) -> str:
        """Thirty-two hex digits that stand for `parts` and show none of them."""
        text = json.dumps(list(parts)).encode()
        return hmac.digest(self._naming, text, "sha256").hex()[:32]

    def seal(self, name: str, says: Mapping[str, object]) -> bytes:
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, json.dumps(says).encode(), _VERSION + name.encode())

    def open(self, name: str, sealed: object) -> Mapping[str, object] | None:
        """None for whatever was not sealed with this key under this name."""
        if not isinstance(sealed, bytes) or len(sealed) > LONGEST or sealed[:1] != _VERSION:
            return None
        nonce, text = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        try:
            says = json.loads(self._cipher.decrypt(nonce, text, _VERSION + name.encode()))
        except (InvalidTag, ValueError):
            return None
        return says if isinstance(says, dict) else None

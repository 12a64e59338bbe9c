"""A certificate authority of the tests' own, and client certificates in every form that people have them in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

KEY_PASSWORD = "canary-key-Pa55+w%rd"


class Papers:
    """The files of one authority in `folder`: server.crt/.key for localhost and 127.0.0.1, and client certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = trustme.CA()
        self.bundle = self._write("authority.pem", self.authority.cert_pem.bytes())
        server = self.authority.issue_cert("localhost", "127.0.0.1")
        self.server_certificate = self._write("server.crt", b"".join(pem.bytes() for pem in server.cert_chain_pems))
        self.server_key = self._write("server.key", server.private_key_pem.bytes())
        self._good = self.authority.issue_cert("webmap@example.com", common_name="webmap")

    def pair(self) -> dict[str, str]:
        """Certificate and key, PEM, in two files."""
        return self._pair("client", self._good)

    def one_file(self) -> str:
        """Certificate and key, PEM, in one file."""
        return self._write("client.pem", self._good.private_key_and_cert_chain_pem.bytes())

    def encrypted_pair(self) -> dict[str, str]:
        """The key under a password."""
        key = load_pem_private_key(self._good.private_key_pem.bytes(), None)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(KEY_PASSWORD.encode()))
        return {**self.pair(), "key": self._write("locked.key", pem), "password": KEY_PASSWORD}

    def pkcs12(self, suffix: str = ".p12") -> dict[str, str]:
        """One PKCS#12 file under a password, as Windows exports it."""
        key = load_pem_private_key(self._good.private_key_pem.bytes(), None)
        certificate = x509.load_pem_x509_certificate(self._good.cert_chain_pems[0].bytes())
        content = pkcs12.serialize_key_and_certificates(
            b"webmap",
            key,  # type: ignore[arg-type] # trustme makes elliptic curve keys
            certificate,
            None,
            BestAvailableEncryption(KEY_PASSWORD.encode()),
        )
        name = self._folder / f"client{suffix}"
        name.write_bytes(content)
        return {"certificate": str(name), "password": KEY_PASSWORD}

    def expired(self) -> dict[str, str]:
        """One that ended yesterday."""
        yesterday = datetime.now(UTC) - timedelta(days=1)
        issued = self.authority.issue_cert(
            "webmap@example.com", common_name="webmap", not_before=yesterday - timedelta(days=30), not_after=yesterday
        )
        return self._pair("expired", issued)

    def foreign(self) -> dict[str, str]:
        """One of an authority that the server does not know."""
        return self._pair("foreign", trustme.CA().issue_cert("webmap@example.com", common_name="webmap"))

    def renew(self, files: dict[str, str]) -> None:
        """A good certificate and its key in place of those in `files`."""
        for place, name in self.pair().items():
            Path(files[place]).write_bytes(Path(name).read_bytes())

    def _pair(self, name: str, issued: trustme.LeafCert) -> dict[str, str]:
        chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        return {
            "certificate": self._write(f"{name}.crt", chain),
            "key": self._write(f"{name}.key", issued.private_key_pem.bytes()),
        }

    def _write(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.write_bytes(content)
        return str(path)

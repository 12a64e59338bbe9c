"""Client certificates: from a file to a TLS context, and when they end. Makes no connection."""

import os
import secrets
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)

from proxy import files
from proxy.identity import ClientCertificate
from proxy.secret import Secret

_MOST_BYTES: Final = 4 * 1024 * 1024  # of a file with certificates
_PKCS12: Final = (".p12", ".pfx")
_NO_PASSWORD: Final = Secret("")  # OpenSSL would else ask for one on the terminal


class NoCertificate(ValueError):
    """The file holds something else."""


def load_certificate(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    """Raises OSError (ssl.SSLError too) or ValueError where file, key or password are wrong."""
    if Path(certificate.certificate).suffix.lower() in _PKCS12:
        one_time = Secret(secrets.token_urlsafe(32))
        with _as_file(_pem(certificate, one_time)) as name:
            context.load_cert_chain(name, password=one_time.reveal())
        return
    if b"-----BEGIN CERTIFICATE" not in _bytes(certificate):
        raise NoCertificate("there is no certificate in the file")
    if certificate.key is not None:
        files.look(Path(certificate.key))
    password = certificate.password or _NO_PASSWORD
    context.load_cert_chain(certificate.certificate, certificate.key, password=password.reveal())


def ends_at(certificate: ClientCertificate) -> datetime:
    """When the certificate ends, in UTC. Raises OSError or ValueError."""
    content = _bytes(certificate)
    if Path(certificate.certificate).suffix.lower() not in _PKCS12:
        return x509.load_pem_x509_certificate(content).not_valid_after_utc
    password = certificate.password.reveal().encode() if certificate.password else None
    stored = pkcs12.load_pkcs12(content, password).cert
    if stored is None:
        raise NoCertificate("there is no certificate in the file")
    return stored.certificate.not_valid_after_utc


def _bytes(certificate: ClientCertificate) -> bytes:
    return files.read(Path(certificate.certificate), _MOST_BYTES)


def _pem(certificate: ClientCertificate, one_time: Secret) -> bytes:
    """A PKCS#12 file as PEM, its key under a password that lives as long as this call."""
    password = certificate.password.reveal().encode() if certificate.password else None
    stored = pkcs12.load_pkcs12(_bytes(certificate), password)
    if stored.key is None or stored.cert is None:
        raise ValueError("there is no certificate with its key in the file")
    key = stored.key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(one_time.reveal().encode())
    )
    chain = [stored.cert, *stored.additional_certs]
    return key + b"".join(each.certificate.public_bytes(Encoding.PEM) for each in chain)


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """Python's ssl reads keys from files alone: one in memory where the system has such, else one for our eyes."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("certificate")
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(content)
    try:
        yield file.name
    finally:
        Path(file.name).unlink()

"""TLS towards upstreams: whom we trust, and who we are (PKI). Names and chains are always checked, from TLS 1.2 on."""

import os
import secrets
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from cachetools import LRUCache
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)

from proxy import files
from proxy.errors import CredentialMisconfigured
from proxy.identity import ClientCertificate
from proxy.secret import Secret

_MOST_SESSIONS: Final = 1024
_MOST_BYTES: Final = 4 * 1024 * 1024  # of a file with certificates
_PKCS12: Final = (".p12", ".pfx")
_NO_PASSWORD: Final = Secret("")  # OpenSSL would else ask for one on the terminal


class NoCertificate(ValueError):
    """The file holds something else."""


class SessionContext(ssl.SSLContext):
    """Takes up the last session with each host again: half the handshake, and no signature to compute. asyncio has no
    argument for that, but it begins every connection with `wrap_bio`, uvloop too."""

    def __init__(self, protocol: int) -> None:  # the protocol is for `__new__`
        self._sessions: LRUCache[str, ssl.SSLSession] = LRUCache(_MOST_SESSIONS)

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As every SSLContext."""
        if session is None and isinstance(server_hostname, str):
            session = self._sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def keep(self, host: str, session: ssl.SSLSession) -> None:
        """For the next connection with `host`, whose certificate was checked for that name when the session began."""
        self._sessions[host] = session


@lru_cache(maxsize=256)
def tls_context(ca_bundle: str | None, certificate: ClientCertificate | None, version: str) -> SessionContext:
    """The context that all connections with this trust share. `version` is `Route.tls_version`: a renewed file makes
    another context, and with it new sessions.

    Trust is the system's, or `ca_bundle` alone. Raises CredentialMisconfigured where a file that was good when the
    configuration was loaded is so no more.
    """
    context = SessionContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if ca_bundle is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            files.look(Path(ca_bundle))
            context.load_verify_locations(cafile=ca_bundle)
        if certificate is not None:
            load_certificate(context, certificate)
    except (OSError, ValueError):
        raise CredentialMisconfigured(
            "A file with certificates cannot be used any more.", "`resource-proxy check` says which, and why."
        ) from None
    return context


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

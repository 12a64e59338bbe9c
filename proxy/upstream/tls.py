"""TLS towards upstreams: whom we trust, and who we are (PKI). Names and chains are always checked, from TLS 1.2 on."""

import ssl
from functools import lru_cache
from pathlib import Path
from typing import Final

from cachetools import LRUCache

from proxy import files
from proxy.errors import CredentialMisconfigured
from proxy.identity import ClientCertificate

_MOST_SESSIONS: Final = 1024


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
            # Only here: who has none does without the memory of cryptography
            from proxy.upstream.certificates import load_certificate

            load_certificate(context, certificate)
    except (OSError, ValueError):
        raise CredentialMisconfigured(
            "A file with certificates cannot be used any more.", "`resource-proxy check` says which, and why."
        ) from None
    return context

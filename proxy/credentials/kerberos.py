"""Kerberos tickets for a user name and a password, kept in this process's memory.

Got by ourselves, and not by the mechanism behind Negotiate, for two reasons: that one asks the directory again for
each login, and it follows a wrong password up with NTLM, a second wrong password for the account.
"""

import secrets
import threading
import time
from importlib.util import find_spec
from typing import Final

from proxy.credentials.challenges import CORRECT_IT
from proxy.errors import CredentialMisconfigured, CredentialRefused, TokenUnavailable
from proxy.identity import HttpLogin

_IS_HERE: Final = find_spec("krb5") is not None  # the extra `kerberos`
if _IS_HERE:
    import krb5

# RFC 4120 §7.5.9 and MIT's krb5_err.et: wrong password (two ways to say it), revoked, ended, unknown user
_REFUSED: Final = frozenset((-1765328360, -1765328353, -1765328366, -1765328361, -1765328378))
_UNREACHABLE: Final = -1765328228
_CLOCKS_DIFFER: Final = -1765328347
_MARGIN: Final = 300.0  # seconds before its end a ticket is renewed


class Tickets:
    """The ticket of one login. Its calls block: they are for threads."""

    def __init__(self, login: HttpLogin) -> None:
        self._login = login
        self._principal = _principal(login)
        self._name = f"MEMORY:{secrets.token_hex(8)}"
        self._ends_at = 0.0  # seconds since 1970, as the directory said
        self._lock = threading.Lock()

    def cache(self) -> str | None:
        """The name of a credential cache with a living ticket; None where this machine has no Kerberos for this user.

        Raises CredentialRefused, CredentialMisconfigured, or TokenUnavailable where the directory is down.
        """
        if not _IS_HERE or self._principal is None:
            return None
        with self._lock:
            if time.time() > self._ends_at - _MARGIN:
                try:
                    self._get(self._principal)
                except krb5.Krb5Error as error:
                    _explain(error.err_code)
                    return None
            return self._name

    def _get(self, principal: str) -> None:
        context = krb5.init_context()
        client = krb5.parse_name_flags(context, principal.encode())
        options = krb5.get_init_creds_opt_alloc(context)
        password = self._login.password.reveal().encode()
        ticket = krb5.get_init_creds_password(context, client, options, password=password)
        cache = krb5.cc_resolve(context, self._name.encode())
        krb5.cc_initialize(context, cache, client)
        krb5.cc_store_cred(context, cache, ticket)
        self._ends_at = float(ticket.times.endtime)


def _principal(login: HttpLogin) -> str | None:
    """None for a domain in the old style (CITY): it says nothing about a realm."""
    name, _, realm = login.username.partition("@")
    realm = realm or login.domain
    if not name or (realm and "." not in realm):
        return None
    return f"{name}@{realm.upper()}" if realm else name


def _explain(code: int) -> None:
    """Raises where the directory has spoken, or should have."""
    if code in _REFUSED:
        raise CredentialRefused("The Kerberos directory refuses the proxy's user name or password.", CORRECT_IT)
    if code == _UNREACHABLE:
        raise TokenUnavailable("The Kerberos directory cannot be reached.", retry_after=5)
    if code == _CLOCKS_DIFFER:
        raise CredentialMisconfigured(
            "The clock of this machine and that of the Kerberos directory differ too much.", "Set the clock."
        )

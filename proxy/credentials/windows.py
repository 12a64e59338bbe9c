"""NTLM and Negotiate logins (Integrated Windows Authentication), on connections of their own.

NTLM signs in a connection, not a request: the three legs must travel on one, and what is signed in must never carry
somebody else's request. Kerberos signs in each request, since servers differ in whether they remember it. The
mechanisms themselves are pyspnego's (MS-NLMP, RFC 4178, RFC 4559); the bindings to TLS are RFC 5929's.
"""

import asyncio
import hashlib
import struct
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, ParamSpec, TypeVar

import spnego
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import (
    BadMechanismError,
    FeatureMissingError,
    NegotiateOptions,
    NoCredentialError,
    SpnegoError,
)

from proxy import names
from proxy.core.challenge import find_challenge, offered_logins
from proxy.credentials.challenges import NO_TICKET, wanted_again
from proxy.credentials.drain import drain
from proxy.credentials.kerberos import Tickets
from proxy.errors import CredentialMisconfigured, CredentialRefused, UpstreamFailed, UpstreamTimeout
from proxy.identity import HttpLogin, Scheme
from proxy.ports import Lane, Transport
from proxy.traffic import Outgoing, Reply

_MOST_LEGS: Final = 4
_STEP_PATIENCE: Final = 10.0  # seconds; a Kerberos step asks the directory
_NTLM: Final = "ntlm"

P = ParamSpec("P")
T = TypeVar("T")


class WindowsSession:
    """Implements `ports.Session`: an answer with status 401 is the server's word on the login."""

    def __init__(self, login: HttpLogin, transport: Transport) -> None:
        self._login, self._transport = login, transport
        self._scheme: Scheme | None = None  # as the server offered it
        self._is_per_request = False  # Kerberos: a ticket with every request
        self._tickets = Tickets(login)

    async def send(self, outgoing: Outgoing) -> Reply:
        """See `ports.Upstream.send`."""
        return await self._lent(outgoing, self._on)

    async def send_anew(self, outgoing: Outgoing) -> Reply:
        """See `ports.Session.send_anew`. Servers let connections go on with yesterday's password."""

        async def anew(lane: Lane, outgoing: Outgoing) -> Reply:
            if lane.is_signed_in:
                lane.hang_up()
            return await self._on(lane, outgoing)

        return await self._lent(outgoing, anew)

    async def prove(self, outgoing: Outgoing) -> Reply:
        """See `ports.Session.prove`."""

        async def as_nobody(lane: Lane, outgoing: Outgoing) -> Reply:
            lane.hang_up()
            self._is_per_request = False
            return await self._tried(lane, outgoing)

        return await self._lent(outgoing, as_nobody)

    async def _lent(self, outgoing: Outgoing, send: Callable[[Lane, Outgoing], Awaitable[Reply]]) -> Reply:
        lane = await self._transport.lane(outgoing.target.origin, outgoing.route, outgoing.client)
        try:
            return await send(lane, outgoing)
        finally:
            lane.release()

    async def _on(self, lane: Lane, outgoing: Outgoing) -> Reply:
        has_body = outgoing.body.stream is not None or bool(outgoing.body.whole)
        if self._is_per_request and self._scheme is not None:
            return await self._sign_in(lane, outgoing, self._scheme)
        if not has_body or (lane.is_signed_in and outgoing.body.replayable):
            return await self._tried(lane, outgoing)
        # Asked without the body: it goes up once, when the connection is signed in
        asked = await self._tried(lane, outgoing.bodiless("HEAD"))
        if asked.status == names.CODE_UNAUTHORIZED:
            return asked
        await drain(asked)
        is_closing = asked.headers.get(names.CONNECTION, "").lower() == "close"
        if self._scheme is not None and (self._is_per_request or is_closing):
            return await self._sign_in(lane, outgoing, self._scheme)
        reply = await lane.send(outgoing)
        if reply.status != names.CODE_UNAUTHORIZED:
            reply.is_signed_in = asked.is_signed_in
            return reply
        if outgoing.body.replayable:
            return await self._again(lane, outgoing, reply)
        reply.close()
        raise wanted_again()

    async def _tried(self, lane: Lane, outgoing: Outgoing) -> Reply:
        """As it is; signed in where the server asks for it."""
        reply = await lane.send(outgoing)
        return reply if reply.status != names.CODE_UNAUTHORIZED else await self._again(lane, outgoing, reply)

    async def _again(self, lane: Lane, outgoing: Outgoing, reply: Reply) -> Reply:
        lane.is_signed_in = False
        self._scheme = self._offered(reply)
        if self._scheme is None:
            return reply
        await drain(reply)
        return await self._sign_in(lane, outgoing, self._scheme)

    def _offered(self, reply: Reply) -> Scheme | None:
        """Of what the server offers, what was configured comes first. NTLM does without Negotiate and the other way
        round, but not for somebody who has no password."""
        asked = offered_logins(reply.headers.get(names.WWW_AUTHENTICATE, ""))
        offered = [scheme for scheme in asked if scheme.is_windows]
        if self._login.scheme in offered:
            return self._login.scheme
        return offered[0] if offered and self._login.username else None

    async def _sign_in(self, lane: Lane, outgoing: Outgoing, scheme: Scheme) -> Reply:
        reply, was_cut = await self._legs(lane, outgoing, scheme)
        if was_cut and reply.status == names.CODE_UNAUTHORIZED and outgoing.body.replayable:
            await drain(reply)
            reply, _ = await self._legs(lane, outgoing, scheme)
        return reply

    async def _legs(self, lane: Lane, outgoing: Outgoing, scheme: Scheme) -> tuple[Reply, bool]:
        """The answer to the last message, and whether the server closed between two of them: the last one then came to
        one who knew nothing of the first, and says nothing about the password."""
        connection = None
        context = await self._step(self._context, lane, outgoing.target.origin.host, scheme)
        token = await self._step(context.step)
        for leg in range(_MOST_LEGS):
            if token is None:
                break
            is_ntlm = context.negotiated_protocol == _NTLM
            # The first message of NTLM is only ever answered with a challenge: no body is sent for that
            attempt = outgoing.bodiless(outgoing.method) if is_ntlm and leg == 0 else outgoing
            outgoing.check()  # each leg took its time
            reply = await lane.send(_with(attempt, f"{scheme.value} {b64encode(token).decode('ascii')}"))
            connection = connection or lane.connection
            was_cut = lane.connection != connection
            if reply.status != names.CODE_UNAUTHORIZED:
                self._is_per_request = not is_ntlm
                lane.is_signed_in, reply.is_signed_in = is_ntlm, True
                return reply, was_cut
            challenge = find_challenge(reply.headers.get(names.WWW_AUTHENTICATE, ""), scheme.value)
            if challenge is None or not challenge.token or context.complete:
                return reply, was_cut  # refused
            if attempt is outgoing and not outgoing.body.replayable:
                reply.close()
                raise wanted_again()
            await drain(reply)
            token = await self._step(context.step, _decoded(challenge.token))
        raise UpstreamFailed("The login at the web server did not come to an end.", slug="bad_answer")

    def _context(self, lane: Lane, host: str, scheme: Scheme) -> spnego.ContextProxy:
        login = self._login
        bindings = _bindings(lane.peer_certificate())
        if scheme is Scheme.NEGOTIATE and login.scheme is Scheme.NEGOTIATE and login.username:
            cache = self._tickets.cache()
            if cache is not None:
                ticket = spnego.KerberosCCache(cache)
                return spnego.client(ticket, hostname=host, service="HTTP", channel_bindings=bindings)
        username = f"{login.domain}\\{login.username}" if login.domain else login.username
        is_ntlm = Scheme.NTLM in (scheme, login.scheme)
        return spnego.client(
            username or None,
            login.password.reveal() or None,
            hostname=host,
            service="HTTP",
            channel_bindings=bindings,
            protocol=_NTLM if scheme is Scheme.NTLM else "negotiate",
            options=NegotiateOptions.use_ntlm if is_ntlm else NegotiateOptions.none,
        )

    async def _step(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """In a thread, since Kerberos asks the directory meanwhile."""
        try:
            async with asyncio.timeout(_STEP_PATIENCE):
                return await asyncio.to_thread(step, *args, **kwargs)
        except TimeoutError:
            raise UpstreamTimeout("The Kerberos directory did not answer in time.") from None
        except (NoCredentialError, BadMechanismError, FeatureMissingError):
            if self._login.username:
                raise _unusable() from None
            raise _no_ticket() from None
        except (struct.error, LookupError):  # as pyspnego reads what is no message of NTLM
            raise _malformed() from None
        except (SpnegoError, ValueError):  # their words name users and realms
            raise CredentialRefused(
                "The Windows login does not succeed.",
                "Check user name, password and domain, and the clock of this machine.",
            ) from None


def _malformed() -> UpstreamFailed:
    return UpstreamFailed("The web server's login challenge is malformed.", slug="bad_answer")


def _no_ticket() -> CredentialMisconfigured:
    return CredentialMisconfigured(
        "There is no Kerberos ticket for the proxy.",
        "Give it a keytab (KRB5_CLIENT_KTNAME) or a ticket (kinit, KRB5CCNAME), or username and password; "
        "Kerberos itself needs the extra `kerberos`: config/guide/credentials.md says how it is installed.",
        slug=NO_TICKET,
    )


def _unusable() -> CredentialMisconfigured:
    return CredentialMisconfigured(
        "No login that the web server offers can be made with this credential.",
        "Write the user as name and domain; without a Kerberos directory only NTLM is left, and it needs a password.",
    )


def _bindings(certificate: bytes | None) -> GssChannelBindings | None:
    """Ties the login to the TLS connection (Extended Protection), so that it cannot be relayed: RFC 5929 §4.1."""
    if certificate is None:
        return None
    try:
        algorithm = x509.load_der_x509_certificate(certificate).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return None
    name = algorithm.name if algorithm is not None and algorithm.name not in ("md5", "sha1") else "sha256"
    digest = hashlib.new(name.replace("-", "_"), certificate).digest()
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest)


def _with(outgoing: Outgoing, authorization: str) -> Outgoing:
    headers = {**outgoing.headers, names.AUTHORIZATION: authorization}
    return replace(outgoing, headers=headers)


def _decoded(token: str) -> bytes:
    try:
        return b64decode(token, validate=True)
    except ValueError:
        raise _malformed() from None

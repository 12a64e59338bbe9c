"""Digest logins at one origin: remembers the server's nonce, so that most requests need no challenge (RFC 7616)."""

import re
import secrets
from dataclasses import replace
from typing import Final

from cachetools import LRUCache

from proxy import names
from proxy.core import digest
from proxy.core.challenge import parse_challenges
from proxy.core.digest import DigestChallenge
from proxy.credentials.challenges import wanted_again
from proxy.identity import HttpLogin
from proxy.ports import Transport
from proxy.traffic import Outgoing, Reply

_NEXT_NONCE: Final = re.compile(r'(?:^|[\s,])nextnonce="([^"\\]{1,1024})"', re.IGNORECASE)
_MOST_NONCES: Final = 64


class DigestSession:
    """Implements `ports.Session`: an answer with status 401 is the server's word on the password."""

    def __init__(self, login: HttpLogin, transport: Transport) -> None:
        self._login, self._transport = login, transport
        self._challenge: DigestChallenge | None = None
        # Uses of each nonce (RFC 7616 §3.4): a late answer may name one again that was used meanwhile
        self._counts: LRUCache[str, int] = LRUCache(_MOST_NONCES)

    async def send(self, outgoing: Outgoing) -> Reply:
        """See `ports.Upstream.send`."""
        if not outgoing.body.replayable:
            # With no nonce, or one that has ended, the body would go out for nothing, and it cannot go out twice
            refusal = await self._ask(outgoing)
            if refusal is not None:
                return refusal
        used = self._challenge
        reply = await self._sent(outgoing)
        fresh = self._fresh(reply, used)
        if fresh is None:
            return reply
        reply.close()
        if not outgoing.body.replayable:
            raise wanted_again()
        reply = await self._sent(outgoing)
        self._fresh(reply, fresh)
        return reply

    async def send_anew(self, outgoing: Outgoing) -> Reply:
        """See `ports.Session.send_anew`: each request is judged by itself."""
        return await self.send(outgoing)

    async def prove(self, outgoing: Outgoing) -> Reply:
        """See `ports.Session.prove`."""
        self._challenge = None
        return await self.send(outgoing)

    async def _ask(self, outgoing: Outgoing) -> Reply | None:
        """Without the body. The answer where that is the server's last word on the password."""
        used = self._challenge
        reply = await self._sent(outgoing.bodiless("HEAD"))
        fresh = self._fresh(reply, used)
        if reply.status == names.CODE_UNAUTHORIZED and fresh is None:
            return reply
        reply.close()
        return None

    def _fresh(self, reply: Reply, used: DigestChallenge | None) -> DigestChallenge | None:
        """The challenge to answer now; None where the reply is the last word. One that was answered and comes back
        without `stale` means a wrong password, and that is not tried twice."""
        following = _NEXT_NONCE.search(reply.headers.get(names.AUTHENTICATION_INFO, ""))
        if following is not None and used is not None:
            self._challenge = DigestChallenge(
                used.realm, following[1], used.algorithm, used.has_qop, used.opaque, is_stale=False
            )
        if reply.status != names.CODE_UNAUTHORIZED:
            return None
        challenge = digest.choose(parse_challenges(reply.headers.get(names.WWW_AUTHENTICATE, "")))
        if challenge is not None and (used is None or challenge.is_stale):
            self._challenge = challenge
            return challenge
        self._challenge = None
        return None

    async def _sent(self, outgoing: Outgoing) -> Reply:
        challenge = self._challenge
        if challenge is None:
            return await self._transport.send(outgoing)
        count = self._counts[challenge.nonce] = self._counts.get(challenge.nonce, 0) + 1
        value = digest.answer(
            challenge,
            self._login,
            method=outgoing.method,
            request_target=outgoing.target.path_and_query,
            count=count,
            cnonce=secrets.token_hex(8),
        )
        headers = {**outgoing.headers, names.AUTHORIZATION: value}
        reply = await self._transport.send(replace(outgoing, headers=headers))
        reply.is_signed_in = True
        return reply

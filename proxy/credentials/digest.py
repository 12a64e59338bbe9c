"""Digest logins at one origin: remembers the server's nonce, so that most requests need no challenge (RFC 7616)."""

import re
import secrets
from typing import Final

from proxy import names
from proxy.core import digest
from proxy.core.challenge import parse_challenges
from proxy.core.digest import DigestChallenge
from proxy.errors import UpstreamFailed
from proxy.model import HttpLogin
from proxy.ports import Transport
from proxy.traffic import Body, Outgoing, Reply

_NEXT_NONCE: Final = re.compile(r'(?:^|[\s,])nextnonce="([^"\\]{1,1024})"', re.IGNORECASE)


class DigestSession:
    """Implements `ports.Upstream`: an answer with status 401 is the server's word on the password."""

    def __init__(self, login: HttpLogin, transport: Transport) -> None:
        self._login, self._transport = login, transport
        self._challenge: DigestChallenge | None = None
        self._count = 0  # uses of the nonce

    async def send(self, outgoing: Outgoing) -> Reply:
        """See `ports.Upstream.send`."""
        if not outgoing.body.replayable:
            # With no nonce, or one that has ended, the body would go out for nothing, and it cannot go out twice
            await self._ask(outgoing)
        used = self._challenge
        reply = await self._transport.send(self._signed(outgoing))
        fresh = self._fresh(reply, used)
        if fresh is None:
            return reply
        reply.close()
        if not outgoing.body.replayable:
            raise UpstreamFailed("The server wanted a fresh login; send the request again.", slug="not_replayable")
        reply = await self._transport.send(self._signed(outgoing))
        self._fresh(reply, fresh)
        return reply

    async def _ask(self, outgoing: Outgoing) -> None:
        used = self._challenge
        bare = Outgoing("HEAD", outgoing.target, _bodiless(outgoing.headers), Body(), outgoing.route)
        reply = await self._transport.send(self._signed(bare))
        reply.close()
        self._fresh(reply, used)

    def _fresh(self, reply: Reply, used: DigestChallenge | None) -> DigestChallenge | None:
        """The challenge to answer now; None where the reply is the last word. One that was answered and comes back
        without `stale` means a wrong password, and that is not tried twice."""
        following = _NEXT_NONCE.search(reply.headers.get(names.AUTHENTICATION_INFO, ""))
        if following is not None and used is not None:
            self._adopt(DigestChallenge(used.realm, following[1], used.algorithm, used.has_qop, used.opaque, False))
        if reply.status != names.CODE_UNAUTHORIZED:
            return None
        challenge = digest.choose(parse_challenges(reply.headers.get(names.WWW_AUTHENTICATE, "")))
        if challenge is not None and (used is None or challenge.is_stale):
            self._adopt(challenge)
            return challenge
        self._challenge = None
        return None

    def _adopt(self, challenge: DigestChallenge) -> None:
        self._challenge, self._count = challenge, 0

    def _signed(self, outgoing: Outgoing) -> Outgoing:
        if self._challenge is None:
            return outgoing
        self._count += 1
        value = digest.answer(
            self._challenge,
            self._login,
            method=outgoing.method,
            request_target=outgoing.target.path_and_query,
            count=self._count,
            cnonce=secrets.token_hex(8),
        )
        headers = {**outgoing.headers, names.AUTHORIZATION: value}
        return Outgoing(outgoing.method, outgoing.target, headers, outgoing.body, outgoing.route)


def _bodiless(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != names.CONTENT_TYPE}

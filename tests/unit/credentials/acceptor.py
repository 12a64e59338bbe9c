"""The other side of NTLM, and a session before it."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field

import spnego
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import NegotiateOptions, SpnegoError

from proxy.credentials.windows import WindowsSession
from proxy.identity import HttpLogin, Scheme
from proxy.secret import Secret
from proxy.traffic import Reply
from tests.unit.credentials.wire import Sent, Wire, outgoing, read, streamed
from tests.unit.credentials.world import PASSWORD

LOGIN = HttpLogin(Scheme.NTLM, "webmap", Secret(PASSWORD), "CITY")
WRONG = HttpLogin(Scheme.NTLM, "webmap", Secret("another"), "CITY")
FIRST, LAST = b"NTLMSSP\x00\x01", b"NTLMSSP\x00\x03"


@dataclass(slots=True)
class Acceptor:
    """A web server that signs connections in. `closes` says after which answers it hangs up."""

    offers: str = "NTLM"
    closes: Callable[[Sent, int], bool] = lambda sent, status: False
    bindings: GssChannelBindings | None = None
    good: int = 0
    wrong: int = 0  # logins that came to an end and were refused: what locks accounts
    users: dict[tuple[int, int], str] = field(default_factory=dict)
    _contexts: dict[tuple[int, int], spnego.ContextProxy] = field(default_factory=dict)

    def __call__(self, sent: Sent) -> Reply:
        reply = self._reply(sent)
        if self.closes(sent, reply.status):
            reply.headers["connection"] = "close"
            self.users.pop((sent.lane, sent.connection), None)
            self._contexts.pop((sent.lane, sent.connection), None)
        return reply

    def _reply(self, sent: Sent) -> Reply:
        where = (sent.lane, sent.connection)
        scheme, _, token = sent.authorization.partition(" ")
        if not token:
            return Reply(200, {}, streamed(b"ma", b"p")) if where in self.users else self._no(self.offers)
        self.users.pop(where, None)
        try:
            context = self._contexts.pop(where, None) or self._context(scheme)
            said = context.step(b64decode(token))
        except (SpnegoError, ValueError):
            self.wrong += 1
            return self._no(self.offers)
        if not context.complete:
            self._contexts[where] = context
            return self._no(f"{scheme} {b64encode(said or b'').decode()}")
        self.good += 1
        self.users[where] = context.client_principal or "?"
        return Reply(200, {}, streamed(b"ma", b"p"))

    def _context(self, scheme: str) -> spnego.ContextProxy:
        is_ntlm = scheme == "NTLM"
        return spnego.server(
            hostname="gis.example.com",
            service="HTTP",
            protocol="ntlm" if is_ntlm else "negotiate",
            options=NegotiateOptions.use_ntlm if is_ntlm else NegotiateOptions.use_negotiate,
            channel_bindings=self.bindings,
        )

    def _no(self, says: str) -> Reply:
        return Reply(401, {"www-authenticate": says}, streamed(b"Access is denied."))


def start(acceptor: Callable[[Sent], Reply] | None = None, login: HttpLogin = LOGIN) -> tuple[Wire, WindowsSession]:
    wire = Wire(acceptor or Acceptor())
    return wire, WindowsSession(login, wire)


def message(sent: Sent) -> bytes:
    """The message of NTLM in a request, up to its number; empty without one."""
    return b64decode(sent.authorization.partition(" ")[2])[:9]


async def ask(session: WindowsSession) -> int:
    """One request from its beginning to its end."""
    reply = await session.send(outgoing())
    await read(reply)
    reply.close()
    return reply.status


def all_is_given_back(wire: Wire) -> bool:
    return all(lane.releases == 1 and not lane.is_taken for lane in wire.lanes) and len(wire.idle) == len(wire.lanes)

"""Takes echoed secrets out of answers on their way down: the waiting half of `core.redact`."""

import re
from collections.abc import AsyncIterator
from typing import Final

from proxy import names
from proxy.core.forms import forms_of
from proxy.core.inflate import Inflater, coding_of
from proxy.core.redact import Redactor, is_opaque, is_text, whole_without, without_secrets
from proxy.core.repeated import Answered
from proxy.errors import UpstreamFailed
from proxy.identity import Identity
from proxy.model import Rule
from proxy.ports import Clock
from proxy.traffic import Exchange, Reply, Token
from proxy.upstream.failures import unknown_coding
from proxy.upstream.pieces import Scan, chained, inflated, redacted, scanned

# A parameter called so holds a secret; the values of others (a forced `where`) may well stand in an answer.
_KEY: Final = re.compile("(?:key|token|secret|passw(?:or)?d|pwd|signature|^sig|^auth|^code)$", re.IGNORECASE)
_HELD: Final = 64 * 1024  # bytes of a compressed text that are looked through before the first is sent
_NOT_OF_THE_TEXT: Final = (names.CONTENT_ENCODING, names.CONTENT_LENGTH, names.ETAG, names.ACCEPT_RANGES)


def secrets_of(rule: Rule) -> tuple[str, ...]:
    """What goes up with every request of a rule, beside a token, and must not come down."""
    found = [value.reveal() for name, value in rule.set_parameters if _KEY.search(name)]
    return (*found, *secrets_of_identity(rule.route.identity))


def with_token(secrets: tuple[str, ...], token: Token, clock: Clock) -> tuple[str, ...]:
    """`secrets`, the token that went up with this attempt, and those before it that have not ended: a server may keep
    what it wrote with one of them."""
    if not token.before:
        return (token.value.reveal(), *secrets)
    now = clock()
    living = (token, *[each for each in token.before if now < each.expires_at])
    return (*[each.value.reveal() for each in living], *secrets)


def secrets_of_identity(identity: Identity | None) -> tuple[str, ...]:
    """What every request of this identity shows to its servers."""
    if identity is None:
        return ()
    found = [value.reveal() for _, value in identity.headers]
    if identity.login is not None:
        found.append(identity.login.password.reveal())
    return tuple(found)


def is_clean(reply: Reply, text: bytes | None, secrets: tuple[str, ...]) -> bool:
    """Whether a quick look tells that `conceal` would find nothing, as it mostly does: the headers are those that the
    server has sent before, and the body is a picture or has a `text` in the clear (`inflate.in_the_clear`)."""
    headers = reply.headers
    if not isinstance(headers, Answered) or reply.status != 200:
        return False
    repeated = headers.repeated
    if repeated.clean_of != secrets:
        said = "\n".join(headers.values())
        if without_secrets(said, secrets) is not said:
            return False
        kind = headers.get(names.CONTENT_TYPE, "")
        repeated.clean_of = secrets
        repeated.is_picture = not is_text(kind) and is_opaque(kind)
        repeated.is_text = is_text(kind)
    if repeated.is_text:
        return text is not None and not forms_of(secrets, False).may_be_in(text)
    return repeated.is_picture


async def conceal(reply: Reply, secrets: tuple[str, ...], exchange: Exchange) -> None:
    """Makes `reply` one without `secrets`, in headers and text, and in files where they stand uncompressed. Lengths
    stay, but for a compressed text that has one: that is sent in the clear. Raises UpstreamFailed; `reply` is then
    closed by the caller."""
    said = "\n".join(reply.headers.values())
    clean = without_secrets(said, secrets)
    if clean is not said:
        length = {name: reply.headers[name] for name in (names.CONTENT_LENGTH,) if name in reply.headers}
        # No value has a line break. A length says nothing, whatever secret has the same digits
        reply.headers = dict(zip(reply.headers, clean.split("\n"), strict=True)) | length
    kind = reply.headers.get(names.CONTENT_TYPE, "")
    coding = coding_of(reply.headers)
    if reply.status in (204, 304):
        return
    if not is_text(kind):
        if not is_opaque(kind) and not coding:
            _plain(reply, secrets, exchange, in_binary=True)
        return
    if reply.status == 206:
        # Of a text in parts, a part may end within a secret and the next begin there
        raise UpstreamFailed("Ranges of a text are not passed on.", "Ask for the whole.", slug="range_of_text")
    if not coding:
        _plain(reply, secrets, exchange, in_binary=False)
    elif Inflater.knows(coding):
        await _compressed(reply, coding, secrets, exchange)
    else:
        raise unknown_coding()


def _plain(reply: Reply, secrets: tuple[str, ...], exchange: Exchange, *, in_binary: bool) -> None:
    if isinstance(reply.body, bytes):
        reply.body, count = whole_without(reply.body, secrets, in_binary=in_binary)
        exchange.redacted += count
    else:
        reply.body = redacted(reply.body, Redactor(secrets, in_binary=in_binary), exchange)


async def _compressed(reply: Reply, coding: str, secrets: tuple[str, ...], exchange: Exchange) -> None:
    """As it came where there is nothing to take out, which is nearly always."""
    scan = Scan(coding, secrets)
    held, rest = await _begun(reply.body, scan)
    if scan.found:
        clear = inflated(chained(held, rest), coding)
        reply.headers = {name: value for name, value in reply.headers.items() if name not in _NOT_OF_THE_TEXT}
        reply.body = redacted(clear, Redactor(secrets), exchange)
    else:
        reply.body = b"".join(held) if rest is None else scanned(held, rest, scan)


async def _begun(body: bytes | AsyncIterator[bytes], scan: Scan) -> tuple[list[bytes], AsyncIterator[bytes] | None]:
    """What comes first of a body, looked through, and the rest of it; None where that is the whole."""
    if isinstance(body, bytes):
        scan.look(body)
        scan.end()
        return [body], None
    held: list[bytes] = []
    while sum(map(len, held)) < _HELD and not scan.found:
        piece = await anext(body, None)
        if piece is None:
            scan.end()
            return held, None
        held.append(piece)
        scan.look(piece)
    return held, body

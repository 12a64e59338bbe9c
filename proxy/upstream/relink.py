"""Rewrites the links in answers on their way down: the waiting half of `core.rewrite`."""

import zlib
from collections.abc import AsyncIterator
from typing import Final

from proxy import names
from proxy.core.inflate import GZIP_WINDOW, Inflater, coding_of
from proxy.core.rewrite import Rewriter
from proxy.core.spellings import Links
from proxy.errors import UpstreamFailed
from proxy.traffic import Reply
from proxy.upstream.failures import unknown_coding
from proxy.upstream.pieces import chained, inflated

_HELD: Final = 64 * 1024  # bytes of a text that are looked through before the first is sent
_LEVEL: Final = 1  # of compression: the text was compressed better, but nobody waited for that one


async def relink(reply: Reply, links: Links, public: str, *, is_head: bool) -> None:
    """Makes `reply`, a text, one whose links lead to `public`. Raises UpstreamFailed; `reply` is then closed by the
    caller.

    A short text that turns out to have no links stays as it came, byte for byte. Any other has a weak validator: what
    is said is the same, the bytes are not (RFC 9110 §8.8.1).
    """
    if reply.status == 206:
        raise UpstreamFailed("Ranges of a text are not passed on.", "Ask for the whole.", slug="range_of_text")
    coding = coding_of(reply.headers)
    if coding and not Inflater.knows(coding):
        raise unknown_coding()
    reply.headers.pop(names.ACCEPT_RANGES, None)
    held, rest = await _begin(reply.body)
    if rest is None and not is_head and not await _has_links(held, coding, links):
        reply.body = b"".join(held)
        return
    weaken(reply)
    reply.headers.pop(names.CONTENT_LENGTH, None)
    if Inflater.knows(coding):
        reply.headers[names.CONTENT_ENCODING] = "gzip"
    rewritten = _rewritten(chained(held, rest), coding, Rewriter(links, public))
    if rest is None and not is_head:
        reply.body = b"".join([piece async for piece in rewritten])
        reply.headers[names.CONTENT_LENGTH] = str(len(reply.body))
    else:
        reply.body = rewritten


def weaken(reply: Reply) -> None:
    """Makes the entity tag, if there is one, a weak one."""
    tag = reply.headers.get(names.ETAG, "")
    if tag and not tag.startswith("W/"):
        reply.headers[names.ETAG] = f"W/{tag}"


async def _begin(body: bytes | AsyncIterator[bytes]) -> tuple[list[bytes], AsyncIterator[bytes] | None]:
    """What comes first of a body, and the rest of it; None where that is the whole."""
    if isinstance(body, bytes):
        return [body], None
    held: list[bytes] = []
    while sum(map(len, held)) < _HELD:
        piece = await anext(body, None)
        if piece is None:
            return held, None
        held.append(piece)
    return held, body


async def _has_links(held: list[bytes], coding: str, links: Links) -> bool:
    rewriter = Rewriter(links, "")
    async for piece in _clear(chained([*held], None), coding):
        rewriter.feed(piece)
    rewriter.finish()
    return rewriter.count > 0


async def _rewritten(body: AsyncIterator[bytes], coding: str, rewriter: Rewriter) -> AsyncIterator[bytes]:
    """In the clear if it came so, else compressed again."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, GZIP_WINDOW) if Inflater.knows(coding) else None
    async for piece in _clear(body, coding):
        text = rewriter.feed(piece)
        if made := compressor.compress(text) if compressor else text:
            yield made
    text = rewriter.finish()
    if made := compressor.compress(text) + compressor.flush() if compressor else text:
        yield made


def _clear(body: AsyncIterator[bytes], coding: str) -> AsyncIterator[bytes]:
    return inflated(body, coding) if Inflater.knows(coding) else body

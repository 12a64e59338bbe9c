"""Request bodies on their way up: whole where they can be sent again, else a stream that is sent once."""

import re
from collections.abc import AsyncIterator
from typing import Final

from proxy import names
from proxy.core.multipart import MultipartFilter, boundary_of
from proxy.core.parameters import form_without
from proxy.errors import BadRequest, BodyTooLarge
from proxy.traffic import Body, Incoming

_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]*)", re.IGNORECASE)
_PLAIN_CHARSETS: Final = frozenset(("utf-8", "utf8", "us-ascii", "iso-8859-1"))
KEPT: Final = 1024 * 1024  # bytes of a body that are kept for one replay


async def take(incoming: Incoming, *, limit: int) -> Body:
    """The client's body, at most `limit` bytes. Raises BodyTooLarge, at once where the length is declared.

    Forms are always read whole, since they hold parameters that have to be judged; other bodies up to 1 MiB.
    """
    if not incoming.has_body:
        return Body()
    content_type = incoming.headers.get(names.CONTENT_TYPE, "")
    if is_form(content_type) and any(c.lower() not in _PLAIN_CHARSETS for c in _CHARSET.findall(content_type)):
        # What was judged in one charset would be read in another
        raise BadRequest("A form is taken in UTF-8 alone.", slug="bad_body")
    declared = incoming.headers.get(names.CONTENT_LENGTH)
    length = int(declared) if declared is not None else None
    if length is not None and length > limit:
        raise _too_large(limit)
    kept = limit if is_form(content_type) else min(KEPT, limit)
    pieces = _bounded(incoming.read_body(), limit)
    head = bytearray()
    async for piece in pieces:
        head += piece
        if len(head) > kept:
            return Body(None, _chained(bytes(head), pieces), length)
    whole = bytes(head)
    return Body(whole, None, len(whole))


def without(body: Body, content_type: str, dropped: frozenset[str]) -> Body:
    """`body` less the fields and parts called so (lower-case)."""
    if body.whole == b"":
        return body
    if is_form(content_type) and body.whole is not None:
        whole = form_without(body.whole, dropped)
        return Body(whole, None, len(whole))
    boundary = boundary_of(content_type) if kind_of(content_type) == names.MULTIPART_TYPE else None
    if boundary is None:
        return body
    filtered = MultipartFilter(boundary, dropped)
    if body.whole is not None:
        whole = filtered.feed(body.whole) + filtered.finish()
        return Body(whole, None, len(whole))
    # How much will be taken out is not known before the end, so the length is not either.
    return Body(None, _filtered(body.stream, filtered), None) if body.stream is not None else body


def kind_of(content_type: str) -> str:
    """The media type without its parameters, lower-case."""
    return content_type.partition(";")[0].strip().lower()


def is_form(content_type: str) -> bool:
    return kind_of(content_type) == names.FORM_TYPE


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {limit} bytes.", "server.limits.body sets the limit.")


async def _bounded(stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    seen = 0
    async for piece in stream:
        seen += len(piece)
        if seen > limit:
            raise _too_large(limit)
        yield piece


async def _chained(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for piece in rest:
        yield piece


async def _filtered(stream: AsyncIterator[bytes], filtered: MultipartFilter) -> AsyncIterator[bytes]:
    async for piece in stream:
        if kept := filtered.feed(piece):
            yield kept
    if kept := filtered.finish():
        yield kept

"""Request bodies on their way up: whole where they can be sent again, else a stream that is sent once."""

from collections.abc import AsyncIterator
from typing import Final

from proxy import names
from proxy.core import content
from proxy.core.multipart import MultipartFilter
from proxy.core.parameters import Field, of_form, of_json
from proxy.errors import BodyTooLarge
from proxy.traffic import Body, Incoming

KEPT: Final = 1024 * 1024  # bytes of a body that are kept for one replay


async def take(incoming: Incoming, *, limit: int) -> Body:
    """The client's body, at most `limit` bytes. Raises BodyTooLarge, at once where the length is declared, and
    BadRequest for a body that cannot be judged (`content.check`).

    Forms are always read whole, since they hold parameters that have to be judged; other bodies up to 1 MiB.
    """
    if not incoming.has_body:
        return Body()
    content.check(incoming.headers)
    declared = incoming.headers.get(names.CONTENT_LENGTH)
    length = int(declared) if declared is not None else None
    if length is not None and length > limit:
        raise _too_large(limit)
    kept = limit if content.is_form(incoming.headers.get(names.CONTENT_TYPE, "")) else min(KEPT, limit)
    pieces = _bounded(incoming.read_body(), limit)
    head = bytearray()
    async for piece in pieces:
        head += piece
        if len(head) > kept:
            return Body(None, _chained(bytes(head), pieces), length)
    return _whole(bytes(head))


def judged(body: Body, content_type: str, *, dropped: frozenset[str], read: frozenset[str]) -> tuple[Body, list[Field]]:
    """`body` less the fields and parts called as in `dropped`, and the fields called as in `read`. Raises BadRequest.

    Of a stream nothing is read: see `check_stream`.
    """
    if body.whole == b"":
        return body, []
    if content.is_multipart(content_type):
        filtered = MultipartFilter(content.boundary_of(content_type), dropped, read if body.whole else frozenset())
        if body.whole is not None:
            return _whole(filtered.feed(body.whole) + filtered.finish()), filtered.fields
        # How much will be taken out is not known before the end, so the length is not either.
        return Body(None, _filtered(body.stream, filtered), None) if body.stream is not None else body, []
    if body.whole is not None and content.is_form(content_type):
        form, fields = of_form(body.whole, dropped, read)
        return _whole(form), fields
    if body.whole is not None and content.is_json(content_type):
        return body, of_json(body.whole, dropped, read)
    return body, []


def check_stream(body: Body, content_type: str, *, is_edit: bool, is_filtered: bool) -> None:
    """Raises BodyTooLarge for a body whose parameters would have to be judged, and which is too long for that."""
    if body.stream is None:
        return
    is_json = content.is_json(content_type)
    if (is_json and is_filtered) or ((is_json or content.is_multipart(content_type)) and not is_edit):
        raise BodyTooLarge(
            f"A body of this kind is judged by the rule, and is larger than {KEPT} bytes.",
            "Send the parameters as application/x-www-form-urlencoded.",
        )


def _whole(whole: bytes) -> Body:
    return Body(whole, None, len(whole))


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

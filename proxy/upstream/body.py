"""Request bodies on their way up: whole where they can be sent again, else a stream that is sent once."""

from typing import Final, NamedTuple

from proxy import names
from proxy.core import content, demands
from proxy.core.multipart import MultipartFilter
from proxy.core.operation_table import JUDGED
from proxy.core.parameters import Field, of_form, of_json
from proxy.core.soap import soap_element
from proxy.errors import BodyTooLarge, Overloaded
from proxy.traffic import Body, Incoming
from proxy.upstream.pieces import bounded, chained, filtered

KEPT: Final = 1024 * 1024  # bytes of a body that are kept for one replay
_ROOM: Final = 128 * 1024 * 1024  # bytes of all bodies that are held at a time
_FREE: Final = 64 * 1024  # bytes of each that do not count: ordinary forms pass however many large ones wait


class Judged(NamedTuple):
    """A body as it goes up, the parameters in it, and the first element of its SOAP Body, where it is XML."""

    body: Body
    fields: list[Field]
    element: str | None


class Room:
    """Memory for the bodies of all requests together. Clients may send the largest that are allowed on every one of
    their connections, and end none of them for hours."""

    def __init__(self, most: int = _ROOM) -> None:
        self.most = most
        self.taken = 0

    def stay(self) -> "Stay":
        """For the body of one request."""
        return Stay(self)


class Stay:
    """What one body takes of the room, until its request is answered."""

    __slots__ = ("_room", "_taken")

    def __init__(self, room: Room) -> None:
        self._room, self._taken = room, 0

    def close(self) -> None:
        """The request is answered; to be called once."""
        self._room.taken -= self._taken

    def grow(self, size: int) -> None:
        """The body has `size` bytes by now. Raises Overloaded where there is no room; the first of all always has."""
        more = size - _FREE - self._taken
        if more <= 0:
            return
        others = self._room.taken - self._taken
        if others and self._room.taken + more > self._room.most:
            raise Overloaded("Too many large requests at a time.", retry_after=1)
        self._room.taken += more
        self._taken += more


async def take(incoming: Incoming, stay: Stay, limit: int) -> Body:
    """The client's body, at most `limit` bytes. Raises BodyTooLarge, at once where the length is declared, BadRequest
    for a body that cannot be judged (`content.check`), and Overloaded.

    Forms are always read whole, since they hold parameters that have to be judged; other bodies up to 1 MiB.
    """
    if incoming.body is None:
        return Body()
    content.check(incoming.headers)
    declared = incoming.headers.get(names.CONTENT_LENGTH)
    length = int(declared) if declared is not None else None
    if length is not None and length > limit:
        raise _too_large(limit)
    kept = limit if content.is_form(incoming.headers.get(names.CONTENT_TYPE, "")) else min(KEPT, limit)
    pieces = bounded(incoming.body, limit, _too_large(limit))
    head = bytearray()
    async for piece in pieces:
        head += piece
        stay.grow(len(head))
        if len(head) > kept:
            return Body(None, chained([bytes(head)], pieces), length)
    return _whole(bytes(head))


def judged(body: Body, content_type: str, *, dropped: frozenset[str]) -> Judged:
    """`body` less the fields and parts called as in `dropped`, and what it says. Raises BadRequest.

    Of a stream nothing is read: see `check_stream`.
    """
    whole, fields = body.whole, list[Field]()
    element: str | None = None
    if whole == b"":
        return Judged(body, fields, element)
    if whole is None:
        return Judged(_filtered(body, content_type, dropped), fields, element)
    if content.is_form(content_type):
        whole, fields = of_form(whole, dropped, JUDGED)
    elif whole and content.is_multipart(content_type):
        form = MultipartFilter(content.boundary_of(content_type), dropped, JUDGED)
        whole = form.feed(whole) + form.finish()
        fields = form.fields
    elif content.is_json(content_type):
        fields = of_json(whole, dropped, JUDGED)
    elif (element := soap_element(whole)) is not None:
        fields = demands.in_xml(whole)
    return Judged(_whole(whole), fields, element)


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


def _filtered(body: Body, content_type: str, dropped: frozenset[str]) -> Body:
    """A stream as it goes up. How much will be taken out is not known before its end, so the length is not either."""
    if body.stream is None or not content.is_multipart(content_type):
        return body
    return Body(None, filtered(body.stream, MultipartFilter(content.boundary_of(content_type), dropped)), None)

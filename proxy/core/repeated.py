"""Headers that come again and again, as browsers and servers send them, and what becomes of them: it is kept with them.

Works nothing out: what crosses is decided in `hygiene`, how it is written in `upstream.wire`.
"""

from collections.abc import Mapping


class Upward(dict[str, str]):
    """The headers of a request on its way up, not to be changed once they were sent: hundreds of requests go up with
    the same ones. `text` is how they are written; "" where that was not worked out."""

    __slots__ = ("_more", "text")

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.text = ""
        self._more: tuple[str, str, Upward] | None = None

    def plus(self, name: str, value: str) -> "Upward":
        """With one header more; the last that was asked for is kept."""
        known = self._more
        if known is not None and known[0] == name and known[1] == value:
            return known[2]
        more = Upward(self)
        more[name] = value
        self._more = name, value, more
        return more


class Repeated:
    """What a server says with one answer after the other, less date and length. `down` is what crosses of it, once by
    itself and once with a credential; `clean_of` are the secrets that were last looked for in it, and are not there,
    and then it is known what kind of body it announces. `opening` is how its answers begin that were made with a
    credential, for those who are told the same beside it (`web.express`): what they are told, and the text."""

    __slots__ = ("clean_of", "down", "headers", "is_picture", "is_text", "opening")

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self.down: dict[bool, dict[str, str]] = {}
        self.clean_of: tuple[str, ...] = ()
        self.is_picture = self.is_text = False
        self.opening: tuple[Mapping[str, str], str] | None = None


class Answered(dict[str, str]):
    """The headers of an answer as the server gave them, not to be changed; all but date and length are `repeated`."""

    __slots__ = ("repeated",)

    repeated: Repeated

"""What a client got, however it asked: the one noun of an answer for tests on sockets. Asks nobody."""

import json
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(slots=True)
class Got:
    """An answer. Header names are lower-case; `body` is decoded where the client decodes it."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """The media type."""
        return self.headers.get("content-type", "").partition(";")[0]

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error envelope, which has the HTTP status as its code."""
        error: dict[str, Any] = self.json["error"]
        assert error["code"] == self.status
        return error


async def got(response: aiohttp.ClientResponse) -> Got:
    return Got(
        response.status, {name.lower(): value for name, value in response.headers.items()}, await response.read()
    )

"""A login service, and a proxy that lets in whom it signed in."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import jwt
import pytest
from aiohttp import web

from tests.live.conftest import Build, Got, World, config
from tests.unit.users.issuer import jwk, jwks, private

ISSUER, AUDIENCE = "https://login.example.com/realms/city", "maps"
RSA, NEW = private("RSA-2048"), private("RSA-2048", 1)


class LoginService:
    """Serves its keys and signs tokens."""

    def __init__(self) -> None:
        self.keys, self.asked, self.port, self.status = jwks(jwk(RSA)), list[str](), 0, 200

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.port = self.runner.addresses[0][1]

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.Response(body=self.keys, status=self.status, content_type="application/jwk-set+json")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/certs"

    def token(self, *, key: Any = RSA, algorithm: str = "RS256", kid: str = "k1", **more: Any) -> str:
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "1234", "preferred_username": "anna", "exp": now + 300}
        payload = {name: value for name, value in (usual | more).items() if value is not None}
        return jwt.encode(payload, key, algorithm, {"kid": kid})


@pytest.fixture
async def login() -> AsyncIterator[LoginService]:
    service = LoginService()
    await service.start()
    yield service
    await service.runner.cleanup()


Door = Callable[..., Awaitable[World]]


@pytest.fixture
def door(build: Build, arcgis: Any, login: LoginService) -> Door:
    """A proxy whose one rule is for `users`; `source` adds to the settings of the front door."""

    async def start(
        users: Any = "required",
        source: dict[str, Any] | None = None,
        top: dict[str, Any] | None = None,
        **rule: Any,
    ) -> World:
        document = config(arcgis.url, users=users, **rule)
        jwt_source = {
            "source": "jwt",
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "jwksUrl": login.url,
            "cookie": "session",
        }
        document["users"] = source or jwt_source
        for name, value in (top or {}).items():
            document[name] = {**document[name], **value} if isinstance(value, dict) else value
        world: World = await build(document)
        return world

    return start


async def with_token(world: World, token: str, path: str = "Secure/City/MapServer?f=json", **headers: str) -> Got:
    world.secrets |= {part for part in (token, token.rpartition(".")[2]) if len(part) > 20}
    return await world.client.get(world.url(path), Cookie=f"other=1; session={token}", **headers)


def is_quiet(got: Got) -> bool:
    """Whether no SDK opens its sign-in dialog at this."""
    error = got.json["error"]
    assert got.status == error["code"] == 403
    return bool((error["subcode"], error["messageCode"]) == (1, "SB_0008"))

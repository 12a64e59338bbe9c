"""A store of tokens, and the service that they come from."""

import asyncio
from dataclasses import replace

import pytest

from proxy.credentials.store import TokenStore
from proxy.errors import CredentialRefused
from proxy.ports import TokenSource
from proxy.secret import Secret
from proxy.traffic import Audience, Token
from proxy.urls import Origin, Server

AUDIENCE = Audience("c", Server(Origin("https", "h", 443), "/arcgis"), "")
OTHER_REFERER = replace(AUDIENCE, referer="https://other.example.com/")


class Service:
    """The outside world: a token service that answers when it is told to."""

    def __init__(self, fingerprint: str = "1") -> None:
        self.calls = 0
        self.go = asyncio.Event()
        self.go.set()
        self.error: Exception | None = None
        self.now = 0.0
        self._fingerprint = fingerprint

    def clock(self) -> float:
        return self.now

    def fingerprint(self) -> str:
        return self._fingerprint

    async def fetch(self, audience: Audience, tokens: TokenSource) -> Token:
        self.calls += 1
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return Token(Secret(f"token {self.calls}"), audience, self.now, self.now + 3600)


def store_of(service: Service) -> TokenStore:
    store = TokenStore(service.clock, lambda: 0.5)
    store.replace_providers({"c": service})
    return store


async def refused(store: TokenStore, asked: Audience) -> None:
    with pytest.raises(CredentialRefused):
        await store.get(asked)

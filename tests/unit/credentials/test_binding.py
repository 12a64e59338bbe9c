"""proxy.credentials.binding: a request that outlives a reload takes no new secret to an old server."""

from dataclasses import replace

import pytest

from proxy.core.target import parse_url
from proxy.credentials.arcgis import ArcGISProvider
from proxy.credentials.exchange import ExchangeProvider
from proxy.credentials.oauth import AppProvider
from proxy.credentials.static import StaticProvider
from proxy.errors import CredentialMisconfigured
from proxy.identity import AppCredential, ArcGISCredential, ExchangeCredential, StaticCredential
from proxy.ports import TokenProvider
from proxy.secret import Secret
from proxy.urls import Scope
from tests.unit.credentials.sites import issued, reply
from tests.unit.credentials.world import Tokens, World, audience, server

PORTAL = server("https://portal.example.com/portal")
HERE = (Scope("https", "gis.example.com"),)


def providers(world: World, scopes: tuple[Scope, ...]) -> list[TokenProvider]:
    service, key = world.service(), Secret("canary-secret")
    endpoint = parse_url("https://portal.example.com/portal/sharing/rest/oauth2")
    user = ArcGISCredential("city", "u", key, scopes=scopes)
    return [
        ArcGISProvider(user, service),
        ArcGISProvider(replace(user, token_service=parse_url("https://portal.example.com/t")), service),
        ArcGISProvider(replace(user, portal=PORTAL), service),
        AppProvider(AppCredential("city", "id", key, endpoint, PORTAL, scopes=scopes), service),
        ExchangeProvider(ExchangeCredential("city", PORTAL, scopes=scopes), service),
        StaticProvider(StaticCredential("city", key, scopes=scopes), world.clock),
    ]


@pytest.mark.parametrize("which", range(6))
@pytest.mark.parametrize(
    "url",
    [
        "https://old.example.com/arcgis",
        "http://gis.example.com/arcgis",
        "https://gis.example.com:6443/arcgis",
        "https://gis.example.com.evil.example/arcgis",
        "https://www.arcgis.com",
    ],
)
async def test_a_server_that_is_none_of_the_credentials_gets_nothing(which: int, url: str) -> None:
    world = World()
    tokens = Tokens("portal-token")
    with pytest.raises(CredentialMisconfigured) as caught:
        await providers(world, HERE)[which].fetch(audience(url), tokens)
    assert caught.value.slug == "foreign_credential"
    assert (world.calls, tokens.asked) == ([], [])


async def test_the_portal_of_arcgis_onlines_servers_is_on_another_of_its_hosts() -> None:
    online = "https://www.arcgis.com"
    named = reply({"currentVersion": 11, "authInfo": {"tokenServicesUrl": f"{online}/sharing/rest/generateToken"}})
    world = World({f"{online}/rest/info": named, f"{online}/sharing/rest/generateToken": issued()})
    scopes = (Scope("https", "services.arcgis.com"),)
    user = ArcGISCredential("city", "u", Secret("canary-secret"), scopes=scopes)
    token = await ArcGISProvider(user, world.service()).fetch(audience(online), Tokens("x"))
    assert token.value == Secret("issued-token")

"""A portal on another host than the servers that take its tokens: its addresses, and who logs in there."""

from proxy.core.target import parse_url
from proxy.credentials.exchange import ExchangeProvider
from proxy.credentials.oauth import AppProvider
from proxy.identity import AppCredential, ExchangeCredential
from proxy.secret import Secret
from tests.unit.credentials.world import SCOPES, World, server

PORTAL = "https://portal.example.com/portal"
OAUTH = f"{PORTAL}/sharing/rest/oauth2"
APP_TOKEN = f"{OAUTH}/token"
EXCHANGE = f"{PORTAL}/sharing/rest/generateToken"
SECRET = "canary s3cret+&=é"


def app(
    world: World, endpoint: str = OAUTH, portal: str = PORTAL, expiration: int = 120, secret: str = SECRET
) -> AppProvider:
    """An app, with its own secret."""
    base, at = parse_url(endpoint), server(portal)
    credential = AppCredential("app", "client 1", Secret(secret), base, at, expiration=expiration, scopes=SCOPES)
    return AppProvider(credential, world.service(expiration))


def exchange(world: World) -> ExchangeProvider:
    """Whoever the portal's web server has let in."""
    return ExchangeProvider(ExchangeCredential("city", server(PORTAL), scopes=SCOPES), world.service())

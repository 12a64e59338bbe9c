"""The way out through the organisation's own proxy, where a route or the environment names one."""

from base64 import b64encode
from dataclasses import dataclass, replace
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

from yarl import URL

from proxy import names
from proxy.core.addresses import names_loopback
from proxy.core.target import parse_url
from proxy.errors import BadRequest, UpstreamFailed
from proxy.identity import Reach, Route
from proxy.urls import Origin


@dataclass(frozen=True, slots=True)
class WayOut:
    """The proxy that is dialled in the server's place: `route` is what its address is judged by."""

    url: URL
    headers: dict[str, str]
    route: Route


def way_out(origin: Origin, route: Route) -> WayOut | None:
    """The outbound proxy for `origin`; None where it is dialled directly.

    Raises UpstreamFailed where the environment names one that cannot be used.
    """
    configured = route.outbound_proxy
    if configured is None:
        return None
    if configured.origin is None:
        return _of_environment(origin, route)
    password = configured.password.reveal() if configured.password else ""
    return _to(configured.origin, configured.username, password, route)


def _of_environment(origin: Origin, route: Route) -> WayOut | None:
    """HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, as Python's own clients read them."""
    proxies = getproxies_environment()
    named = proxies.get(origin.scheme) or proxies.get("all")
    if not named or proxy_bypass_environment(f"{origin.host}:{origin.port}", proxies):
        return None
    url = URL(named if "://" in named else f"http://{named}")
    try:
        return _to(parse_url(str(url.origin())).origin, url.user or "", url.password or "", route)
    except (BadRequest, ValueError):
        raise UpstreamFailed("The environment names an outbound proxy that cannot be used.") from None


def _to(proxy: Origin, username: str, password: str, route: Route) -> WayOut:
    pair = b64encode(f"{username}:{password}".encode()).decode("ascii")
    headers = {names.PROXY_AUTHORIZATION: f"Basic {pair}"} if username else {}
    url = URL.build(scheme=proxy.scheme, host=proxy.host, port=proxy.port)
    reach = Reach.LOOPBACK if names_loopback(proxy.host) else Reach.LISTED
    return WayOut(url, headers, replace(route, reach=reach))

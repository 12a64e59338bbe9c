"""Configurations and exchanges for tests, with one thing said and the rest as it usually is."""

from typing import Any

from proxy.identity import ArcGISCredential, Route
from proxy.model import AdmitPolicy, Configuration, Limits, Listen
from proxy.secret import Secret
from proxy.traffic import Exchange
from tests.unit.core.rules import ROADS as ROADS
from tests.unit.core.rules import rule

PARKS = "https://gis.example.com/parks"


def configuration(*names: str, **more: Any) -> Configuration:
    """One rule for each name, and the credential `city`."""
    given: dict[str, Any] = {
        "listen": Listen("127.0.0.1", 0),
        "paths": ("/proxy",),
        "public_url": None,
        "trusted_proxies": (),
        "tls": None,
        "workers": 1,
        "limits": Limits(),
        "admin_listen": None,
        "must_match": True,
        "admit": AdmitPolicy((), False, (), frozenset()),
        "credentials": (ArcGISCredential("city", "webmap", Secret("canary")),),
        "rules": tuple(rule(name) for name in names),
        "unlisted_route": Route(),
        "log_level": "info",
        "log_format": "json",
        "source": "proxy.yaml",
    }
    return Configuration(**(given | more))


def exchange(**more: Any) -> Exchange:
    """A request for roads that went well."""
    found = Exchange("r-1", "GET", 100.0, "192.0.2.7")
    for name, value in ({"outcome": "ok", "status": 200, "rule": ROADS} | more).items():
        assert hasattr(found, name), name
        setattr(found, name, value)
    return found

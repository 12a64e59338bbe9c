"""What ArcGIS sites say of themselves."""

from proxy.traffic import Answer
from tests.unit.credentials.world import reply

SITE = "https://gis.example.com/arcgis"
INFO = f"{SITE}/rest/info"
GENERATE = f"{SITE}/tokens/generateToken"


def info(token_services: str | None = f"{SITE}/tokens/", **more: object) -> Answer:
    return reply({"currentVersion": 11.1, "authInfo": {"tokenServicesUrl": token_services}, **more})


PORTAL = "https://gis.example.com/portal"
PORTAL_INFO = f"{PORTAL}/sharing/rest/info"
PORTAL_GENERATE = f"{PORTAL}/sharing/rest/generateToken"


def federated(portal: str = PORTAL) -> Answer:
    return info(f"{portal}/sharing/rest/generateToken", owningSystemUrl=portal)

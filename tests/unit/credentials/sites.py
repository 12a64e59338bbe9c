"""What ArcGIS sites say: of themselves, of a login, of a mistake."""

import json

from proxy.traffic import Answer, Headers
from tests.unit.fetcher import WALL

SITE = "https://gis.example.com/arcgis"
INFO = f"{SITE}/rest/info"
GENERATE = f"{SITE}/tokens/generateToken"


def reply(document: object, status: int = 200, headers: Headers | None = None) -> Answer:
    return Answer(status, headers or {}, json.dumps(document).encode())


def issued(token: str = "issued-token", seconds: float = 3600.0) -> Answer:
    return reply({"token": token, "expires": int((WALL + seconds) * 1000)})


def error(code: object, message: str = "No.", details: object = ()) -> dict[str, object]:
    return {"error": {"code": code, "message": message, "details": details}}


def info(token_services: str | None = f"{SITE}/tokens/", **more: object) -> Answer:
    return reply({"currentVersion": 11.1, "authInfo": {"tokenServicesUrl": token_services}, **more})


PORTAL = "https://gis.example.com/portal"
PORTAL_INFO = f"{PORTAL}/sharing/rest/info"
PORTAL_GENERATE = f"{PORTAL}/sharing/rest/generateToken"


def federated(portal: str = PORTAL) -> Answer:
    return info(f"{portal}/sharing/rest/generateToken", owningSystemUrl=portal)

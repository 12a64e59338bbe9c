"""proxy.policy: the configuration in words."""

from pathlib import Path

from proxy.policy import describe
from tests.unit.settings.files import loaded

TEXT = """\
    server: {trustedProxies: [10.0.0.0/8]}
    allowedReferers: ["https://maps.example.com", "http://*.city.example:8080/viewer/*", plain.example]
    allowMissingReferer: true
    mustMatch: %s
    users: {source: forwarded, header: X-User, groupsHeader: X-Groups}
    credentials: {city: {username: webmap, password: canary-secret}}
    serverUrls:
      - {url: "https://gis.example.com/arcgis", credential: city}
      - url: https://gis.example.com/arcgis/rest/services/Secret/MapServer
        matchAll: false
        credential: city
        access: edit
        users: [anna, "group:editors", "user:bert"]
        userHeader: X-Who
        allowOperations: [submitJob]
        denyOperations: [identify]
        allowHtml: true
        allowedReferers: ["*"]
        rateLimit: 600
        setParameters: {layers: show}
        denyParameters: [where]
      - {url: "https://open.example.com/x", access: execute, allowJsonp: true, users: required}
"""
LISTED = "https://maps.example.com, http://*.city.example:8080/viewer/*, plain.example"
PAGES = f"pages of {LISTED} and programs that name no page"


def test_who_may_do_what_as_whom(tmp_path: Path) -> None:
    city, secret, opened, rest = describe(loaded(tmp_path, TEXT % "true"))
    assert city.title == "https://gis.example.com/arcgis and everything under it"
    assert city.lines == (
        ("for", f"anyone, from {PAGES}"),
        ("may", "read: queries, pictures, legends, identify"),
        ("as", "city: token for user webmap"),
    )
    assert secret.title == "https://gis.example.com/arcgis/rest/services/Secret/MapServer alone, with any query"
    assert dict(secret.lines) == {
        "for": "anna, user bert, group editors (as x-user says, believed from 10.0.0.0/8), "
        "from any page in the world, and programs",
        "may": "read, execute and edit; also submitjob; never identify; with the server's HTML pages",
        "as": "city: token for user webmap",
        "at most": "600 requests in 60 minutes for each user",
        "always with": "the proxy's own layers",
        "never with": "the client's own layers, where",
        "tells": "the server the user's name, as x-who",
    }
    assert dict(opened.lines) == {
        "for": f"whoever is signed in (as x-user says, believed from 10.0.0.0/8), from {PAGES}",
        "may": "read, and execute: routing, geocoding in bulk, exports, jobs; with JSONP",
        "as": "nobody: it passes as it is",
    }
    assert (rest.title, rest.lines) == ("everything else", (("", "refused"),))
    assert "canary" not in str((city, secret, opened, rest))


def test_an_open_proxy_says_so(tmp_path: Path) -> None:
    rest = describe(loaded(tmp_path, TEXT % "false"))[-1]
    assert dict(rest.lines) == {
        "for": PAGES,
        "may": "read: queries, pictures, legends, identify",
        "as": "nobody, and to public addresses alone",
    }

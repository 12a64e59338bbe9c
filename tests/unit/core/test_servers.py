"""proxy.core.servers: the site that one token is good for."""

import pytest

from proxy.core.servers import audience_of, server_for_rule, server_of
from proxy.core.target import parse_url
from proxy.urls import Origin
from tests.unit.core.rules import rule

HOST = "https://gis.example.com"


@pytest.mark.parametrize(
    ("path", "context"),
    [
        ("/arcgis/rest/services/City/MapServer/0", "/arcgis"),
        ("/arcgis/rest/info", "/arcgis"),
        ("/arcgis/rest", "/arcgis"),
        ("/arcgis/services/City/MapServer", "/arcgis"),  # SOAP
        ("/arcgis/tokens/generateToken", "/arcgis"),
        ("/arcgis/admin/login", "/arcgis"),
        ("/portal/sharing/rest/generateToken", "/portal"),
        ("/sharing/rest", ""),
        ("/rest/services", ""),
        ("/a/b/rest/services", "/a/b"),
        ("/ArcGIS/REST/Services/x", "/ArcGIS"),  # the letter case of the context as given
        ("/OrgId09/arcgis/rest/services", "/OrgId09/arcgis"),
        ("/arcgis/rest/services/rest/sharing/MapServer", "/arcgis"),  # the first marker counts
        ("/interest/rest/services", "/interest"),  # whole segments
        ("/gis//rest/services", "/gis"),
        ("//arcgis/rest/services", "/arcgis"),
        ("/", None),
        ("/tiles/1/2/3.png", None),
        ("/arcgis/restful/x", None),
        ("/arcgis/myservices", None),
    ],
)
def test_the_site_is_what_stands_before_the_first_marker(path: str, context: str | None) -> None:
    server = server_of(parse_url(HOST + path))
    assert (server and server.context) == context
    assert server is None or server.origin == Origin("https", "gis.example.com", 443)


@pytest.mark.parametrize(
    ("url", "target", "site"),
    [
        # by the rule's own URL, whatever the letter case of the request
        (f"{HOST}/arcgis/rest/services", f"{HOST}/ARCGIS/rest/services/x", f"{HOST}/arcgis"),
        (f"{HOST}/arcgis/rest/services/City", f"{HOST}/arcgis/rest/services/City/MapServer", f"{HOST}/arcgis"),
        # a rule above the site leaves it to the target
        (HOST, f"{HOST}/arcgis/rest/services/x", f"{HOST}/arcgis"),
        (f"{HOST}/arcgis", f"{HOST}/arcgis/rest/services/x", f"{HOST}/arcgis"),
        # paths of a site's own making
        (f"{HOST}/koop", f"{HOST}/koop/x/FeatureServer/0", f"{HOST}/koop"),
        (HOST, f"{HOST}/x/y", HOST),
        # the origin is always the target's
        ("https://*.example.com/arcgis/rest/services", f"{HOST}/arcgis/rest/services/x", f"{HOST}/arcgis"),
        (
            "//gis.example.com/gis/rest/services",
            "http://gis.example.com/gis/rest/services",
            "http://gis.example.com/gis",
        ),
        (f"{HOST}:6443/arcgis/rest/services", f"{HOST}:6443/arcgis/rest/services/x", f"{HOST}:6443/arcgis"),
    ],
)
def test_a_rules_site(url: str, target: str, site: str) -> None:
    assert str(server_for_rule(rule(url), parse_url(target))) == site


@pytest.mark.parametrize(
    ("url", "target", "is_guess"),
    [
        (f"{HOST}/arcgis/rest/services", f"{HOST}/ArcGIS/rest/services/x", False),
        (f"{HOST}/arcgis", f"{HOST}/ArcGIS/rest/services/x", False),
        (f"{HOST}/koop", f"{HOST}/koop/x/FeatureServer/0", False),
        (HOST, f"{HOST}/rest/services", False),
        (HOST, f"{HOST}//rest/services", False),
        (HOST, f"{HOST}/x/y", False),
        (HOST, f"{HOST}/arcgis/rest/services", True),
        (f"{HOST}/arcgis", f"{HOST}/arcgis/z/rest/services", True),
    ],
)
def test_a_site_that_the_client_alone_names_is_a_guess(url: str, target: str, is_guess: bool) -> None:
    assert audience_of(rule(url), "c", parse_url(target)).is_guess is is_guess

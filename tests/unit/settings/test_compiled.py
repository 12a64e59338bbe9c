"""proxy.settings.compiled: what was written becomes what runs."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from proxy.identity import ArcGISCredential, Place, Reach, WebCredential
from proxy.model import Access, Limits, Listen, Rate
from proxy.secret import Secret
from proxy.urls import Origin, Scope
from tests.unit.settings.files import PAGES, RULE, loaded


def test_the_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, PAGES + RULE)
    assert configuration.listen == Listen("0.0.0.0", 8080)
    assert configuration.admin_listen == Listen("127.0.0.1", 8081)
    assert configuration.paths == ("/proxy", "/proxy.ashx", "/proxy.jsp", "/proxy.php")
    assert configuration.limits == Limits()
    assert (configuration.public_url, configuration.tls, configuration.trusted_proxies) == (None, None, ())
    assert configuration.must_match is True
    assert configuration.admit.allow_missing is False
    assert (configuration.log_level, configuration.log_format) == ("info", "auto")
    (rule,) = configuration.rules
    assert (rule.match_all, rule.case_sensitive, rule.access, rule.place) == (True, False, Access.READ, None)
    assert (rule.credential, rule.rate, rule.admit) == (None, None, None)
    assert (rule.route.connect_timeout, rule.route.header_timeout, rule.route.idle_timeout) == (5.0, 60.0, 60.0)
    assert (rule.route.max_connections, rule.route.reach, rule.route.ca_bundle) == (100, Reach.LISTED, None)


EVERYTHING = """\
server:
  listen: "[::1]:9000"
  paths: [/p]
  publicUrl: https://maps.example.com:8443/app
  trustedProxies: [10.0.0.0/8, "::1"]
  limits: {requestLine: 8KiB, headers: 16KiB, headerCount: 32, body: 1GiB, headerTimeout: 500ms,
           idleTimeout: 2m, connections: 5, drain: 0s}
admin: {listen: null}
mustMatch: false
allowMissingReferer: true
allowedReferers: ["https://*.example.com"]
upstream: {connectTimeout: 1s, headerTimeout: 2s, idleTimeout: 1.5h, maxConnections: 7}
allowAddresses: [192.0.2.0/24]
log: {level: debug, format: json}
serverUrls:
  - url: //GIS.example.com:8443/ArcGIS/
    matchAll: false
    caseSensitive: true
    access: execute
    allowOperations: [SubmitJob]
    denyOperations: [Identify]
    allowJsonp: true
    allowDataLayers: true
    allowHtml: true
    rateLimit: 600
    rateLimitPeriod: 2
    allowAddresses: [198.51.100.0/24]
  - {url: "https://h/a", timeout: 9s, maxConnections: 3}
"""


def test_what_is_written_for_all_arrives(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, EVERYTHING)
    assert configuration.listen == Listen("::1", 9000)
    assert configuration.paths == ("/p",)
    assert configuration.public_url == Origin("https", "maps.example.com", 8443)
    assert configuration.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert configuration.limits == Limits(8192, 16384, 32, 1024**3, 0.5, 120.0, 5, 0.0)
    assert configuration.admin_listen is None
    assert configuration.must_match is False
    assert configuration.admit.allow_missing is True
    assert configuration.admit.own_origins == {Origin("https", "maps.example.com", 8443)}
    assert (configuration.log_level, configuration.log_format) == ("debug", "json")
    assert configuration.unlisted_route.reach is Reach.PUBLIC
    assert configuration.unlisted_route.connect_timeout == 1.0


def test_what_is_written_on_a_rule_arrives(tmp_path: Path) -> None:
    rule, other = loaded(tmp_path, EVERYTHING).rules
    assert (rule.scheme, rule.host, rule.port, rule.path) == (None, "gis.example.com", 8443, "/ArcGIS")
    assert (rule.match_all, rule.case_sensitive, rule.access) == (False, True, Access.EXECUTE)
    # operations are compared without case
    assert (rule.allow_operations, rule.deny_operations) == (frozenset({"submitjob"}), frozenset({"identify"}))
    assert (rule.allow_jsonp, rule.allow_data_layers, rule.allow_html) == (True, True, True)
    assert rule.rate == Rate(600, 120.0)
    assert rule.referer == "https://maps.example.com:8443/app"
    route = rule.route
    assert (route.connect_timeout, route.header_timeout, route.idle_timeout) == (1.0, 2.0, 5400.0)
    assert route.max_connections == 7
    assert route.allow_addresses == (ip_network("192.0.2.0/24"), ip_network("198.51.100.0/24"))
    route = other.route
    assert (route.connect_timeout, route.header_timeout, route.idle_timeout) == (9.0, 9.0, 9.0)
    assert route.max_connections == 3


@pytest.mark.parametrize(
    ("url", "reach"),
    [
        ("https://gis.example.com/a", Reach.LISTED),
        ("https://10.0.0.1/a", Reach.LISTED),
        ("https://*.example.com/a", Reach.PUBLIC),
        ("https://*.gis.localhost/a", Reach.PUBLIC),
        ("http://localhost:6080/a", Reach.LOOPBACK),
        ("http://LOCALHOST/a", Reach.LOOPBACK),
        ("http://gis.localhost/a", Reach.LOOPBACK),
        ("http://127.0.0.1/a", Reach.LOOPBACK),
        ("http://127.9.9.9/a", Reach.LOOPBACK),
        ("http://localhost.example.com/a", Reach.LISTED),
        ("http://127.0.0.1.example.com/a", Reach.LISTED),
    ],
)
def test_what_a_url_may_reach(tmp_path: Path, url: str, reach: Reach) -> None:
    assert loaded(tmp_path, f"{PAGES}serverUrls: [{{url: '{url}'}}]\n").rules[0].route.reach is reach


@pytest.mark.parametrize(
    ("written", "place"), [("auto", None), ("header", Place.HEADER), ("bearer", Place.BEARER), ("query", Place.QUERY)]
)
def test_where_the_token_travels(tmp_path: Path, written: str, place: Place | None) -> None:
    text = f"{PAGES}{RULE}    username: u\n    password: p\n    inject: {written}\n"
    assert loaded(tmp_path, text).rules[0].place is place


@pytest.mark.parametrize(
    ("rule", "server", "expected"),
    [
        ("", "", "https://arcgis-resource-proxy/"),
        ("", "server: {publicUrl: https://maps.example.com/}\n", "https://maps.example.com/"),
        (
            "    referer: https://app.example.com/\n",
            "server: {publicUrl: https://m.example.com}\n",
            "https://app.example.com/",
        ),
        ("    referer: ''\n", "server: {publicUrl: https://maps.example.com}\n", ""),
    ],
)
def test_one_constant_referer_goes_upstream(tmp_path: Path, rule: str, server: str, expected: str) -> None:
    assert loaded(tmp_path, f"{PAGES}{RULE}{rule}{server}").rules[0].referer == expected


def test_origins_are_those_of_the_referers_unless_they_are_named(tmp_path: Path) -> None:
    pages = "allowedReferers: [https://maps.example.com, https://own.example.com/viewer/*, '*.apps.example.com']\n"
    admit = loaded(tmp_path, pages + RULE).admit
    # browsers show no path to other origins: an entry with one is for pages of our own
    assert [entry.host for entry in admit.origins] == ["maps.example.com", "apps.example.com"]
    assert len(admit.referers) == 3
    named = loaded(tmp_path, f"{pages}{RULE}allowedOrigins: [https://other.example.com]\n").admit
    assert [entry.host for entry in named.origins] == ["other.example.com"]


def test_a_rules_referers_replace_the_general_list(tmp_path: Path) -> None:
    rule = loaded(tmp_path, f"{PAGES}{RULE}    allowedReferers: [https://town.example.com]\n").rules[0]
    assert rule.admit is not None
    assert [entry.host for entry in rule.admit.referers] == ["town.example.com"]
    assert [entry.host for entry in rule.admit.origins] == ["town.example.com"]


def test_a_named_credential(tmp_path: Path) -> None:
    text = f"""\
        {PAGES.strip()}
        credentials:
          city:
            username: CITY\\webmap
            password: "p: #1"
            tokenServiceUri: https://gis.example.com/arcgis/tokens/generateToken
            portalUrl: https://portal.example.com/portal/
            tokenParamName: key
            expiration: 30
        serverUrls: [{{url: 'https://gis.example.com/arcgis', credential: city}}]
        """
    configuration = loaded(tmp_path, text)
    (credential,) = configuration.credentials
    assert isinstance(credential, ArcGISCredential)
    assert configuration.rules[0].credential == credential.name == "city"
    assert (credential.username, credential.password) == ("CITY\\webmap", Secret("p: #1"))
    assert credential.token_service is not None
    assert credential.token_service.url == "https://gis.example.com/arcgis/tokens/generateToken"
    assert str(credential.portal) == "https://portal.example.com/portal"
    assert (credential.token_param, credential.expiration) == ("key", 30)
    assert "#1" not in repr(configuration)


@pytest.mark.parametrize(
    "portal",
    [
        "https://portal.example.com/Portal",
        "https://portal.example.com/Portal/",
        "https://portal.example.com/Portal/sharing",
        "https://portal.example.com/Portal/sharing/rest",
        "https://portal.example.com/Portal/sharing/rest/generateToken",
    ],
)
def test_a_portal_may_be_written_with_what_follows_its_context(tmp_path: Path, portal: str) -> None:
    text = f"{PAGES}{RULE}    username: u\n    password: p\n    portalUrl: {portal}\n"
    (credential,) = loaded(tmp_path, text).credentials
    assert isinstance(credential, ArcGISCredential)
    assert str(credential.portal) == "https://portal.example.com/Portal"


def test_credentials_in_place_on_one_url_stay_apart(tmp_path: Path) -> None:
    text = f"""\
        {PAGES.strip()}
        serverUrls:
          - {{url: 'https://h/a', username: one, password: p1}}
          - {{url: 'https://h/a', matchAll: false, username: two, password: p2}}
          - {{url: 'https://h/a', caseSensitive: true, username: three, password: p3}}
          - {{url: 'https://h/a', caseSensitive: true, matchAll: false, username: four, password: p4}}
          - {{url: 'https://h/b'}}
        """
    configuration = loaded(tmp_path, text)
    users = {each.name: each.username for each in configuration.credentials if isinstance(each, ArcGISCredential)}
    assert [users.get(rule.credential or "") for rule in configuration.rules] == ["one", "two", "three", "four", None]


def test_the_same_file_gives_an_equal_configuration(tmp_path: Path) -> None:
    text = f"{PAGES}{RULE}    username: u\n    password: ${{P}}\n"
    assert loaded(tmp_path, text, {"P": "a"}) == loaded(tmp_path, text, {"P": "a"})
    assert loaded(tmp_path, text, {"P": "a"}) != loaded(tmp_path, text, {"P": "b"})


def test_a_credential_is_bound_to_its_rules_and_its_portal(tmp_path: Path) -> None:
    text = """\
        allowedReferers: [https://maps.example.com]
        credentials:
          city: {username: u, password: p, portalUrl: "https://portal.example.com/portal"}
          key: {type: token, accessToken: k}
          app: {type: oauth, clientId: i, clientSecret: s}
        serverUrls:
          - {url: "https://gis.example.com/arcgis/rest/services", credential: city}
          - {url: "https://gis.example.com/image/rest/services", credential: city}
          - {url: "//*.example.com:8443/x", credential: key}
          - {url: "https://services.arcgis.com/Org", credential: app}
          - {url: "https://other.example.com/x", username: u, password: p}
        """
    bound = {
        each.name: each.scopes for each in loaded(tmp_path, text).credentials if not isinstance(each, WebCredential)
    }
    assert bound == {
        "city": (Scope("https", "gis.example.com"), Scope("https", "portal.example.com", port=443)),
        "key": (Scope(None, "example.com", wildcard=True, port=8443),),
        "app": (Scope("https", "services.arcgis.com"), Scope("https", "www.arcgis.com", port=443)),
        "https://other.example.com/x": (Scope("https", "other.example.com"),),
    }

"""The simulator is what it pretends to be: the bodies that the wire reference confirms, byte for byte, and statuses by
kind of request."""

from itertools import product

import pytest

from proxy.simulator.options import ITEM_ABSENT, ITEM_PRIVATE, ITEM_UNSHARED, PASSWORD
from tests.unit.simulator.conftest import PORTAL_GENERATE, PUBLIC, SECURE, Start, Visit

GENERATE = "/tokens/generateToken"
ITEMS = "/portal/sharing/rest/content/items"
REQUIRED = b'{"error":{"code":499,"message":"Token Required","details":[]}}'
INVALID = b'{"error":{"code":498,"message":"Invalid Token","details":[]}}'
HOSTED = b'{"error":{"code":499,"message":"Token Required","messageCode":"GWM_0003","details":["Token Required"]}}'
EXPIRED = b'{"error":{"code":498,"message":"Invalid token.","details":[]}}'
NOT_SHARED = (
    b'{"error":{"code":403,"messageCode":"GWM_0003","message":"You do not have permissions to access this resource or '
    b'perform this operation.","details":[]}}'
)
ABSENT = (
    b'{"error":{"code":400,"messageCode":"CONT_0001","message":"Item does not exist or is inaccessible.","details":[]}}'
)
WRONG = (
    b'{"error":{"code":401,"message":"You are not authorized to access this information",'
    b'"details":"Invalid credentials"}}'
)
NO_CLIENT = (
    b'{"error":{"code":201,"message":"Exception in generating token","details":"Client id cannot be determined"}}'
)
GET_DISABLED = b'{"error":{"code":405,"message":"Method not supported","details":"HTTP GET is disabled"}}'
IN_QUERY = (
    b'{"error":{"code":405,"message":"Method not supported","details":"Generate Token request should not contain '
    b'username and password in the query string."}}'
)
NO_MACHINES = (
    b'{"status":"error","messages":["Could not access any server machines. Please contact your system administrator."]}'
)
PORTAL_WRONG = (
    b'{"error":{"code":400,"message":"Unable to generate token.","details":["Invalid username or password."]}}'
)
APP_UNKNOWN = (
    b'{"error":{"code":400,"error":"invalid_client_id","error_description":"Invalid client_id",'
    b'"message":"Invalid client_id","details":[]}}'
)
APP_WRONG = (
    b'{"error":{"code":400,"error":"invalid_request","error_description":"Invalid client_secret",'
    b'"message":"Invalid client_secret","details":[]}}'
)
ADMIN = (
    b'{"status":"error","messages":["Unauthorized access.Token not found. You can generate a token using the '
    b'\'generateToken\' operation."],"code":499}'
)
DENIED = (
    b'{"error":{"code":403,"message":"Token is valid but access is denied.",'
    b'"details":["User does not have permissions to store geocoding results."]}}'
)


def test_the_bodies_have_the_lengths_that_were_seen() -> None:
    assert [len(body) for body in (INVALID, REQUIRED, HOSTED, NOT_SHARED)] == [61, 62, 103, 151]


async def test_a_missing_and_a_bad_token_on_a_server(visit: Visit) -> None:
    for path, body in ((SECURE, REQUIRED), (f"{SECURE}&token=bad", INVALID), (f"{PUBLIC}&token=bad", INVALID)):
        got = await visit.ask(path)
        assert (got.status, got.kind, got.body) == (200, "application/json", body)
    assert (await visit.ask("/rest/services/Secure?f=json")).body == REQUIRED
    assert (await visit.ask("/admin?f=json")).body == ADMIN


async def test_a_missing_and_a_bad_token_on_hosted_servers_and_portals(start: Start) -> None:
    online = await start("agol")
    assert (await online.ask(SECURE)).body == HOSTED
    assert (await online.ask(f"{SECURE}&token=bad")).body == EXPIRED
    portal = await start("portal")
    for path in (f"{ITEMS}/{ITEM_PRIVATE}?f=json", "/portal/sharing/rest/portals/self?f=json"):
        assert (await portal.ask(path)).body == HOSTED
        assert (await portal.ask(f"{path}&token=bad")).body == EXPIRED
    token = await portal.log_in(PORTAL_GENERATE)
    for item, body in ((ITEM_UNSHARED, NOT_SHARED), (ITEM_ABSENT, ABSENT)):
        got = await portal.ask(f"{ITEMS}/{item}?f=json&token={token}")
        assert (got.status, got.body) == (200, body)


@pytest.mark.parametrize(
    ("knobs", "form", "body"),
    [
        ({}, {"password": "wrong"}, WRONG),
        ({}, {"client": "ip"}, NO_CLIENT),
        ({"token_fault": "machines"}, {}, NO_MACHINES),
        ({"token_fault": "post_query"}, {}, IN_QUERY),
    ],
)
async def test_the_servers_token_service_fails_with_200(
    start: Start, knobs: dict[str, object], form: dict[str, str], body: bytes
) -> None:
    site = await start(**knobs)
    got = await site.post(GENERATE, **{"username": "webmap", "password": PASSWORD, "f": "json", **form})
    assert (got.status, got.body) == (200, body)


async def test_405s_and_201s_are_http_200(visit: Visit) -> None:
    query = f"?username=webmap&password={PASSWORD}&f=json"
    for path, method, body in product((GENERATE,), ("GET", "POST"), (GET_DISABLED, IN_QUERY)):
        got = await visit.ask(path + query, method)
        assert got.status == 200
        assert (got.body == body) == ((method == "GET") == (body == GET_DISABLED))
    error = (await visit.post(GENERATE, f="json")).json["error"]
    assert (error["code"], error["message"]) == (201, "Exception in generating token")
    assert isinstance(error["details"], str)  # a string here, an array at portals
    assert visit.arcgis.accounts.refusals == 0


async def test_the_portals_logins_fail_with_200(start: Start) -> None:
    site = await start("federated")
    got = await site.post(PORTAL_GENERATE, username="webmap", password="wrong", f="json")
    assert (got.status, got.body) == (200, PORTAL_WRONG)
    for secret, name, body in (("demo-app-secret", "who", APP_UNKNOWN), ("wrong", "demo-app", APP_WRONG)):
        got = await site.app(client_id=name, client_secret=secret)
        assert (got.status, got.body) == (200, body)
    got = await site.post(PORTAL_GENERATE, serverUrl=site.arcgis.url, token="bad", f="json")
    assert (got.status, got.body) == (200, EXPIRED)


async def test_who_may_not_is_told_so(start: Start) -> None:
    site = await start(denial="privilege")
    token = await site.log_in()
    assert (await site.ask(f"{SECURE}&token={token}")).body == DENIED
    site.arcgis.options.denial = "role"
    error = (await site.ask(f"{SECURE}&token={token}")).json["error"]
    assert error["message"] == "User does not have permissions to access 'Secure/City.mapserver'"
    assert "error" not in (await site.ask(f"{PUBLIC}&token={token}")).json


async def test_kinds_of_requests_fail_in_ways_of_their_own(visit: Visit) -> None:
    secure = "/rest/services/Secure/City/MapServer"
    tile = await visit.ask(f"{secure}/tile/1/0/0?token=bad")
    assert (tile.status, tile.kind) == (200, "text/html")
    assert b"Invalid Token" in tile.body
    image = await visit.ask(f"{secure}/export?f=image&token=bad")
    assert (image.status, image.body) == (200, INVALID)
    for token, status in (("", 499), ("?token=bad", 498)):
        assert (await visit.ask(f"/services/Secure/City/MapServer{token}", "POST", data=b"<x/>")).status == status
    assert (await visit.ask("/services/Secure/City/MapServer?wsdl")).status == 499
    page = await visit.ask(secure)
    assert page.status == 200
    for sign in (b'name="password"', b"ArcGIS REST Services Directory", b"/rest/login", b"/rest/static/main.css"):
        assert sign in page.body


@pytest.mark.parametrize(
    ("style", "status", "starts"),
    [
        ("json200", 200, REQUIRED),
        ("status", 499, REQUIRED),
        ("status401", 401, REQUIRED),
        ("status_only", 499, b""),
        ("html200", 200, b"<html>"),
        ("http400", 400, b"<html>"),
        ("redirect", 302, b""),
    ],
)
async def test_each_style_of_failure(start: Start, style: str, status: int, starts: bytes) -> None:
    site = await start(json_failure=style)
    got = await site.ask(SECURE)
    assert got.status == status
    assert got.body.startswith(starts)


async def test_the_same_error_in_other_clothes(visit: Visit) -> None:
    jsonp = await visit.ask(f"{SECURE}&callback=cb")
    assert (jsonp.kind, jsonp.body) == ("application/javascript", b"cb(" + REQUIRED + b");")
    pretty = await visit.ask(SECURE.replace("json", "pjson"))
    assert b'"code": 499' in pretty.body
    visit.arcgis.options.is_gzipped = True
    zipped = await visit.ask(SECURE)
    assert (zipped.headers["content-encoding"], zipped.body) == ("gzip", REQUIRED)
    visit.arcgis.options.has_directory = False
    assert b"Services Directory has been disabled" in (await visit.ask("/rest/services/Secure/City/MapServer")).body


async def test_older_releases_say_text_plain(start: Start) -> None:
    site = await start("ags-10.0")
    assert (await site.ask(SECURE)).headers["content-type"] == "text/plain;charset=utf-8"
    assert (await site.ask(f"{SECURE}&callback=cb")).kind == "text/plain"


@pytest.mark.parametrize(
    ("profile", "code", "message"),
    [
        ("ags-10.8", 500, "Service Secure/None/MapServer not found"),
        ("ags-11.4", 404, "Service Secure/None/MapServer not found"),
        ("agol", 400, "Invalid URL"),
    ],
)
async def test_a_service_that_is_not_there(start: Start, profile: str, code: int, message: str) -> None:
    error = (await (await start(profile)).ask("/rest/services/Secure/None/MapServer?f=json")).json["error"]
    assert (error["code"], error["message"]) == (code, message)

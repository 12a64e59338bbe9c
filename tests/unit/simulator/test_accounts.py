"""Tokens end, are bound, capped and revoked; accounts lock."""

import json

import pytest

from proxy.simulator.accounts import Accounts
from proxy.simulator.options import PASSWORD
from tests.unit.simulator.conftest import PORTAL_GENERATE, SECURE, Start, Visit

PAGE = "https://a.example/"


async def minutes(visit: Visit, **more: str) -> int:
    form = {"username": "webmap", "password": PASSWORD, "f": "json", **more}
    got = await visit.post("/tokens/generateToken", **form)
    return round((int(got.json["expires"]) / 1000 - visit.arcgis.accounts.now()) / 60)


async def test_lives_are_capped_without_a_word(visit: Visit) -> None:
    assert await minutes(visit) == 60
    assert await minutes(visit, expiration="5") == 5
    assert await minutes(visit, client="referer", referer=PAGE, expiration="999999") == 1440
    assert await minutes(visit, client="requestip", expiration="999999") == 1440
    token = await visit.log_in(PORTAL_GENERATE, expiration="999999")
    ends_at = visit.arcgis.accounts.issued[token].ends_at
    assert round((ends_at - visit.arcgis.accounts.now()) / 86400) == 15


async def test_what_is_bound_to_nothing_lives_short(start: Start) -> None:
    site = await start()
    form = {"username": "webmap", "password": PASSWORD, "f": "json", "expiration": "61"}
    error = (await site.post("/tokens/generateToken", **form)).json["error"]
    assert (error["code"], error["details"]) == (201, "Client ID is required for long expiration tokens.")
    site.arcgis.options.unbound_long = "cap"
    assert await minutes(site, expiration="61") == 60


async def test_a_token_is_bound_to_its_referer_and_ends(visit: Visit) -> None:
    token = await visit.log_in(client="referer", referer=PAGE)
    url = f"{SECURE}&token={token}"
    assert b"mapName" in (await visit.ask(url, headers={"Referer": f"{PAGE}viewer"})).body
    assert (await visit.ask(url, headers={"Referer": "https://b.example/"})).json["error"]["code"] == 498
    assert (await visit.ask(url)).json["error"]["code"] == 498
    visit.arcgis.options.referer_match = "exact"
    assert (await visit.ask(url, headers={"Referer": f"{PAGE}viewer"})).json["error"]["code"] == 498
    visit.arcgis.accounts.clock_offset += 3601
    got = await visit.ask(url, headers={"Referer": PAGE})
    assert got.json["error"]["code"] == 498


async def test_a_token_is_bound_to_an_address(visit: Visit) -> None:
    for form, code in (({"client": "requestip"}, None), ({"client": "ip", "ip": "203.0.113.9"}, 498)):
        token = await visit.log_in(**form)
        assert (await visit.ask(f"{SECURE}&token={token}")).json.get("error", {}).get("code") == code


async def test_a_static_token_is_good_until_it_is_taken_out(visit: Visit) -> None:
    visit.arcgis.options.static_tokens.add("AAPKdemo")
    assert "mapName" in (await visit.ask(f"{SECURE}&token=AAPKdemo")).json
    visit.arcgis.options.static_tokens.clear()
    assert (await visit.ask(f"{SECURE}&token=AAPKdemo")).json["error"]["code"] == 498


@pytest.mark.parametrize("way", ["header", "bearer", "query", "form"])
async def test_a_token_is_heard_where_it_may_come(visit: Visit, way: str) -> None:
    token = await visit.log_in()
    headers = {"header": {"X-Esri-Authorization": f"Bearer {token}"}, "bearer": {"Authorization": f"Bearer {token}"}}
    query = f"&token={token}" if way == "query" else ""
    form = {"data": {"token": token}} if way == "form" else {}
    method = "POST" if form else "GET"
    got = await visit.ask(SECURE + query, method, headers=headers.get(way), **form)
    assert "mapName" in got.json
    entry = visit.arcgis.journal.to("MapServer")[-1]
    assert (entry.credential, entry.is_good) == (way, True)
    visit.arcgis.options.accepts.discard(way)
    got = await visit.ask(SECURE + query, method, headers=headers.get(way), **form)
    assert got.json["error"]["code"] == 499


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("locked", 400, "Too many invalid attempts. Please try again later."),
        ("unbound_long", 201, "Client ID is required for long expiration tokens."),
        ("post_query", 405, "query string"),
    ],
)
async def test_a_token_service_fails_as_it_is_told(start: Start, fault: str, code: int, words: str) -> None:
    site = await start("federated", token_fault=fault)
    for path in ("/tokens/generateToken", PORTAL_GENERATE, "/portal/sharing/rest/oauth2/token"):
        error = (await site.post(path, f="json")).json["error"]
        assert error["code"] == code, path
        assert words in json.dumps(error), path


def test_an_account_locks_after_five_wrong_passwords() -> None:
    accounts = Accounts({"a": "right"})
    assert not any(accounts.log_in("a", "wrong") for _ in range(5))
    assert not accounts.log_in("a", "right")
    accounts.clock_offset += 901
    assert accounts.log_in("a", "right")


async def test_the_knobs_turn_while_it_runs(visit: Visit) -> None:
    token = await visit.log_in()
    changes = {"accepts": ["query"], "gateway_header": ["X-Key", "k"], "nonsense": 1}
    got = await visit.ask("/__sim/config", "POST", data=json.dumps(changes))
    assert got.json == {"changed": ["accepts", "gateway_header"]}
    got = await visit.ask(f"{SECURE}&token={token}", headers={"X-Key": "k"})
    assert "mapName" in got.json
    assert (await visit.ask(SECURE)).status == 401
    assert (await visit.ask("/__sim/clock?advance=3601")).status == 200
    assert (await visit.ask(f"{SECURE}&token={token}", headers={"X-Key": "k"})).json["error"]["code"] == 498
    log = (await visit.ask("/__sim/log")).json
    assert log["logins"] == 1
    assert log["requests"][1] == {
        "method": "GET",
        "path": "/arcgis/rest/services/Secure/City/MapServer",
        "credential": "query",
        "login": "none",
        "good": True,
    }

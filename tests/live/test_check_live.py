"""`resource-proxy check --live`: every rule tried on its server, told in words."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.live_check import Line, look
from proxy.settings.load import load
from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD, Sites, config
from tests.live.users.conftest import LoginService


async def lines(path: Path, document: dict[str, Any]) -> list[Line]:
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return await look(load(path, {}))


async def test_a_good_rule_tells_what_it_is(tmp_path: Path, arcgis: Simulator) -> None:
    (line,) = await lines(tmp_path / "proxy.yaml", config(arcgis.url))
    assert line == Line(
        rule=f"{arcgis.url}/rest/services",
        credential="city",
        discovered="token for user webmap, ArcGIS 10.8.1, tokens of its own",
        token="60 min left, sent in the header",
        answer="HTTP 200, 2 folders; Secure/City/MapServer: HTTP 200, City, 4 layers",
    )
    assert arcgis.accounts.logins == 1


async def test_each_failure_has_its_own_words(tmp_path: Path, arcgis: Simulator) -> None:
    site = f"{arcgis.url}/rest/services"
    document = config(arcgis.url)
    document["credentials"] |= {
        "wrong": {"username": "webmap", "password": "canary-wrong"},
        "key": {"type": "token", "accessToken": "canary-AAPK-revoked-since"},
        "login": {"type": "basic", "username": "u", "password": "canary-basic"},
        "gateway": {"type": "headers", "headers": {"X-Api-Key": "canary-key"}},
    }
    rules = {
        "Secure/City/MapServer": ("wrong", "The token service refuses the proxy's user name or password."),
        "Secure/City/FeatureServer": ("key", "The server rejects the configured token."),
        "Secure/City/ImageServer": ("login", "The server asks for an ArcGIS token besides"),
        "Secure": ("gateway", "The server asks for an ArcGIS token besides"),
        "Secure/City/MapServer/0": (None, "499: Token Required"),
        "Secure/None/MapServer": ("city", "404: Service Secure/None/MapServer not found"),
    }
    document["serverUrls"] = [{"url": f"{site}/{path}", "credential": name} for path, (name, _) in rules.items()]
    document["serverUrls"].append({"url": "http://127.0.0.1:9/arcgis/rest/services", "credential": "city"})
    document["serverUrls"].append({"url": "https://*.example.com/arcgis/rest/services"})
    found = await lines(tmp_path / "proxy.yaml", document)
    for line, (_, words) in zip(found, rules.values(), strict=False):
        assert not line.good
        assert line.answer.startswith(words), line
        assert line.advice or line.answer.startswith("404"), line
    assert not found[-2].good
    assert found[-2].answer == "The token service could not be reached: nothing listens at its port."
    assert found[-2].advice == "Check the port in the url, and whether the server runs."
    assert (found[-1].good, found[-1].answer[:9]) == (True, "not tried")
    assert arcgis.accounts.refusals == 1
    assert "canary" not in str(found)


async def test_the_command_as_a_user_runs_it(tmp_path: Path, arcgis: Simulator) -> None:
    path = tmp_path / "proxy.yaml"
    document = config(arcgis.url)
    document["serverUrls"].append({"url": f"{arcgis.url}/rest/services/Secure", "username": "webmap"})
    document["serverUrls"][-1]["password"] = "canary-wrong"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")

    async def run(*options: str) -> tuple[int | None, str]:
        command = (sys.executable, "-m", "proxy", "check", *options, "--config", str(path))
        environ = {**os.environ, "PYTHONWARNINGS": "ignore"}
        child = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environ
        )
        said, complained = await child.communicate()
        assert b"Traceback" not in complained
        return child.returncode, said.decode()

    status, said = await run("--live")
    assert status == 1
    assert "60 min left" in said
    assert "1. http://" in said
    assert "Correct the credential in proxy.yaml" in said
    assert PASSWORD not in said
    status, said = await run("--live", "--json")
    document = json.loads(said)
    assert (status, document["good"], [rule["good"] for rule in document["rules"]]) == (1, False, [True, False])


async def test_what_anybody_gets_shows_no_login(tmp_path: Path, arcgis: Simulator) -> None:
    site = f"{arcgis.url}/rest/services"
    document = config(arcgis.url)
    document["credentials"] = {
        "key": {"type": "token", "accessToken": "canary-AAPK-of-today"},
        "login": {"type": "basic", "username": "u", "password": "canary-basic"},
    }
    arcgis.options.static_tokens.add("canary-AAPK-of-today")
    document["serverUrls"] = [
        {"url": f"{site}/Public/City/MapServer", "credential": "key"},
        {"url": f"{site}/Public", "credential": "login"},
    ]
    key, login = await lines(tmp_path / "proxy.yaml", document)
    assert (key.good, key.advice[:25]) == (True, "Everybody gets this answe")
    assert (login.good, login.advice[:34]) == (False, "The web server asks for no login, ")


async def test_the_login_of_a_web_server_is_shown_by_what_it_alone_opens(tmp_path: Path, sites: Sites) -> None:
    site = await sites("web-tier-basic", web_tier_password=PASSWORD)
    document = config(site.url)
    document["credentials"] = {"login": {"type": "basic", "username": "webmap", "password": PASSWORD}}
    document["serverUrls"] = [{"url": f"{site.url}/rest/services", "credential": "login"}]
    (line,) = await lines(tmp_path / "proxy.yaml", document)
    assert (line.good, line.advice, line.discovered) == (True, "", "Basic login as webmap")


@pytest.mark.parametrize(
    ("path", "matches_all", "answer"),
    [
        ("/rest/services/Public/City", True, "HTTP 200, City, 4 layers"),
        ("", True, "HTTP 200, 2 folders; Secure/City/MapServer: HTTP 200, City, 4 layers"),
        ("/rest/services/Public", True, "HTTP 200, 2 services; Public/City/MapServer: HTTP 200, City, 4 layers"),
        ("/elsewhere", False, "reached: HTTP 404"),
    ],
)
async def test_each_kind_of_rule_is_asked_for_what_it_has(
    tmp_path: Path, arcgis: Simulator, path: str, matches_all: bool, answer: str
) -> None:
    document = config(arcgis.url)
    document["serverUrls"] = [{"url": arcgis.url + path, "credential": "city", "matchAll": matches_all}]
    if not matches_all:
        document["serverUrls"][0].pop("credential")
    (line,) = await lines(tmp_path / "proxy.yaml", document)
    assert line.good, line
    assert line.answer.startswith(answer)


async def test_where_the_token_goes_is_told_as_it_was_found(tmp_path: Path, sites: Sites) -> None:
    site = await sites("koop")
    document = config(site.url)
    (line,) = await lines(tmp_path / "proxy.yaml", document)
    assert line.token.endswith("left, which no answer needed"), line
    document["serverUrls"][0]["url"] += "/Secure/City/FeatureServer"
    (line,) = await lines(tmp_path / "proxy.yaml", document)
    assert line.token.endswith("left, sent in the query"), line


async def test_the_front_door_keeps_the_operator_out_of_nothing(tmp_path: Path, arcgis: Simulator) -> None:
    """The rules are for users, none of whom is here; the login service's keys are looked at, too."""
    service = LoginService()
    await service.start()
    try:
        document = config(arcgis.url, users=["anna"])
        document["users"] = {"source": "jwt", "issuer": "i", "audience": "a", "jwksUrl": service.url}
        keys, rule = await lines(tmp_path / "proxy.yaml", document)
        assert (keys.rule, keys.good, keys.answer[:8]) == (service.url, True, "1 keys, ")
        assert rule.good
        service.keys = b'{"keys": []}'
        keys, _ = await lines(tmp_path / "proxy.yaml", document)
        assert (keys.good, keys.answer) == (False, "0 keys, for no signature that is taken")
        service.keys = b"<html>"
        keys, _ = await lines(tmp_path / "proxy.yaml", document)
        assert (keys.good, keys.answer) == (False, "the answer is no JSON.")
    finally:
        await service.runner.cleanup()
    keys, rule = await lines(tmp_path / "proxy.yaml", document)
    assert (keys.good, rule.good) == (False, True)
    assert keys.advice


async def test_a_folder_of_files_has_no_page_of_its_own(tmp_path: Path, arcgis: Simulator) -> None:
    document = config(arcgis.url)
    document["serverUrls"] = [{"url": f"{arcgis.url}/rest/directories/arcgisoutput", "credential": "city"}]
    (line,) = await lines(tmp_path / "proxy.yaml", document)
    assert (line.good, line.answer[:17], line.advice) == (True, "reached: HTTP 404", "")
    assert line.token.startswith("60 min left")

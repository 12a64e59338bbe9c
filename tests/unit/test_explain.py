"""proxy.explain: the path's decisions on a URL, in words."""

from pathlib import Path

import pytest

from proxy.explain import explain, without_proxy
from proxy.runtime import build
from proxy.settings.load import load

TEXT = """\
allowedReferers: ["https://maps.example.com"]
credentials:
  city: {username: webmap, password: canary-1}
  app: {type: oauth, clientId: abc, clientSecret: canary-2, oauth2Endpoint: "https://p.example.com/portal/sharing/rest/oauth2"}
  key: {type: token, accessToken: canary-3-long-enough}
  basic: {type: basic, username: ann, password: canary-4}
  ticket: {type: negotiate}
  portal: {type: ntlm, username: ann, password: canary-5, portalUrl: "https://p.example.com/portal"}
  both: {username: bob, password: canary-6, headers: {X-Api-Key: canary-7}}
serverUrls:
"""
SITE = "https://gis.example.com/arcgis/rest/services"


def said(
    tmp_path: Path, url: str, *, referer: str = "https://maps.example.com/", method: str = "GET"
) -> dict[str, str]:
    path = tmp_path / "proxy.yaml"
    rules = [f"  - {{url: {SITE}/{name}, credential: {name}}}" for name in ("city", "app", "key", "basic", "ticket")]
    rules += [f"  - {{url: {SITE}/{name}, credential: {name}}}" for name in ("portal", "both")]
    rules.append(f"  - {{url: {SITE}/open}}")
    rules.append(f"  - {{url: {SITE}/set, setParameters: {{where: 1=1, apikey: canary-8}}, denyParameters: [layers]}}")
    path.write_text(TEXT + "\n".join(rules), encoding="utf-8")
    verdict = explain(build(load(path, {}), generation=1), url, method="GET", referer=referer)
    lines = dict(verdict.lines)
    assert verdict.is_allowed == ("allowed" in lines)
    assert "canary" not in str(verdict)
    return lines


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("city", "city: token for user webmap"),
        ("app", "app: token for app abc of https://p.example.com/portal"),
        ("key", "key: token as configured"),
        ("basic", "basic: Basic login as ann"),
        ("ticket", "ticket: Negotiate login as the machine's own ticket"),
        ("portal", "portal: token of portal https://p.example.com/portal, signed in by NTLM"),
        ("both", "both: token for user bob and headers x-api-key"),
        ("open", "none: the request passes as it is"),
    ],
)
def test_who_the_proxy_is(tmp_path: Path, name: str, words: str) -> None:
    lines = said(tmp_path, f"{SITE}/{name}/MapServer?f=json")
    assert lines["credential"] == words
    assert ("token" in lines) == ("token" in words)
    assert lines["rule"] == f"{SITE}/{name}"


@pytest.mark.parametrize(
    ("url", "referer", "words"),
    [
        (f"{SITE}/city/FeatureServer/0/applyEdits", "https://maps.example.com/", "access: edit"),
        (f"{SITE}/city/MapServer", "https://evil.example/", "page"),
        ("https://other.example.com/x", "https://maps.example.com/", "not in the proxy's configuration"),
        ("https://gis.example.com/a/../b", "https://maps.example.com/", "dot"),
    ],
)
def test_why_not(tmp_path: Path, url: str, referer: str, words: str) -> None:
    assert words in said(tmp_path, url, referer=referer)["refused"]


def test_a_pasted_address_is_taken_apart() -> None:
    paths = ("/proxy", "/proxy.ashx")
    assert without_proxy(f"https://maps.example.com/proxy?{SITE}?f=json", paths) == f"{SITE}?f=json"
    assert without_proxy(f"https://maps.example.com/app/proxy.ashx?{SITE}", paths) == SITE
    assert without_proxy(f"{SITE}?f=json", paths) == f"{SITE}?f=json"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("f=json&callback=x", "JSONP (callback=) lets any page read the answer. allowJsonp: true allows it."),
        ("f=html", "The server's HTML pages are not passed on. Ask with f=json, or set allowHtml: true."),
        (
            "f=image&dynamicLayers=[{%22source%22:{%22type%22:%22dataLayer%22}}]",
            "A dataLayer source can name any table",
        ),
    ],
)
def test_what_the_parameters_ask_for_is_judged_as_on_the_path(tmp_path: Path, query: str, words: str) -> None:
    lines = said(tmp_path, f"{SITE}/city/MapServer/export?{query}")
    assert lines["refused"].startswith(words)


def test_forced_parameters_are_named_and_not_shown(tmp_path: Path) -> None:
    lines = said(tmp_path, f"{SITE}/set/MapServer?f=json")
    assert (lines["set"], lines["taken out"]) == ("where, apikey", "apikey, layers, where")

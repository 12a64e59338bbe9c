"""proxy.explain: the path's decisions on a URL, in words."""

from pathlib import Path

import pytest

from proxy.explain import explain, without_proxy
from proxy.runtime import build
from proxy.settings.load import load
from proxy.traffic import User

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
    tmp_path: Path, url: str, *, referer: str = "https://maps.example.com/", extra: tuple[str, ...] = ()
) -> dict[str, str]:
    path = tmp_path / "proxy.yaml"
    rules = [f"  - {{url: {SITE}/{name}, credential: {name}}}" for name in ("city", "app", "key", "basic", "ticket")]
    rules += [f"  - {{url: {SITE}/{name}, credential: {name}}}" for name in ("portal", "both")]
    rules.append(f"  - {{url: {SITE}/open}}")
    rules.append(f"  - {{url: {SITE}/set, setParameters: {{where: 1=1, apikey: canary-8}}, denyParameters: [layers]}}")
    rules += extra
    path.write_text(TEXT + "\n".join(rules), encoding="utf-8")
    verdict = explain(build(load(path, {}), generation=1), url, method="GET", referer=referer)
    lines: dict[str, str] = {}
    for name, value in verdict.lines:
        lines[name] = f"{lines[name]} · {value}" if name in lines else value
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
def test_a_refusal_says_why(tmp_path: Path, url: str, referer: str, words: str) -> None:
    assert words in said(tmp_path, url, referer=referer)["refused"]


PASTED = "https://maps.example.com"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"{PASTED}/proxy?{SITE}/city/MapServer?f=json", {"proxy path": "/proxy", "allowed": "yes"}),
        (f"{PASTED}/proxy.ashx?{SITE}/city/MapServer?f=json", {"proxy path": "/proxy.ashx", "allowed": "yes"}),
        (f"/proxy?{SITE}/city/MapServer", {"proxy path": "/proxy", "allowed": "yes"}),
        (f"{PASTED}/DotNet/proxy.ashx?{SITE}/city", {"proxy path": "/DotNet/proxy.ashx: server.paths has it not"}),
        (f"{PASTED}/gisproxy?{SITE}/city", {"refused": "404 not_found: The proxy does not answer at /gisproxy."}),
        (f"{PASTED}/proxy?https%3A%2F%2Fgis.example.com%2Farcgis%2Frest%2Fservices%2Fcity", {"allowed": "yes"}),
        (f"{PASTED}/proxy?{SITE}/city/MapServer&f=json", {"target": f"{SITE}/city/MapServer", "allowed": "yes"}),
        (f"{SITE}/city/MapServer", {"page": "none given: seen as from https://maps.example.com/", "allowed": "yes"}),
        (f"{SITE}/city/MapServer?callback=x", {"refused": "403 operation: JSONP"}),
        (f"{SITE}/city/MapServer?f=html", {"refused": "403 operation: The server's HTML pages"}),
        (f"{SITE}/city/MapServer#a", {"refused": "400 bad_target: The target URL has a fragment"}),
        ("http://gis.example.com/arcgis/rest/services/city", {"near": "is for https, this is http"}),
        ("https://gis.example.com:8443/arcgis/rest/services/city", {"near": "is for another port than 8443"}),
        (f"{SITE}/cityX", {"near": f"{SITE}/city covers other paths", "refused": "403 no_rule: This URL is not in"}),
        (f"{SITE}/alone/x", {"near": f"{SITE}/alone is for this URL alone (matchAll: false)"}),
        (f"{SITE}/STRICT", {"near": f"{SITE}/strict looks at letter case"}),
    ],
)
def test_why_does_this_url_not_work(tmp_path: Path, url: str, words: dict[str, str]) -> None:
    extra = (f"  - {{url: {SITE}/alone, matchAll: false}}", f"  - {{url: {SITE}/strict, caseSensitive: true}}")
    lines = said(tmp_path, url, referer="", extra=extra)
    for name, value in words.items():
        assert value in lines[name], lines


def test_every_reason_is_told(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text(f"{TEXT}  - url: {SITE}\n", encoding="utf-8")
    runtime = build(load(path, {}), generation=1)
    url = f"{PASTED}/gisproxy?{SITE}/city/FeatureServer/0/applyEdits"
    lines = explain(runtime, url, method="POST", referer="https://evil.example/").lines
    assert [value.split(":")[0] for name, value in lines if name == "refused"] == [
        "404 not_found",
        "403 referer",
        "403 operation",
    ]


def test_where_the_upstream_is_another_host_it_says_so(tmp_path: Path) -> None:
    extra = ("  - {url: https://public.example/arcgis, hostRedirect: 'https://in.example:6443'}",)
    lines = said(tmp_path, "https://public.example/arcgis/rest/services", extra=extra)
    assert lines["target"] == "https://public.example/arcgis/rest/services"
    assert lines["sent to"] == "https://in.example:6443/arcgis/rest/services"


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
    assert lines["refused"].startswith(f"403 operation: {words}")


def test_forced_parameters_are_named_and_not_shown(tmp_path: Path) -> None:
    lines = said(tmp_path, f"{SITE}/set/MapServer?f=json")
    assert (lines["set"], lines["taken out"]) == ("where, apikey", "apikey, layers, where")


def test_whom_a_rule_is_for(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    login = "users: {source: jwt, issuer: i, audience: a, jwksUrl: 'https://l.example.com/keys'}\n"
    rule = f"  - {{url: {SITE}, credential: city, users: ['group:editors'], userHeader: X-Who}}\n"
    path.write_text(login + TEXT + rule, encoding="utf-8")
    runtime = build(load(path, {}), generation=1)

    def lines(user: User | None) -> dict[str, str]:
        page = "https://maps.example.com/"
        return dict(explain(runtime, f"{SITE}/A/MapServer", method="GET", referer=page, user=user).lines)

    allowed = lines(User("anna", frozenset(("editors",))))
    assert (allowed["users"], allowed["user"], allowed["allowed"]) == ("group editors", "anna", "yes")
    assert allowed["tells"] == "the user's name, as x-who"
    assert "not for the user" in lines(User("bert"))["refused"]
    assert "sign in" in lines(None)["refused"]
    edit = explain(runtime, f"{SITE}/A/FeatureServer/0/applyEdits", method="GET", referer="", user=User("bert"))
    refused = [why[:14] for name, why in edit.lines if name == "refused"]
    assert refused == ["403 user: This", "403 operation:"]  # every reason is told


MOUNTED = """\
server: {publicUrl: https://maps.example.com/secure}
allowedReferers: ["https://maps.example.com"]
serverUrls:
  - {url: https://gis.example.com/arcgis, mount: /gis}
  - {url: https://other.example.com/gis}
"""


@pytest.mark.parametrize(
    "url",
    [
        "/gis/rest/services/A?token=canary",
        "https://maps.example.com/secure/gis/rest/services/A?f=json",
        "http://localhost:8080/gis/rest/services/A",
        "https://gis.example.com/arcgis/rest/services/A",
        "https://maps.example.com/secure/proxy?https://gis.example.com/arcgis/rest/services/A",
    ],
)
def test_a_mounts_path_is_understood_and_named(tmp_path: Path, url: str) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text(MOUNTED, encoding="utf-8")
    verdict = explain(build(load(path, {}), 1), url, method="GET", referer="https://maps.example.com/")
    lines = dict(verdict.lines)
    assert lines["target"] == "https://gis.example.com/arcgis/rest/services/A"
    assert lines["mount"] == "https://maps.example.com/secure/gis/rest/services/A"
    assert verdict.is_allowed
    assert "canary" not in str(verdict)


def test_a_listed_url_is_no_mounts_path(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text(MOUNTED, encoding="utf-8")
    verdict = explain(build(load(path, {}), 1), "https://other.example.com/gis/x", method="GET", referer="")
    assert dict(verdict.lines)["rule"] == "https://other.example.com/gis"
    assert "mount" not in dict(verdict.lines)

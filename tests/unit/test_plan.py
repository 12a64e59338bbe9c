"""proxy.plan: what was decided once holds for other queries of the same page, and for nothing else."""

import pytest

from proxy.core.hygiene import ClientHeaders, client_headers
from proxy.errors import MethodNotAllowed, NotAllowed, ProxyError
from proxy.plan import Plan, decide
from proxy.runtime import Runtime, build
from proxy.settings.load import parse
from proxy.shape import Ready, prepared
from proxy.traffic import Body, Exchange, Incoming
from proxy.urls import Origin

BASE = "https://gis.example.com/arcgis/rest/services/A/MapServer"
PAGE, OTHER = "https://maps.example.com/", "https://evil.example/"
HERE = Origin("https", "proxy.example.com", 443)
TEXT = """
allowedReferers: ["https://maps.example.com"]
serverUrls:
  - {url: "https://gis.example.com/arcgis/rest/services", accessToken: canary-1-long-enough}
  - {url: "https://gis.example.com/arcgis/rest/services/Forced", setParameters: {where: 1=1}}
"""


def runtime(text: str = TEXT) -> Runtime:
    return build(parse(text, "proxy.yaml", {}), generation=1)


def page(referer: str = PAGE, **more: str) -> ClientHeaders:
    named = {"referer": referer, "accept": "*/*"} | {name.replace("_", "-"): value for name, value in more.items()}
    return client_headers([(name.encode(), value.encode()) for name, value in named.items()])


def ask(
    known: Runtime, url: str, headers: ClientHeaders, method: str = "GET", here: Origin | None = HERE
) -> tuple[Plan, Ready]:
    incoming, exchange = Incoming(method, "/proxy", url, headers, "192.0.2.1", here), Exchange("r", method, 0.0)
    plan = decide(known, incoming, exchange)
    ready = prepared(plan, incoming, Body(), exchange)
    assert exchange.target == url.partition("?")[0]
    assert exchange.operation
    return plan, ready


def known_page(known: Runtime, base: str = f"{BASE}/export") -> ClientHeaders:
    """One whose requests for `base` are not decided anew."""
    headers = page()
    for number in range(3):
        assert ask(known, f"{base}?f=image&n={number}", headers)[0].course is None
    return headers


def test_what_a_page_asks_again_goes_up_as_before_but_for_its_query() -> None:
    known = runtime()
    headers, query = known_page(known), "bbox=1,2,3,4&f=image"
    plan, ready = ask(known, f"{BASE}/export?{query}", headers)
    first_plan, first = ask(runtime(), f"{BASE}/export?{query}", page())
    assert plan.course is not None
    assert first_plan.course is None
    assert plan[:4] == first_plan[:4]
    assert ready == first
    assert ready.wanted == "image"
    assert ready.reads


@pytest.mark.parametrize(
    "query", ["f=json&callback=run", "f=html", "layer={%22source%22:{%22type%22:%22dataLayer%22}}"]
)
def test_what_a_query_says_is_judged_every_time(query: str) -> None:
    known = runtime()
    headers = known_page(known)
    with pytest.raises(NotAllowed) as refusal:
        ask(known, f"{BASE}/export?{query}", headers)
    assert refusal.value.slug == "operation"


@pytest.mark.parametrize("name", ["token", "TOKEN", "t%6Fken"])
def test_a_clients_own_token_is_taken_out_every_time(name: str) -> None:
    known = runtime()
    headers = known_page(known)
    assert ask(known, f"{BASE}/export?f=image&{name}=x", headers)[1].outgoing.target.query == "f=image"


def test_another_page_host_or_method_is_another_matter() -> None:
    known = runtime()
    headers, url = known_page(known), f"{BASE}/export?f=image"
    with pytest.raises(NotAllowed):
        ask(known, url, page(OTHER))
    with pytest.raises(MethodNotAllowed):
        ask(known, url, headers, "DELETE")
    assert ask(known, url, headers, "HEAD")[0].course is None
    assert ask(known, url, headers, here=Origin("https", "other.example.com", 443))[0].course is None
    assert ask(known, url, page())[0].course is None
    assert ask(runtime(), url, headers)[0].course is None


def test_what_is_refused_is_not_let_in_by_asking_again() -> None:
    known, headers = runtime(), page(OTHER)
    for _ in range(5):
        with pytest.raises(NotAllowed):
            ask(known, f"{BASE}/export?f=image", headers)
    edits = page()
    for _ in range(5):
        with pytest.raises(NotAllowed):
            ask(known, f"{BASE.replace('Map', 'Feature')}/0/deleteFeatures?f=json", edits)


def test_forced_parameters_and_validators_are_looked_at_every_time() -> None:
    known, base = runtime(), "https://gis.example.com/arcgis/rest/services/Forced/MapServer/export"
    headers = known_page(known, base)
    assert ask(known, f"{base}?f=image", headers)[1].outgoing.target.query == "f=image&where=1%3D1"
    weak = page(if_none_match='W/"a"')
    for _ in range(4):
        _, ready = ask(known, f"{BASE}?f=json", weak)
        assert ready.outgoing.headers["if-none-match"] == '"a"'  # the document is one that is rewritten


def test_strangers_cannot_fill_the_memory() -> None:
    known = runtime()
    for number in range(1200):
        headers = page(user_agent=f"client {number}")
        for _ in range(3):
            ask(known, f"{BASE}/export?f=image", headers)
    assert len(known.courses) <= 1024
    known.courses.clear()
    for number in range(9):
        ask(known, f"{BASE}/export?f=image&n={number}", page())  # headers that are read anew, each time
    long = page(user_agent="x" * 2048)
    for number in range(9):
        ask(known, f"{BASE}/export?f=image&n={number}", long)
    assert not known.courses


def test_a_bad_query_is_refused_every_time() -> None:
    known = runtime()
    headers = known_page(known)
    for query in ("a b", "a=é", "f=image#x"):
        with pytest.raises(ProxyError):
            ask(known, f"{BASE}/export?{query}", headers)

"""proxy.core.admit: who may ask."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import pytest

from proxy.core.admit import admit, cors_headers, parse_entry, preflight_headers, require_page
from proxy.errors import NotAllowed
from proxy.model import AdmitPolicy
from proxy.urls import Origin

OWN = Origin("https", "proxy.example", 443)


def policy(*referers: str, origins: tuple[str, ...] | None = None, missing: bool = False) -> AdmitPolicy:
    entries = tuple(parse_entry(text) for text in referers)
    listed = tuple(parse_entry(text) for text in origins) if origins is not None else entries
    return AdmitPolicy(entries, missing, listed, frozenset())


def refused(policy: AdmitPolicy, **headers: str) -> str:
    """The slug of the refusal, or "" where the request is admitted."""
    try:
        admit(policy, headers, OWN)
    except NotAllowed as error:
        return error.slug
    return ""


@pytest.mark.parametrize(
    ("entry", "referer", "is_allowed"),
    [
        ("https://app.example", "https://app.example/", True),
        ("https://app.example", "https://app.example", True),
        ("https://app.example", "https://APP.example/x?y#z", True),
        ("https://app.example", "https://app.example:8443/", True),
        ("https://app.example", "http://app.example/", False),
        ("https://app.example", "https://app.example.evil.tld/", False),
        ("https://app.example", "https://evil.tld/?https://app.example/", False),
        ("https://app.example", "https://app.example@evil.tld/", False),
        ("https://app.example", "https://evil.tld\\@app.example/", False),
        ("https://app.example:8443", "https://app.example:8443/", True),
        ("https://app.example:8443", "https://app.example/", False),
        ("app.example", "http://app.example/", True),
        ("//app.example", "https://app.example/", True),
        ("https://app.example/viewer/*", "https://app.example/viewer/a", True),
        ("https://app.example/viewer/*", "https://app.example/viewer", True),
        ("https://app.example/viewer/*", "https://app.example/viewer2", False),
        ("https://app.example/viewer/*", "https://app.example/", False),
        ("https://app.example/viewer", "https://app.example/viewer?x=1", True),
        ("https://app.example/viewer", "https://app.example/viewer/a", False),
        ("https://*.example", "https://a.example/", True),
        ("https://*.example", "https://a.b.example/", False),
        ("https://*.example", "https://example/", False),
        ("https://**.example", "https://a.b.example/", True),
        ("https://**.example", "https://example/", False),
        ("https://**.example", "https://aexample/", False),
        ("*", "anything at all", True),
        ("https://app.example", "http", False),
        ("https://app.example", "@esri/arcgis-rest-js", False),
    ],
)
def test_a_referer_matches_an_entry(entry: str, referer: str, is_allowed: bool) -> None:
    assert refused(policy(entry), referer=referer) == ("" if is_allowed else "referer")


def test_a_missing_referer_is_refused_unless_the_file_allows_it() -> None:
    assert refused(policy("https://app.example")) == "referer"
    assert refused(policy("https://app.example", missing=True)) == ""
    assert refused(policy("*")) == ""


@pytest.mark.parametrize("referer", ["http", "@esri/arcgis-rest-js"])
def test_a_programs_word_in_place_of_a_page_is_as_good_as_none(referer: str) -> None:
    assert refused(policy("https://app.example", missing=True), referer=referer) == ""
    assert refused(policy("https://app.example"), referer=referer) == "referer"


@pytest.mark.parametrize(
    "referer", ["http://[::1]/", "https://evil.tld/", "android-app://evil", "file:///C:/page.html"]
)
def test_a_page_that_is_not_listed_is_no_missing_one(referer: str) -> None:
    assert refused(policy("https://app.example", missing=True), referer=referer) == "referer"


def test_a_foreign_origin_is_refused_even_beside_an_allowed_referer() -> None:
    assert refused(policy("https://app.example"), origin="https://evil.tld", referer="https://app.example/") == "origin"
    assert refused(policy("https://app.example", missing=True), origin="null") == "origin"


def test_an_allowed_origin_needs_no_referer() -> None:
    assert refused(policy("https://app.example"), origin="https://app.example") == ""
    assert refused(policy("https://app.example"), origin="https://app.example:8443") == "origin"


def test_where_the_origin_is_our_own_the_referer_decides() -> None:
    ours = policy("https://proxy.example/viewer/*", origins=())
    assert refused(ours, origin="https://proxy.example", referer="https://proxy.example/viewer/") == ""
    assert refused(ours, origin="https://proxy.example", referer="https://proxy.example/other") == "referer"


@pytest.mark.parametrize(
    "text", ["", "https://", "https://a b", "https://a/*/b", "ftp://a", "https://u@a", "https://a:0"]
)
def test_a_bad_entry_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse_entry(text)


def test_cors_names_the_exact_origin_and_varies_by_it() -> None:
    headers = cors_headers(policy("https://*.example"), "https://a.example")
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in headers
    assert cors_headers(policy("https://*.example"), "https://evil.tld") == {"vary": "Origin"}


def test_a_preflight_echoes_asked_headers_and_names_the_verbs() -> None:
    asked = {"origin": "https://a.example", "access-control-request-headers": "x-requested-with, content-type"}
    answer = preflight_headers(policy("https://a.example"), asked, "GET, POST")
    assert answer["access-control-allow-headers"] == "x-requested-with, content-type"
    assert answer["access-control-allow-methods"] == "GET, POST"
    with pytest.raises(NotAllowed):
        preflight_headers(policy("https://a.example"), {"origin": "https://evil.tld"}, "GET")


def test_a_preflight_does_not_echo_what_is_no_list_of_headers() -> None:
    asked = {"origin": "https://a.example", "access-control-request-headers": "x; y\x01"}
    assert "access-control-allow-headers" not in preflight_headers(policy("https://a.example"), asked, "GET")


def test_cookies_are_let_along_for_pages_listed_by_name() -> None:
    allowed = "access-control-allow-credentials"
    listed = replace(policy("https://*.example", "*"), with_cookies=True)
    assert cors_headers(listed, "https://a.example")[allowed] == "true"
    assert preflight_headers(listed, {"origin": "https://a.example"}, "GET")[allowed] == "true"
    for origin in ("https://a.b.example", "http://a.example", "https://a.example:8443", "https://evil.tld", "null"):
        assert allowed not in cors_headers(listed, origin)
    assert allowed not in cors_headers(policy("https://*.example"), "https://a.example")


@pytest.mark.parametrize(
    ("headers", "is_named"),
    [
        ({"origin": "https://app.example"}, True),
        ({"origin": "https://app.example", "referer": ""}, True),
        ({"referer": "https://app.example/viewer"}, True),
        ({"origin": "https://proxy.example", "referer": "https://proxy.example/"}, True),  # our own page
        ({}, False),
        ({"referer": ""}, False),
        ({"referer": "https://evil.tld/"}, False),
        ({"referer": "https://proxy.example/"}, False),  # a path of our host may be somebody else's
        ({"origin": "https://evil.tld"}, False),
        ({"origin": "https://evil.tld", "referer": "https://app.example/"}, False),
        ({"origin": "null", "referer": "https://app.example/"}, False),
        ({"origin": "https://app.example, https://evil.tld"}, False),
        ({"referer": "https://app.example@evil.tld/"}, False),
    ],
)
def test_a_change_needs_a_page_by_name(headers: dict[str, str], is_named: bool) -> None:
    """Though the policy lets anyone in, with and without a Referer."""
    expected: AbstractContextManager[object] = (
        nullcontext() if is_named else pytest.raises(NotAllowed, match="listed by name")
    )
    with expected:
        require_page(policy("https://app.example", "*", missing=True), headers, OWN)

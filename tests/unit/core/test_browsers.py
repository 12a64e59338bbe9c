"""proxy.core.browsers: what Fetch Metadata refuses, and who may embed answers."""

from typing import Any

import pytest

from proxy.core.browsers import answer_headers, check, needs_look
from proxy.errors import NotAllowed
from proxy.traffic import Headers
from proxy.urls import Origin
from tests.unit.core.rules import rule
from tests.unit.core.test_admit import policy

OWN = Origin("https", "proxy.example", 443)
APP = "https://app.example"


def refused(headers: Headers, *, anyone: bool = False, **of_rule: Any) -> bool:
    given = policy("*" if anyone else APP, missing=True)
    if not needs_look(headers):
        return False
    judged = rule("https://gis.example.com/arcgis", **{"credential": "city", **of_rule})
    try:
        check(headers, judged, given)
    except NotAllowed as error:
        return error.slug == "referer"
    return False


@pytest.mark.parametrize("destination", ["script", "worker", "sharedworker", "serviceworker", "audioworklet"])
def test_answers_are_not_run(destination: str) -> None:
    headers = {"sec-fetch-dest": destination, "sec-fetch-mode": "no-cors", "referer": f"{APP}/"}
    assert refused(headers)
    assert refused(headers, credential=None)
    assert not refused(headers, allow_jsonp=True)


@pytest.mark.parametrize("destination", ["image", "empty", "video", "font", "style", ""])
def test_pictures_and_fetches_are_what_the_proxy_is_for(destination: str) -> None:
    assert not refused({"sec-fetch-dest": destination, "sec-fetch-mode": "no-cors", "sec-fetch-site": "cross-site"})


@pytest.mark.parametrize(
    ("headers", "is_refused"),
    [
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site"}, True),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"sec-fetch-site": "none"}, False),  # typed, or a bookmark
        ({"sec-fetch-site": "cross-site", "referer": f"{APP}/"}, False),
        ({"sec-fetch-site": "cross-site", "origin": APP}, False),
    ],
)
def test_a_page_that_hides_itself_opens_nothing_with_a_credential(headers: dict[str, str], is_refused: bool) -> None:
    navigating = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", **headers}
    assert refused(navigating) is is_refused
    assert refused(navigating, credential=None, users=frozenset(("*",))) is is_refused
    assert not refused(navigating, credential=None)
    assert not refused(navigating, anyone=True)


@pytest.mark.parametrize(
    ("referers", "missing", "embeds"),
    [
        ((APP,), False, True),
        (("*",), False, True),
        (("**.example",), False, True),
        (("https://proxy.example",), False, False),
        (("proxy.example",), False, False),
        (("proxy.example/viewer/*",), False, False),
        (("https://proxy.example:8443",), False, True),
        (("http://proxy.example",), False, True),
        (("https://proxy.example", APP), False, True),
        (("https://proxy.example",), True, True),
        ((), False, False),
    ],
)
def test_other_pages_embed_answers_where_they_may_ask(referers: tuple[str, ...], missing: bool, embeds: bool) -> None:
    given = policy(*referers, missing=missing)
    said = answer_headers(given, OWN, origin="", is_theirs=True)
    assert said["cross-origin-resource-policy"] == ("cross-origin" if embeds else "same-origin")
    # what is not from behind the proxy is nobody's to embed
    assert answer_headers(given, OWN, origin="", is_theirs=False)["cross-origin-resource-policy"] == "same-origin"


def test_cors_names_one_origin_and_no_credentials() -> None:
    said = answer_headers(policy(APP), OWN, origin=APP, is_theirs=True)
    assert said["access-control-allow-origin"] == APP
    assert said["vary"] == "Origin"
    assert "access-control-allow-credentials" not in said
    for foreign in ("https://evil.example", "null", "", f"{APP}.evil.example"):
        said = answer_headers(policy(APP), OWN, origin=foreign, is_theirs=True)
        assert "access-control-allow-origin" not in said
        assert said["vary"] == "Origin"

"""proxy.core.redirect: the upstream in place of a rule's URL, and the way back."""

import pytest

from proxy.core.redirect import sent, shown, upstream_path
from proxy.core.servers import server_for_rule
from proxy.core.target import parse_url
from proxy.model import Redirect
from tests.unit.core.rules import rule

ASKED = parse_url("https://public.example").origin


def redirected(url: str, to: str, *, strips: bool = False) -> Redirect:
    there = parse_url(to)
    return Redirect(there.origin, there.path.rstrip("/"), strips)


@pytest.mark.parametrize(
    ("url", "to", "strips", "target", "upstream"),
    [
        ("https://public.example", "https://in:6443", False, "/arcgis/x?f=json", "https://in:6443/arcgis/x?f=json"),
        ("https://public.example/arcgis", "http://in", False, "/ArcGIS/x", "http://in/ArcGIS/x"),
        ("https://public.example/a", "https://in/b/", False, "/a/x", "https://in/b/a/x"),
        ("https://public.example/a", "https://in/b/", True, "/a/x?q", "https://in/b/x?q"),
        ("https://public.example/a", "https://in", True, "/a", "https://in/"),
        ("https://public.example/a", "https://in", True, "/a/", "https://in/"),
        ("https://public.example", "https://in/b", True, "/", "https://in/b/"),
    ],
)
def test_there_and_back(url: str, to: str, strips: bool, target: str, upstream: str) -> None:
    one = rule(url, redirect=redirected(url, to, strips=strips))
    asked = parse_url(f"https://public.example{target}")
    there = sent(one, asked)
    assert there.url == upstream
    assert shown(one, there, ASKED).url.rstrip("/").lower() == asked.url.rstrip("/").lower()
    assert there.path.startswith(upstream_path(one)) or "ArcGIS" in there.path


def test_what_is_not_below_the_redirect_stays_as_it_is() -> None:
    one = rule("https://public.example/a", redirect=redirected("", "https://in/b"))
    for url in ("https://in/b/aX", "https://in/other", "https://elsewhere/b/a", "http://in/b/a"):
        assert shown(one, parse_url(url), ASKED).url == url


def test_without_one_nothing_changes() -> None:
    one, target = rule("https://public.example/a"), parse_url("https://public.example/a/b?c")
    assert sent(one, target) is target
    assert shown(one, target, ASKED) is target


def test_a_token_is_for_the_server_that_answers() -> None:
    one = rule("https://public.example/city/rest/services", redirect=redirected("", "https://in/ags", strips=False))
    server = server_for_rule(one, sent(one, parse_url("https://public.example/city/rest/services/A")))
    assert str(server) == "https://in/ags/city"
    assert one.scope.covers(server.origin)
    assert not one.scope.covers(ASKED)

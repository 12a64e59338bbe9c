"""proxy.core.mount: which URL a request means, and how a URL is written for a client that knows no proxy."""

import pytest

from proxy.core.mount import Mounts, Wanted, wanted
from proxy.core.target import parse_url
from tests.unit.core.rules import rule

MOUNTS = Mounts(
    [
        rule("https://gis.example.com/arcgis", mount="/gis", aliases=(parse_url("http://gis01:6080/arcgis"),)),
        rule("https://gis.example.com/arcgis/rest/services/Deep", mount="/deep"),
        rule("http://whole.example.com:8080", mount="/a/b", caseSensitive=True),
        rule("https://query.example.com/arcgis"),
    ]
)


@pytest.mark.parametrize(
    ("raw", "target"),
    [
        ("/gis", "https://gis.example.com/arcgis"),
        ("/gis/", "https://gis.example.com/arcgis/"),
        ("/gis?f=json", "https://gis.example.com/arcgis?f=json"),
        ("/gis?", "https://gis.example.com/arcgis?"),
        ("/gis/rest/x%2Fy?a=%zz?b", "https://gis.example.com/arcgis/rest/x%2Fy?a=%zz?b"),
        ("/gis/../x", "https://gis.example.com/arcgis/../x"),
        ("/gis/?ping", "https://gis.example.com/arcgis/?ping"),
        ("/a/b", "http://whole.example.com:8080"),
        ("/a/b//evil.example/x", "http://whole.example.com:8080//evil.example/x"),
    ],
)
def test_a_path_means_what_the_mount_stands_for(raw: str, target: str) -> None:
    assert wanted(raw, ("/proxy",), MOUNTS) == Wanted(target, is_mounted=True)


@pytest.mark.parametrize("raw", ["/", "/gis2/x", "/GIS/x", "/gi", "/%67is/x", "/gis;x", "/gis@evil/x", "/a", "/x/gis"])
def test_whole_segments_alone_are_a_mounts(raw: str) -> None:
    assert wanted(raw, ("/proxy",), MOUNTS) is None


def test_query_mode_stays_what_it_was() -> None:
    assert wanted("/proxy?https://h/x?y", ("/proxy",), MOUNTS) == Wanted("https://h/x?y")
    assert wanted("/proxy?", ("/proxy",), MOUNTS) == wanted("/proxy", ("/proxy",), MOUNTS) == Wanted(None)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://gis.example.com/arcgis/rest?f=json", "/gis/rest?f=json"),
        ("https://gis.example.com/ArcGIS", "/gis"),
        ("https://gis.example.com/arcgis/rest/services/deep/A", "/deep/A"),
        ("http://gis01:6080/arcgis/x", "/gis/x"),
        ("http://whole.example.com:8080/", "/a/b/"),
        ("https://gis.example.com/arcgis2/x", None),
        ("http://gis.example.com/arcgis/x", None),
        ("https://query.example.com/arcgis", None),
    ],
)
def test_the_longest_mount_leads_to_a_url(url: str, path: str | None) -> None:
    assert MOUNTS.path_to(parse_url(url)) == path

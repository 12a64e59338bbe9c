"""proxy.core.rewrite and spellings: links in every spelling, and nothing that only looks like one."""

import json

import pytest

from proxy.core.mount import Mount
from proxy.core.rewrite import Rewriter, is_rewritable, link_header, links_of, names_hosts
from proxy.core.target import parse_url
from proxy.urls import Target

GIS = Mount("/gis", parse_url("https://gis.example.com/arcgis"))
PORT = Mount("/port", parse_url("http://gis.example.com:6080/arcgis"))
DEEP = Mount("/deep", parse_url("https://gis.example.com/arcgis/rest/services/Deep"))
WHOLE = Mount("/whole", Target(parse_url("https://whole.example.com").origin, ""))
ODD = Mount("/odd", parse_url("https://odd.example.com/Gr%C3%B6%C3%9Fe%20(x)"), case_sensitive=True)
MOUNTS = (DEEP, ODD, GIS, PORT, WHOLE)
PUBLIC = "https://maps.example.com:8443/p"
NEW = "https://maps.example.com:8443/p"


def rewritten(text: str, *, page: Mount | None = None, has_hosts: bool = False, public: str = PUBLIC) -> str:
    links = links_of(MOUNTS, page.base.origin if page else None, has_hosts)
    assert links is not None
    rewriter = Rewriter(links, public)
    return (rewriter.feed(text.encode()) + rewriter.finish()).decode()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://gis.example.com/arcgis/rest", f"{NEW}/gis/rest"),
        ("http://gis.example.com/arcgis/rest", f"{NEW}/gis/rest"),
        ("https://gis.example.com:443/arcgis/rest", f"{NEW}/gis/rest"),
        ("http://gis.example.com:80/arcgis?x", f"{NEW}/gis?x"),
        ("https://GIS.Example.COM/ArcGIS/rest", f"{NEW}/gis/rest"),
        ("http://gis.example.com:6080/arcgis/x", f"{NEW}/port/x"),
        ("https://gis.example.com/arcgis/rest/services/Deep/A", f"{NEW}/deep/A"),
        ("https://gis.example.com/arcgis/rest/services/Deeper/A", f"{NEW}/gis/rest/services/Deeper/A"),
        ("https://whole.example.com", f"{NEW}/whole"),
        ("https://whole.example.com/x", f"{NEW}/whole/x"),
        (r"https:\/\/gis.example.com\/arcgis\/rest", r"https:\/\/maps.example.com:8443\/p\/gis\/rest"),
        (r"https:\u002f\u002Fgis.example.com\u002farcgis", r"https:\u002fmaps.example.com"),
        ("https%3A%2F%2Fgis.example.com%2Farcgis%2Frest", "https%3A%2F%2Fmaps.example.com%3A8443%2Fp%2Fgis%2Frest"),
        ("https%3a%2f%2fgis.example.com%2farcgis%26", "https%3a%2f%2fmaps.example.com%3a8443%2fp%2fgis%26"),
        ("http%253A%252F%252Fgis.example.com%252Farcgis", "https%253A%252F%252Fmaps.example.com%253A8443%252Fp%252Fgis"),
        ("https:&#x2F;&#x2F;gis.example.com&#x2F;arcgis&quot;", "https:&#x2F;&#x2F;maps.example.com:8443&#x2F;p&#x2F;gis&quot;"),
        ("http%3A%2F%2Fgis.example.com%3A6080%2Farcgis%3Ff", "https%3A%2F%2Fmaps.example.com%3A8443%2Fp%2Fport%3Ff"),
        ("https://odd.example.com/Gr%C3%B6%C3%9Fe%20(x)/a", f"{NEW}/odd/a"),
        ("https://odd.example.com/Größe (x)/a", f"{NEW}/odd/a"),
        ("https://odd.example.com/Gr\\u00f6\\u00DFe%20%28x%29", f"{NEW}/odd"),
        ("see https://gis.example.com/arcgis.", f"see {NEW}/gis."),
        ("https://gis.example.com/arcgis,https://gis.example.com/arcgis", f"{NEW}/gis,{NEW}/gis"),
    ],
)  # fmt: skip
def test_a_link_is_answered_in_its_spelling(given: str, expected: str) -> None:
    if expected.startswith(r"https:\u002f"):
        expected = r"https:\u002f\u002fmaps.example.com:8443\u002fp\u002fgis"
    assert rewritten(f'"{given}"') == f'"{expected}"'


@pytest.mark.parametrize(
    "text",
    [
        "https://gis.example.com/arcgis2/rest",
        "https://gis.example.com/arcgis-old",
        "https://gis.example.com/arcgis%20old",
        "https://gis.example.com/arcgis.html",
        "https://gis.example.com/arcgisé",
        "https://gis.example.com/other",
        "https://gis.example.com:8080/arcgis/rest",
        "https://gis.example.com.evil.example/arcgis",
        "https://whole.example.com.evil.example/",
        "https://whole.example.com@evil.example/",
        "https://whole.example.com:8080/",
        "https://odd.example.com/gr%C3%B6%C3%9Fe%20(x)/a",
        "ftp://gis.example.com/arcgis/",
        "https%3A%2F%2Fgis.example.com%2Farcgis%20old",
        "gis.example.com/arcgis",
        "/arcgis/rest",
        "http",
        '{"preferredHost":"x"}',
    ],
)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert rewritten(text) == text


def test_a_path_alone_is_a_link_on_a_page_of_the_same_server() -> None:
    page = '<a href="/arcgis/rest">, <form action=\'/ArcGIS\'>, <a href="/arcgis2">, <b>/arcgis/</b>, <a href="rest">'
    expected = page.replace("/arcgis/rest", "/p/gis/rest").replace("/ArcGIS", "/p/gis")
    assert rewritten(page, page=GIS) == expected
    assert rewritten(page, page=PORT) == expected.replace("/gis", "/port")
    assert rewritten('<a href="/x"><a href="//y">', page=WHOLE) == '<a href="/p/whole/x"><a href="//y">'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"preferredHost": "direct.example", "a": 1}, {"preferredHost": None, "a": 1}),
        ({"a": 1, "preferredHost": "direct.example:6443"}, {"a": 1, "preferredHost": None}),
        ({"tileServers": ["https://a.example/x", "https://b.example/y"]}, {"tileServers": []}),
        ({"tileServers": []}, {"tileServers": []}),
        ({"name": '"preferredHost":"x"'}, {"name": '"preferredHost":"x"'}),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_hosts_that_lead_around_the_proxy_go(given: object, expected: object, indent: int | None) -> None:
    assert json.loads(rewritten(json.dumps(given, indent=indent), has_hosts=True)) == expected


def test_nothing_is_looked_for_where_there_is_nothing_to_find() -> None:
    assert links_of((), None, False) is None


@pytest.mark.parametrize(
    ("kind", "is_text"),
    [
        ("application/json;charset=UTF-8", True),
        ("text/plain", True),
        ("TEXT/XML", True),
        ("application/vnd.ogc.wms_xml", True),
        ("application/geo+json", True),
        ("application/vnd.google-earth.kml+xml", True),
        ("image/svg+xml", True),
        ("application/x-javascript", True),
        ("", False),
        ("application/x-protobuf", False),
        ("application/octet-stream", False),
        ("image/png", False),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", False),
        ("application/vnd.google-earth.kmz", False),
    ],
)
def test_texts_are_told_by_their_type(kind: str, is_text: bool) -> None:
    assert is_rewritable(kind) == is_text


@pytest.mark.parametrize("path", ["/x/MapServer", "/x/FeatureServer/0", "/x/imageserver/", "/x/MapServer/layers"])
def test_descriptions_of_services_name_hosts(path: str) -> None:
    assert names_hosts(path)
    assert not names_hosts(f"{path.rstrip('/')}/query")


def test_a_link_header_keeps_ways_on_alone() -> None:
    base = parse_url("https://gis.example.com/arcgis/rest/a/b")
    given = (
        '<c?x=1,2>; rel=next, </arcgis>; rel="self"; type="a,b" , <ftp://a/>; rel=next, <d>; rel="next preload", <e>'
    )
    kept = ["<W/arcgis/rest/a/c?x=1,2>; rel=next", '<W/arcgis>; rel="self"; type="a,b"']
    assert link_header(given, base, lambda target: f"W{target.path_and_query}") == ", ".join(kept)

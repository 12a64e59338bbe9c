"""However a text is cut, what comes out is the same, and little is held back."""

from hypothesis import given
from hypothesis import strategies as st

from proxy.core.mount import Mount
from proxy.core.rewrite import Rewriter, links_of
from proxy.core.target import parse_url

MOUNTS = (
    Mount("/deep", parse_url("https://gis.example/arcgis/rest/services/http")),
    Mount("/gis", parse_url("https://gis.example/arcgis"), (parse_url("http://gis01:6080/arcgis"),)),
)
LINKS = links_of(MOUNTS, MOUNTS[1].base.origin, True)
WORDS = [
    "http", "https", "://", r":\/\/", "%3A%2F%2F", "%3a%2f%2F", "gis.example", "gis01:6080", ":443", "/arcgis",
    r"\/arcgis", "%2Farcgis", "/rest/services/http", "=\"", "='", "\"", ".", ".x", "%20", "%2F", "@", ":", "h",
    "ht", "2", "é",
    '"preferredHost"', '"tileServers"', ":[", "]", "]}", ",", '"x"', " ",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=40).map(lambda parts: "".join(parts).encode())
PUBLIC = "https://maps.example"


@given(TEXTS, st.lists(st.integers(1, 30), min_size=1))
def test_cuts_do_not_show(text: bytes, cuts: list[int]) -> None:
    assert LINKS is not None
    whole, pieces = Rewriter(LINKS, PUBLIC), Rewriter(LINKS, PUBLIC)
    expected = whole.feed(text) + whole.finish()
    out, at = b"", 0
    while at < len(text):
        step = cuts[at % len(cuts)]
        out += pieces.feed(text[at : at + step])
        at += step
    assert out + pieces.finish() == expected
    assert pieces.count == whole.count


@given(st.integers(0, 50))
def test_what_is_held_back_is_bounded(begun: int) -> None:
    assert LINKS is not None
    rewriter = Rewriter(LINKS, PUBLIC)
    fed = made = 0
    for piece in (b"http" * 200, b"x" * begun, b'"tileServers" :' * 100, b'="' * 500, b"h" * 3000):
        fed += len(piece)
        made += len(rewriter.feed(piece))
        assert fed - made <= LINKS.longest + len(b'"tileServers"')
    assert made + len(rewriter.finish()) == fed

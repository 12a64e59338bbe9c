"""What a stranger writes costs time in proportion to its length: no text, however it is made, keeps the loop busy."""

import time
from collections.abc import Callable

import pytest

from proxy.core.caching import service_of
from proxy.core.classify import Inspector, inspect
from proxy.core.paths import is_file
from proxy.core.rewrite import link_header
from proxy.core.soap import soap_element
from proxy.core.target import parse_url


def judged(body: bytes) -> bool:
    """Whether an answer in XML passes."""
    inspector = inspect(200, {"content-type": "text/xml"}, wanted="json", path="/a")
    assert isinstance(inspector, Inspector)
    return (inspector.feed(body) or inspector.finish()).verdict.value == "pass"


HERE = parse_url("https://gis.example.com/a")
LONGEST = 32 * 1024  # characters of a request line
TEXTS: dict[str, tuple[Callable[[], object], object]] = {
    "blanks in an XML declaration": (lambda: soap_element(b'<?xml encoding="' + b" " * 8000 + b"?><a/>"), ""),
    "a path of nothing but services": (lambda: is_file("/x" + "server/" * (LONGEST // 7) + "z"), False),
    "a path of nothing but folders of services": (
        lambda: len(service_of("https://h" + "/services" * (LONGEST // 9) + "/x")),
        len("https://h") + len("/services") * (LONGEST // 9) + 2,
    ),
    "a link with many parameters and no end": (lambda: link_header("<x>" + ";a " * 1000 + '"', HERE, str), ""),
    "comments without end": (lambda: judged(b"<!---->" * 500), True),
    "blanks without end": (lambda: judged(b"<" + b" " * 4000), True),
    "links within links": (lambda: link_header("<x>;a=" * 10_000 + '"', HERE, str), ""),
}


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_takes_more_than_its_length(name: str) -> None:
    look, expected = TEXTS[name]
    began = time.process_time()
    assert look() == expected
    assert time.process_time() - began < 0.1

"""proxy.core.operations for any request: disguises change nothing, edits stay edits, everything gets a class."""

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from proxy.core import operation_table as table
from proxy.core.demands import has_data_layer, read_parameters, wants_jsonp
from proxy.core.operation_table import JUDGED
from proxy.core.operations import operation
from proxy.core.parameters import of_form, split
from proxy.core.soap import soap_element
from proxy.model import Access
from proxy.urls import Origin, Target

ORIGIN = Origin("https", "h", 443)
methods = st.sampled_from(["GET", "HEAD", "POST"])
services = st.sampled_from(sorted(table.READ))
known = sorted(
    {name for found in (*table.READ.values(), *table.EXECUTE.values()) for name in found}
    | table.NEVER_DATA
    | table.RESTRICTED
    | table.DATA_FOLDERS
    | {"rest", "services", "sharing", "directories", "system", "0", "12", "a", "mapserver", "gpserver", "wfsserver"}
)
paths = st.lists(st.sampled_from(known), max_size=8).map(lambda names: "/" + "/".join(names))
# What changes data or runs something, wherever it stands below a service.
edits = sorted(table.NEVER_DATA - {"exts"})


def access(method: str, path: str) -> Access:
    return operation(method, Target(ORIGIN, path), parameters={}, soap_element=None).access


def disguised(path: str, choices: list[int]) -> str:
    """The same path in other letters: capitals, percent-encoding."""
    out = []
    for index, letter in enumerate(path):
        choice = choices[index % len(choices)] if letter != "/" else 0
        out.append((letter, letter.upper(), f"%{ord(letter):02X}")[choice])
    return "".join(out)


@given(method=methods, path=paths, choices=st.lists(st.integers(0, 2), min_size=1, max_size=9))
def test_letter_case_and_encoding_never_decide(method: str, path: str, choices: list[int]) -> None:
    assert access(method, disguised(path, choices)) is access(method, path)


@given(method=methods, path=paths)
def test_empty_segments_and_a_trailing_slash_never_decide(method: str, path: str) -> None:
    assert access(method, path.replace("/", "//") + "/") is access(method, path)


@given(
    method=methods, service=services, edit=st.sampled_from(edits), before=st.lists(st.sampled_from(known), max_size=3)
)
def test_an_edit_is_never_a_read(method: str, service: str, edit: str, before: list[str]) -> None:
    if service not in table.READ_BY_GET:
        path = "/".join(["/arcgis/rest/services/A", service, *before, edit])
        assert access(method, path) >= Access.EDIT


@given(method=methods, service=services, name=st.from_regex(r"[a-z]{9,12}[0-9]", fullmatch=True))
def test_what_is_unknown_is_an_edit(method: str, service: str, name: str) -> None:
    if service not in table.READ_BY_GET | table.NAMED_PARTS:
        assert access(method, f"/arcgis/rest/services/A/{service}/0/{name}") is Access.EDIT


@given(method=methods, place=paths, word=st.sampled_from(sorted(table.RESTRICTED)))
def test_administration_needs_all(method: str, place: str, word: str) -> None:
    if not {"services", "sharing"} & set(place.split("/")) and "directories" not in place:
        assert access(method, f"{place}/{word}") is Access.ALL


@given(method=st.text(max_size=8), path=st.text(max_size=60), query=st.none() | st.text(max_size=60), body=st.binary())
def test_any_request_gets_an_operation(method: str, path: str, query: str | None, body: bytes) -> None:
    parameters = read_parameters(split(query), of_form(body, frozenset(), JUDGED)[1])
    done = operation(method, Target(ORIGIN, path, query), parameters=parameters, soap_element=soap_element(body))
    assert done.name
    assert len(done.name) <= 80
    has_data_layer(parameters)
    wants_jsonp(parameters)


@given(
    body=st.lists(
        st.sampled_from(["<Envelope>", "<Body>", "</Body>", "<GetX/>", "<DeleteX/>", "<!--", "-->", "'", " "])
    )
)
def test_only_a_real_soap_body_has_a_read(body: list[str]) -> None:
    text = "".join(body)
    if soap_element(text.encode()) == "GetX":
        bare = text
        while "<!--" in bare:
            head, _, tail = bare.partition("<!--")
            bare = head + tail.partition("-->")[2]
        assert bare.replace(" ", "").partition("<GetX/>")[0].endswith("<Body>")
        assert "<DeleteX/>" not in bare.partition("<GetX/>")[0]


@given(
    spaces=st.lists(st.sampled_from(["", " ", "\n", "\t"]), min_size=6, max_size=6),
    is_encoded=st.lists(st.booleans(), min_size=1),
)
def test_a_data_layer_hides_behind_no_spelling(spaces: list[str], is_encoded: list[bool]) -> None:
    a, b, c, d, e, f = spaces
    value = f'{a}{{{b}"source"{c}:{d}{{"type"{e}:{f}"dataLayer"}}}}'
    sent = "".join(
        f"%{ord(letter):02x}" if is_encoded[index % len(is_encoded)] else quote(letter)
        for index, letter in enumerate(value)
    )
    assert has_data_layer(read_parameters(split(f"f=json&dynamicLayers={sent}")))
    _, fields = of_form(f"l%61yer={sent}&f=json".encode(), frozenset(), JUDGED)
    assert has_data_layer(read_parameters(split(None), fields))

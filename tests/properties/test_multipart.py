"""A multipart form that passes is read alike by readers that were written without us, and holds nothing denied."""

import re
from email import policy
from email.parser import BytesParser
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proxy.core.multipart import MultipartFilter
from proxy.core.parameters import Field, name_of
from proxy.errors import BadRequest

DENIED = frozenset(("token", "where"))
READ = frozenset(("f", "callback"))
# As carelessly as anybody might read: any line that begins with the mark, any line break, any name in any head.
CARELESS_DELIMITER = re.compile(rb"(?:^|[\r\n])--XX")
CARELESS_NAME = re.compile(rb"[\s;:]name\*?[^=;\s]*=[\"']?([^\";\r\n]*)", re.IGNORECASE)
BLANK_LINE = re.compile(rb"\r?\n\r?\n|\r\r")

PART = st.builds(
    lambda name, head, value: (
        b'--XX\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name, head, value)
    ),
    st.sampled_from([b"f", b"a", b"token", b"Where", b"callback"]),
    st.sampled_from(
        [b"", b'; filename="a.b"', b"\r\nContent-Type: text/plain; charset=utf-8", b"\r\nContent-Length: 4"]
    ),
    st.binary(max_size=12) | st.sampled_from([b"--XX", b"\r\n--X", b"\r\n\r\n", b'name="token"', b"--"]),
)
DIRT = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b"--XX",
            b"--XX\r\n",
            b"\n--XX\r\n",
            b"--XX--",
            b"--",
            b"XX",
            b" ",
            b"\t",
            b"\\",
            b'"',
            b"\0",
        ),
        *(
            b'Content-Disposition: form-data; name="token"\r\n\r\n',
            b'; name="token"',
            b"; name*=utf-8''token",
            b"name=token",
        ),
        *(b"; name=token", b'; filename="x; name=token"', b'filename="'),
        *(b"\r\n\r\n", b";", b"=", b"Content-Transfer-Encoding: base64\r\n", b"X: y\r\n", b"token", b"'"),
    ]
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    body = b"".join(draw(st.lists(PART, max_size=4))) + b"--XX--" + draw(st.sampled_from([b"", b"\r\n"]))
    for dirt in draw(st.lists(DIRT, max_size=3)):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + dirt + body[at:]
    return body


def filtered(body: bytes, cuts: list[int]) -> tuple[bytes, list[Field]] | None:
    form = MultipartFilter(b"XX", DENIED, READ)
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    try:
        return b"".join(form.feed(body[a:b]) for a, b in pairwise(edges)) + form.finish(), form.fields
    except BadRequest:
        return None


def careless_names(body: bytes) -> set[str]:
    heads = [BLANK_LINE.split(part, maxsplit=1)[0] for part in CARELESS_DELIMITER.split(body)[1:]]
    return {name_of(name.decode("utf-8", "replace")) for head in heads for name in CARELESS_NAME.findall(b" " + head)}


def mail_fields(body: bytes) -> list[tuple[str, bytes]]:
    message = BytesParser(policy=policy.HTTP).parsebytes(
        b"Content-Type: multipart/form-data; boundary=XX\r\n\r\n" + body
    )
    parts = message.iter_parts() if message.is_multipart() else ()
    found = []
    for part in parts:
        name = part.get_param("name", "", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(name, str)
        found.append((name_of(name), content if isinstance(content, bytes) else b""))
    return found


@given(body=bodies(), cuts=st.lists(st.integers(0, 500), max_size=4))
def test_what_passes_holds_nothing_denied_to_any_reader(body: bytes, cuts: list[int]) -> None:
    whole = filtered(body, [])
    assert filtered(body, cuts) == whole
    if whole is None:
        return
    out, fields = whole
    assert not careless_names(out) & DENIED
    read = mail_fields(out)
    assert not {name for name, _ in read} & DENIED
    assert [name for name, _ in read if name in READ] == [field.name for field in fields]
    assert filtered(out, []) == (out, fields)


@given(body=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=4))
def test_garbage_is_refused_however_it_is_cut(body: bytes, cuts: list[int]) -> None:
    assert filtered(body, cuts) == filtered(body, [])

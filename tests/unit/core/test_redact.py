"""proxy.core.redact: an echoed secret leaves in no form, and nothing else changes."""

import base64
import html
import json
import time
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.core.redact import Redactor, is_opaque, is_text, whole_without, without_secrets, words_without

TOKEN = "nL4rWq7aZ0x-Tt_8uVbEe+1/k=2Hh3Jj5.."
SECRETS = (TOKEN, 'p"w\\d & <é>')

FORMS = {
    "plain": TOKEN,
    "percent": quote(TOKEN, safe=""),
    "percent, lower case": quote(TOKEN, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
    "percent, twice": quote(quote(TOKEN, safe=""), safe=""),
    "partly percent": quote(TOKEN, safe="/="),
    "JSON": TOKEN.replace("/", "\\/"),
    "JSON, escaped": TOKEN.replace("+", "\\u002b").replace("=", "\\u003D"),
    "HTML": TOKEN.replace("+", "&#43;").replace("=", "&#x3D;").replace("/", "&#x2f;"),
    "JSON in JSON": json.dumps(TOKEN.replace("/", "\\/").replace("+", "\\u002b")),
    "JSON in JSON in JSON": json.dumps(json.dumps(TOKEN.replace("/", "\\/").replace("+", "\\u002b"))),
    "script": TOKEN.replace("/", "\\x2F").replace("+", "\\x2b"),
    "percent, three times": quote(quote(quote(TOKEN, safe=""), safe=""), safe=""),
    "percent in HTML": quote(TOKEN, safe="").replace("%", "&#37;"),
    "hex": TOKEN.encode().hex(),
    "HEX": TOKEN.encode().hex().upper(),
    "UTF-16": TOKEN.encode("utf-16").decode("latin-1"),
    "UTF-16 BE": TOKEN.encode("utf-16-be").decode("latin-1"),
    "UTF-32": TOKEN.encode("utf-32").decode("latin-1"),
    "UTF-32 BE": TOKEN.encode("utf-32-be").decode("latin-1"),
    "base64": base64.b64encode(TOKEN.encode()).decode(),
    "base64 of more": base64.b64encode(f"user:{TOKEN}:x".encode()).decode(),
    "base64 of a little more": base64.b64encode(f"u{TOKEN}".encode()).decode(),
    "base64url": base64.urlsafe_b64encode(f"a:{TOKEN}".encode()).decode(),
    "another, JSON": json.dumps(SECRETS[1])[1:-1],
    "another, HTML": html.escape(SECRETS[1]),
    "another, percent": quote(SECRETS[1], safe=""),
}


def redacted(body: bytes, cuts: list[int]) -> tuple[bytes, int]:
    redactor = Redactor(SECRETS)
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    out = b"".join(redactor.feed(body[a:b]) for a, b in pairwise(edges))
    return out + redactor.finish(), redactor.count


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_every_form_is_taken_out_wherever_the_body_is_cut(form: str, cuts: list[int]) -> None:
    body = f'{{"href":"https://gis.example.com/x?token={form}&f=json"}}'.encode()
    out, count = redacted(body, cuts)
    assert (len(out), count) == (len(body), 1)
    assert TOKEN[4:12].encode() not in out
    assert out.endswith(b'&f=json"}')


def test_cut_at_every_byte() -> None:
    body = b"".join(form.encode() + b" " for form in FORMS.values())
    out, count = redacted(body, list(range(len(body))))
    assert count == len(FORMS)
    assert out.count(b"x") > 0.9 * len(body.replace(b" ", b""))  # of base64 the neighbours' characters stay


@pytest.mark.parametrize("secret", ["xxxxxa", "axxxxx", "ababab"])
def test_a_secret_that_is_nearly_all_x_is_taken_out_wherever_it_stood(secret: str) -> None:
    body = f"a{secret}a{secret}{secret[1:]}a".encode()
    places = [at for at in range(len(body)) if body.startswith(secret.encode(), at)]
    out, _ = whole_without(body, (secret,))
    assert all(out[at : at + len(secret)] == b"x" * len(secret) for at in places)


@given(body=st.binary(max_size=600), cuts=st.lists(st.integers(0, 600), max_size=5))
@example(body=TOKEN[:-1].encode(), cuts=[5])
@example(body=TOKEN[:3].encode() * 9, cuts=[7, 8])
@example(body=b"nL4r%2", cuts=[])
def test_what_is_no_secret_passes_as_it_is(body: bytes, cuts: list[int]) -> None:
    assert redacted(body, cuts) == (body, 0)


def test_a_stream_is_not_held_back() -> None:
    redactor = Redactor(SECRETS)
    assert redactor.feed(b'{"a":1}') == b'{"a":1}'
    assert not redactor.is_holding
    assert redactor.feed(b"...nL4") == b"..."
    assert redactor.is_holding
    assert redactor.feed(b"4") == b"nL44"


def test_short_words_are_no_secrets() -> None:
    redactor = Redactor(("abc", ""))
    assert redactor.feed(b"abc ") + redactor.finish() == b"abc "


@pytest.mark.parametrize("length", [16, 300, 4096])
def test_tokens_of_every_length(length: int) -> None:
    secret = ("Aa0-._+/=" * length)[:length]
    redactor = Redactor((secret,))
    body = f"<a>{quote(secret, safe='')}</a>".encode()
    assert redactor.feed(body[:100]) + redactor.feed(body[100:]) + redactor.finish() != body
    assert redactor.count == 1


def test_a_headers_value_loses_its_secrets() -> None:
    assert without_secrets(f'attachment; filename="{TOKEN}.png"', SECRETS) == f'attachment; filename="{"x" * 35}.png"'
    assert without_secrets("plain", SECRETS) == "plain"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *(("application/json", True), ("", True), ("image/svg+xml", True), ("image/png", False), ("TEXT/plain", True)),
        *(("application/vnd.apple.mpegurl", True), ("audio/x-mpegURL", True), ("application/csv", True)),
        *(("application/ecmascript", True), ("application/geopackage+sqlite3", False)),
    ],
)
def test_which_types_are_looked_through(kind: str, expected: bool) -> None:
    assert is_text(kind) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *(("image/png", True), ("application/x-protobuf", True), ("application/vnd.mapbox-vector-tile", True)),
        *(
            ("VIDEO/mp4", True),
            ("application/octet-stream", False),
            ("application/pdf", False),
            ("application/zip", False),
        ),
    ],
)
def test_which_files_are_not_looked_through(kind: str, expected: bool) -> None:
    assert is_opaque(kind) is expected


def test_in_a_file_zeros_are_nothing_special() -> None:
    wide = TOKEN.encode("utf-16-le")
    body = bytes(range(256)) * 9 + TOKEN.encode() + b"|" + wide
    redactor = Redactor(SECRETS, in_binary=True)
    assert redactor.feed(body[:2310]) + redactor.feed(body[2310:]) + redactor.finish() == body.replace(
        TOKEN.encode(), b"x" * len(TOKEN)
    )
    assert whole_without(body, SECRETS, in_binary=True)[1] == 1
    assert whole_without(body, SECRETS)[1] == 2


@pytest.mark.parametrize("length", range(len(TOKEN)))
def test_a_sentence_that_is_cut_keeps_no_part_of_a_secret(length: int) -> None:
    text = f"Zürich \ud800: {TOKEN}"
    assert words_without(text, SECRETS, longest=10 + length) == "Zürich \ud800: "
    assert words_without(text, SECRETS, longest=100) == f"Zürich \ud800: {'x' * len(TOKEN)}"


def test_a_sentence_that_ends_in_what_utf16_begins_with() -> None:
    assert words_without("not ¬ so", ("€uros-key-12",), longest=5) == "not \ufffd"
    assert words_without("not ¬", ("€uros-key-12",), longest=5) == "not ¬"


def test_a_whole_sentence_keeps_its_end() -> None:
    assert words_without(f"ends as {TOKEN[:3]}", SECRETS, longest=100) == f"ends as {TOKEN[:3]}"


OVERLAPPING = {
    "itself": ("abcabc", "..abcabcabc..", "..xxxxxxxxx..", 1),
    "itself, encoded": ('"\\a"\\a', '.."\\a"\\\\a\\"\\\\a..', "..xxxxxxxxxxxx..", 1),
    "itself, in many ways": ("\0\0\0\x08\0\0", "\1\0\0\0\x08\0\0\0\x08\0\0\1", "\1xxxxxxxxxx\1", 1),
    "the next": ("abcdef", "..abcdefabcdef..abcdef", "..xxxxxxxxxxxx..xxxxxx", 2),
    "its own beginning": ("aaaaaab", "aaaaaaaaab.aaaaaa", "aaaxxxxxxx.aaaaaa", 1),
    "a word of the form": ("\\u005cu", "\\u005cu005cu.", "xxxxxxxxxxxx.", 1),
}


@pytest.mark.parametrize(("secret", "text", "expected", "count"), OVERLAPPING.values(), ids=OVERLAPPING)
def test_what_overlaps_is_taken_out_as_one_wherever_it_is_cut(
    secret: str, text: str, expected: str, count: int
) -> None:
    body = text.encode()
    assert whole_without(body, (secret,)) == (expected.encode(), count)
    for size in range(1, len(body)):
        redactor = Redactor((secret,))
        out = b"".join(redactor.feed(body[at : at + size]) for at in range(0, len(body), size)) + redactor.finish()
        assert (out, redactor.count) == (expected.encode(), count)


def test_a_secret_that_may_go_on_waits_for_the_end() -> None:
    redactor = Redactor(("secret\\",))
    assert redactor.feed(b"a secret\\") == b"a "
    assert (redactor.is_holding, redactor.count) == (True, 0)
    assert (redactor.finish(), redactor.count) == (b"xxxxxxx", 1)


LONG = ["\\" * 46, '\\"' * 23, "\\/" * 23, "%" * 46, "%25" * 15, "&amp;" * 9, "a" * 46]


@pytest.mark.parametrize("secret", LONG)
@pytest.mark.parametrize("other", ["\\", "%25", "&#37;", "&amp;", "\\u005c", "\\/"])
def test_no_secret_takes_long_in_any_text(secret: str, other: str) -> None:
    """Of the first, a regular expression would try more ways than there are atoms."""
    echoed = secret.encode() * 20
    rest = b"." + other.encode() * (8000 // len(other)) + b"."
    began = time.process_time()
    out, count = whole_without(echoed + rest, (secret,))
    assert time.process_time() - began < 10
    assert out.startswith(b"x" * len(echoed) + b".")
    assert (len(out), count > 0) == (len(echoed + rest), True)


def test_zeros_before_the_number_of_a_character() -> None:
    for zeros in range(41):
        text = f"secret&#{'0' * zeros}43;1 secret&#x{'0' * zeros}2B;1".encode()
        redactor = Redactor(("secret+1",))
        out = b"".join(redactor.feed(text[at : at + 1]) for at in range(len(text))) + redactor.finish()
        assert (out.replace(b"x", b""), redactor.count) == (b" ", 2)

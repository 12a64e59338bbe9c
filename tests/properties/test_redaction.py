"""An echoed secret leaves in no form, however the text around it is made and cut; and nothing else changes."""

import base64
import html
import json
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import quote, unquote

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from proxy.core.redact import Redactor, whole_without

LETTERS = st.characters(codec="utf-8", min_codepoint=0x21, exclude_categories=["C", "Z"])
SECRETS = st.text(st.one_of(st.sampled_from("Aa0-._~+/=%&\\\"<>'"), LETTERS), min_size=6, max_size=60)
TEXT = st.text(max_size=80)

# How texts are written into others, and read again; `neighbours` are what stands beside the secret within the form.
Form = tuple[Callable[[str], bytes], Callable[[bytes], str]]
FORMS: dict[str, Form] = {
    "plain": (str.encode, lambda raw: raw.decode("utf-8", "replace")),
    "percent": (lambda text: quote(text, safe="").encode(), lambda raw: unquote(raw.decode("utf-8", "replace"))),
    "percent, twice": (
        lambda text: quote(quote(text, safe=""), safe="").encode(),
        lambda raw: unquote(unquote(raw.decode("utf-8", "replace"))),
    ),
    "JSON": (lambda text: json.dumps(text)[1:-1].encode(), lambda raw: str(json.loads(b'"%b"' % raw))),
    "JSON in UTF-8": (
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1].encode(),
        lambda raw: str(json.loads(b'"%b"' % raw)),
    ),
    "JSON in JSON": (
        lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1].encode(),
        lambda raw: str(json.loads('"%s"' % json.loads(b'"%b"' % raw))),  # noqa: UP031
    ),
    "HTML": (lambda text: html.escape(text).encode(), lambda raw: html.unescape(raw.decode("utf-8", "replace"))),
    "HTML in numbers": (
        lambda text: "".join(c if c.isalnum() and c.isascii() else f"&#{ord(c)};" for c in text).encode(),
        lambda raw: html.unescape(raw.decode("utf-8", "replace")),
    ),
    "base64": (
        lambda text: base64.b64encode(text.encode()),
        lambda raw: base64.b64decode(raw).decode("utf-8", "replace"),
    ),
    "base64url": (
        lambda text: base64.urlsafe_b64encode(text.encode()),
        lambda raw: base64.urlsafe_b64decode(raw).decode("utf-8", "replace"),
    ),
    "hex": (
        lambda text: text.encode().hex().encode(),
        lambda raw: bytes.fromhex(raw.decode().replace("x", "0")).decode("utf-8", "replace"),
    ),
    "UTF-16": (lambda text: text.encode("utf-16-le"), lambda raw: raw.decode("utf-16-le", "replace")),
    "UTF-16 BE": (lambda text: text.encode("utf-16-be"), lambda raw: raw.decode("utf-16-be", "replace")),
    "UTF-32": (lambda text: text.encode("utf-32-le"), lambda raw: raw.decode("utf-32-le", "replace")),
    "UTF-32 BE": (lambda text: text.encode("utf-32-be"), lambda raw: raw.decode("utf-32-be", "replace")),
}


def redacted(text: bytes, secrets: tuple[str, ...], cuts: list[int]) -> tuple[bytes, int]:
    redactor = Redactor(secrets)
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    out = b"".join(redactor.feed(text[a:b]) for a, b in pairwise(edges))
    return out + redactor.finish(), redactor.count


@settings(max_examples=300, deadline=None)
@given(
    secret=SECRETS,
    form=st.sampled_from(sorted(FORMS)),
    before=TEXT,
    after=TEXT,
    inside=st.tuples(st.text("ab:", max_size=3), st.text("ab:", max_size=3)),
    cuts=st.lists(st.integers(0, 2000), max_size=8),
)
@example("Aa0-._", "base64", "", "", ("a", ""), [3])
@example("aaaaa\U0001f600", "JSON", "", "", ("", ""), [4, 9])
@example("a\U0001f600bcdef", "plain", "", "", ("", ""), [3])
def test_a_secret_leaves_in_no_form_however_the_text_is_cut(
    secret: str, form: str, before: str, after: str, inside: tuple[str, str], cuts: list[int]
) -> None:
    assume(set(secret) - {"x"})  # what is taken out is replaced by as many x
    write, read = FORMS[form]
    core = write(f"{inside[0]}{secret}{inside[1]}")
    whole = before.encode() + core + after.encode()
    assume(secret not in before + after)
    out, count = redacted(whole, (secret, "another-secret"), cuts)
    assert len(out) == len(whole)
    assert count > 0
    start = len(before.encode())
    try:
        shown = read(out[start : start + len(core)])
    except ValueError:
        return  # what was taken out leaves nothing that could be read
    assert secret not in shown
    assert out == whole_without(whole, (secret, "another-secret"))[0]


TINY = st.sampled_from(["ab", "a\\", '\\"', "\\/", "&#;38", "%25", 'a\\"/&', "\\u05c", "\0a"])
WAYS = sorted(FORMS.keys() - {"base64", "base64url", "hex"})


@st.composite
def _tiny(draw: st.DrawFn) -> tuple[list[str], bytes]:
    """Secrets of few letters, in texts of the same letters in which they stand in every form and overlap."""
    letters = draw(TINY)
    secrets = draw(st.lists(st.text(letters, min_size=6, max_size=12), min_size=1, max_size=2))
    part = st.text(letters, max_size=12) | st.sampled_from(secrets)
    pieces = draw(st.lists(st.tuples(part, st.sampled_from(WAYS)), max_size=6))
    return secrets, b"".join(FORMS[way][0](text) for text, way in pieces)


@settings(max_examples=400, deadline=None)
@given(case=_tiny(), cuts=st.lists(st.integers(0, 2000), max_size=8))
@example((["\\" * 20 + "2\\"], b"\\" * 60 + b"2" + b"\\" * 20), [7, 30, 61])
@example((["\0\0\0\x08\0\0"], b"\0\0\0\x08" + b"\0" * 16 + b"\x08\0\0\0\0"), [24])
def test_secrets_that_overlap_leave_in_no_form_however_the_text_is_cut(
    case: tuple[list[str], bytes], cuts: list[int]
) -> None:
    secrets, text = case
    out, count = redacted(text, tuple(secrets), cuts)
    assert (out, count) == whole_without(text, tuple(secrets))
    assert len(out) == len(text)
    for secret in secrets:
        for way in WAYS:
            form = FORMS[way][0](secret)
            for at in range(len(text)):
                if text.startswith(form, at):
                    assert out[at : at + len(form)] == b"x" * len(form)


@settings(deadline=None)
@given(secret=SECRETS, text=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_how_a_text_is_cut_changes_nothing(secret: str, text: bytes, cuts: list[int]) -> None:
    assert redacted(text, (secret,), cuts) == redacted(text, (secret,), [])
    assert redacted(text, (secret,), cuts)[0] == whole_without(text, (secret,))[0]

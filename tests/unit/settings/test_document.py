"""proxy.settings.document: YAML to values with lines; references."""

from pathlib import Path

import pytest

from proxy.settings.document import dotted, read


def said(text: str, environ: dict[str, str] | None = None) -> list[str]:
    return [f"{complaint.line}: {complaint}" for complaint in read(text, environ or {}).complaints]


def value(written: str, environ: dict[str, str] | None = None) -> object:
    document = read(f"key: {written}\n", environ or {})
    assert not document.complaints
    assert isinstance(document.value, dict)
    return document.value["key"]


def test_every_value_knows_its_line() -> None:
    document = read("a: 1\nb:\n  - c: 2\n  -\n    d: 3\n", {})
    assert document.value == {"a": 1, "b": [{"c": 2}, {"d": 3}]}
    assert [document.line(path) for path in (("a",), ("b",), ("b", 0, "c"), ("b", 1, "d"))] == [1, 2, 3, 5]
    assert document.line(("b", 1, "absent")) == 5  # the nearest thing around it


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("${NAME}", "one"),
        ("a ${NAME} b ${NAME}", "a one b one"),
        ("${ABSENT:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${ABSENT:-}", ""),
        ("${EMPTY}", ""),
        ("${NAME:-two}", "one"),
        ("$${NAME}", "${NAME}"),
        ("'${ABSENT:-a:-b}'", "a:-b"),
        ("$NAME", "$NAME"),
        ("pa$$word", "pa$$word"),
        ("${NESTED}", "${NAME}"),  # what a variable holds is not looked into: it may be a password
    ],
)
def test_a_reference_is_resolved(written: str, expected: str) -> None:
    assert value(written, {"NAME": "one", "EMPTY": "", "NESTED": "${NAME}"}) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("secret", "secret"),
        ("secret\n", "secret"),
        ("secret\r\n", "secret"),
        ("secret\n\n", "secret\n"),
        (" secret ", " secret "),
        ("sécret ${NAME}\n", "sécret ${NAME}"),
    ],
)
def test_a_file_is_read_without_its_last_line_break(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content.encode())
    assert value(f"${{file:{file}}}") == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("${ABSENT}", "the environment variable ABSENT is not set; set it, or write ${ABSENT:-default}"),
        ("${NAME", "write references as ${NAME}"),
        ("${}", "write references as ${NAME}"),
        ("${NAME:=x}", "write references as ${NAME}"),
        ("${2}", "write references as ${NAME}"),
        ("${file:/nowhere/secret}", "the file /nowhere/secret cannot be read: No such file or directory; check path"),
        ("${file:/}", "the file / cannot be read: Is a directory"),
        ('"${file:/a\\0b}"', "this is no name of a file"),
        ("${file:/dev/zero}", "the file /dev/zero cannot be read: Is a device"),
    ],
)
def test_a_reference_that_leads_nowhere_is_complained_of(written: str, expected: str) -> None:
    assert [complaint.startswith(f"2: key: {expected}") for complaint in said(f"# one\nkey: {written}\n")] == [True]


def test_a_secret_file_that_is_too_large_is_complained_of(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.touch(0o600)
    file.write_bytes(b"x" * (64 * 1024 + 1))
    assert said(f"key: ${{file:{file}}}") == [f"1: key: the file {file} is larger than 64 KiB; this is no secret"]


def test_a_secret_file_that_is_not_utf_8_is_complained_of_without_showing_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"caf\xe9")
    assert said(f"key: ${{file:{file}}}") == [f"1: key: the file {file} is not UTF-8 text; save it as UTF-8"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "0: the file is empty"),
        ("# nothing but a comment\n", "0: the file is empty"),
        ("a: 1\nb: [1, 2\nc: 3\n", "3: this is no YAML: "),
        ("a: 1\n\tb: 2\n", "2: this is no YAML: found character '\\t' that cannot start any token; indent with blanks"),
        ("a: {b: ${NAME}}\n", "1: this is no YAML: expected ',' or '}', but got '{'; put ${…} in quotes"),
        ("a: {b: c?d}\n", "1: this is no YAML: expected ',' or '}', but got '?'; inside { } and [ ], put values with"),
        ("a: 1\n---\nb: 2\n", "2: this is no YAML: found another document; keep one"),
        ("a: 1\nb: \x01\n", "2: there is a control character here"),
        ("a: *b\n", "1: this is no YAML: found undefined alias 'b'"),
        ("a: 1\nb: 2\na: 3\n", "3: a: this key stands twice; keep one"),
        ("a:\n  b: 1\n  b: 2\n", "3: a.b: this key stands twice; keep one"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", "3: c: merge keys (<<) are not used here; write the keys out"),
        ("? [a]\n: b\n", "1: a key must be text"),
        ("a: !include other.yaml\n", "1: a: this value cannot be read; put it in quotes"),
        ("a: !!python/object/apply:os.system [ls]\n", "1: a: the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: 2026-13-45\n", "1: a: this value cannot be read; put it in quotes"),
    ],
)
def test_what_cannot_be_read_has_a_line_and_a_sentence(text: str, expected: str) -> None:
    (complaint,) = said(text)
    assert complaint.startswith(expected)


def test_an_alias_inside_its_own_anchor_ends() -> None:
    assert said("a: &a [*a]\n") == ["1: a: too many values, or nested too deeply; write aliases out"]


def test_aliases_cannot_make_a_small_file_large() -> None:
    doubled = "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdef", "bcdefg", strict=True)
    )
    (complaint,) = said(f"a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n{doubled}")
    assert complaint.endswith("too many values, or nested too deeply; write aliases out")


def test_brackets_without_end_are_a_complaint() -> None:
    assert said("a: " + "[" * 5000 + "]" * 5000) == ["0: the file is nested too deeply; this is no proxy.yaml"]


def test_an_alias_is_allowed() -> None:
    document = read("a: &pages [x, y]\nb: *pages\n", {})
    assert not document.complaints
    assert document.value == {"a": ["x", "y"], "b": ["x", "y"]}


def test_a_path_is_written_as_people_write_it() -> None:
    assert dotted(("serverUrls", 0, "url")) == "serverUrls[0].url"
    assert dotted(()) == ""

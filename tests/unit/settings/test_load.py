"""proxy.settings.load and validate: all complaints at once, each located and with what to write instead."""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from proxy.errors import ConfigurationError
from proxy.settings.load import load
from tests.unit.settings.files import PAGES, RULE, complaints, loaded


def test_the_smallest_file_is_enough(tmp_path: Path) -> None:
    configuration = loaded(tmp_path, PAGES + RULE)
    assert configuration.source == str(tmp_path / "proxy.yaml")
    assert [rule.name for rule in configuration.rules] == ["https://gis.example.com/arcgis/rest/services"]
    assert configuration.warnings == ()


def test_all_complaints_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
        server:
          listen: here
          limits: {drain: soon, body: 10MB}
        mustmatch: false
        allowedReferers: ["https://maps.example.com", "ftp://maps"]
        credentials:
          city: {username: webmap, password: "${CITY_PASSWORD}"}
        serverUrls:
          - url: gis.example.com/arcgis
            credential: town
            access: write
          - url: https://gis.example.com/arcgis/rest/services
            mount: gis
            matchAll: maybe
            rateLimit: 0
          - url: https://gis.example.com/arcgis/rest/services
            matchAll: true
        """
    expected = [
        "proxy.yaml:2: server.listen: is no address to listen on; write host:port, such as 0.0.0.0:8080",
        "proxy.yaml:3: server.limits.body: is no size; write a number with KiB or MiB, such as 10MiB",
        "proxy.yaml:3: server.limits.drain: is no duration; write a number with s, m or h, such as 30s",
        "proxy.yaml:4: mustmatch: unknown key; did you mean mustMatch?",
        "proxy.yaml:5: allowedReferers[1]: 'ftp://maps' is no page; write an origin such as …",
        "proxy.yaml:7: credentials.city.password: the environment variable CITY_PASSWORD is not set; set it, or …",
        "proxy.yaml:9: serverUrls[0].url: start the URL with https://, http:// or // (both schemes)",
        "proxy.yaml:10: serverUrls[0].credential: there is no credential town; known: city",
        "proxy.yaml:11: serverUrls[0].access: write 'read', 'execute', 'edit' or 'all'",
        "proxy.yaml:13: serverUrls[1].mount: a mount is a path of letters, digits and . _ ~ -, without a …",
        "proxy.yaml:14: serverUrls[1].matchAll: write true or false",
        "proxy.yaml:15: serverUrls[1].rateLimit: write 1 or more",
        "proxy.yaml:16: serverUrls[2].url: the rule on line 12 stands at the same place; keep one",
    ]
    found = complaints(tmp_path, text)
    assert len(found) == len(expected)
    for complaint, beginning in zip(found, expected, strict=True):
        assert complaint.startswith(beginning.removesuffix("…"))


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("allowedReferer: [x]", "allowedReferer: unknown key; did you mean allowedReferers?"),
        ("SERVER: {}", "SERVER: unknown key; did you mean server?"),
        ("server: {limits: {bodies: 1MiB}}", "server.limits.bodies: unknown key; did you mean body?"),
        ("upstream: {conectTimeout: 5s}", "upstream.conectTimeout: unknown key; did you mean connectTimeout?"),
        ("credentials: {c: {user: a}}", "credentials.c.user: unknown key; did you mean username?"),
        ("log: {colour: true}", "log.colour: unknown key; known here: format, level"),
        ("log: loud", "log: this must be a mapping of keys"),
        ("log: {level: loud}", "log.level: write 'debug', 'info', 'warning' or 'error'"),
        ("credentials: [a]", "credentials: this must be a mapping of keys"),
        ("allowedOrigins: https://a.example.com", "allowedOrigins: this must be a list; write [one, two]"),
        ("allowedOrigins: [12]", "allowedOrigins[0]: this is not text; write one text, in quotes"),
        ("allowMissingReferer: perhaps", "allowMissingReferer: write true or false"),
        ("upstream: {maxConnections: many}", "upstream.maxConnections: write a whole number"),
        ("upstream: {maxConnections: 1.5}", "upstream.maxConnections: write a whole number"),
        ("upstream: {connectTimeout: 0s}", "upstream.connectTimeout: write more than 0s"),
        ("server: {tls: {key: a}}", "server.tls.certificate: this key is missing; add it"),
        ("server: {workers: many}", "server.workers: write a whole number, or auto"),
        ("    users: anna", "serverUrls[0].users: write required, or a list of names and groups"),
        ("    cache: 5m", "serverUrls[0].cache: write standard, or for how long: {maxAge: 5m}"),
        ("    mount: 5", "serverUrls[0].mount: write a path, such as /gis, or {path:"),
        ("    clientCertificate: 5", "serverUrls[0].clientCertificate: write the name of a file, or {certificate:"),
        ("    type: oauth", "serverUrls[0].type: unknown key; only a named credential has a type"),
        ("  - https://h/a", "serverUrls[1]: a rule is a mapping of keys; write - url: https://…"),
        ("users: anna", "users: this must be a mapping of keys"),
    ],
)
def test_a_bad_key_says_what_to_write(tmp_path: Path, added: str, expected: str) -> None:
    found = complaints(tmp_path, f"{PAGES}{RULE}{added}\n")
    assert [each.startswith(f"proxy.yaml:4: {expected}") for each in found] == [True], found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PAGES, "proxy.yaml:1: serverUrls: this key is missing; add it"),
        (PAGES + "serverUrls: []\n", "proxy.yaml:2: serverUrls: this list must not be empty"),
        (PAGES + "serverUrls: [{matchAll: true}]\n", "proxy.yaml:2: serverUrls[0].url: this key is missing; add it"),
        ("- url\n", "proxy.yaml:1: the file must be a mapping of keys, such as serverUrls:"),
        ("nonsense", "proxy.yaml:1: the file must be a mapping of keys, such as serverUrls:"),
        ("", "proxy.yaml: the file is empty; the README shows one to begin with"),
    ],
)
def test_a_file_without_what_it_needs_says_so(tmp_path: Path, text: str, expected: str) -> None:
    assert complaints(tmp_path, text) == [expected]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # each of these makes further findings that would say nothing new
        ("url: //h/a, usernme: a, password: b", "usernme: unknown key; did you mean username?"),
        (
            "url: //h/a, username: 12, password: b, inject: query",
            "username: this is not text; write one text, in quotes",
        ),
        ("url: //h/a, credential: 5, inject: query", "credential: this is not text; write one text, in quotes"),
        (
            "url: https://gis.example.com/arcgis/rest/services, matchAl: false",
            "matchAl: unknown key; did you mean matchAll?",
        ),
    ],
)
def test_one_slip_is_one_complaint(tmp_path: Path, rule: str, expected: str) -> None:
    assert complaints(tmp_path, f"{PAGES}{RULE}  - {{{rule}}}\n") == [f"proxy.yaml:4: serverUrls[1].{expected}"]


def test_a_rule_without_a_url_does_not_shift_the_others(tmp_path: Path) -> None:
    text = f"{PAGES}serverUrls:\n  - matchAll: true\n  - url: //gis.example.com\n  - url: gis.example.com\n"
    assert complaints(tmp_path, text) == ["proxy.yaml:3: serverUrls[0].url: this key is missing; add it"]


def test_credentials_that_cannot_be_read_are_not_said_to_be_unknown(tmp_path: Path) -> None:
    text = f"{PAGES}{RULE}    credential: city\ncredentials: [city]\n"
    assert complaints(tmp_path, text) == ["proxy.yaml:5: credentials: this must be a mapping of keys"]


def test_no_complaint_shows_a_secret(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary-from-a-file", encoding="utf-8")
    text = f"""\
        allowedReferers: [https://maps.example.com]
        credentials:
          city: {{username: [canary-in-file], password: {{a: canary-in-file}}, clientSecret: canary-in-file}}
        serverUrls:
          - url: https://gis.example.com/a
            password: "${{CANARY}}"
            accessToken: "${{file:{secret}}}"
            headers: {{X-Key: "canary-in-file"}}
        """
    found = complaints(tmp_path, text, {"CANARY": "canary-from-the-environment"})
    assert len(found) >= 3
    assert "canary" not in "".join(found).replace("${CANARY}", "")


def test_a_reference_may_stand_where_a_number_or_a_switch_is_asked(tmp_path: Path) -> None:
    text = (
        f"server: {{listen: '127.0.0.1:${{PORT:-8080}}', workers: '${{WORKERS:-1}}'}}\nmustMatch: ${{STRICT}}\n{PAGES}"
    )
    text += RULE + "    rateLimit: ${RATE:-600}\n    access: ${ACCESS:-edit}\n    timeout: ${WAIT:-5s}\n"
    configuration = loaded(tmp_path, text, {"STRICT": "true", "RATE": "20"})
    assert configuration.listen.port == 8080
    assert configuration.must_match is True
    rate = configuration.rules[0].rate
    assert rate is not None
    assert (rate.requests, rate.period) == (20, 3600.0)


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (PAGES + RULE).encode())
    assert load(path, {}).rules


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("absent.yaml", None, "absent.yaml: there is no such file; write one as the README shows"),
        (".", None, ": this is a directory; name the file in it"),
        ("latin.yaml", b"a: 1\nb: caf\xe9\n", "latin.yaml:2: the file is not UTF-8 text; save it as UTF-8"),
        ("large.yaml", b"#" * (4 * 1024 * 1024 + 1), "large.yaml: the file is larger than 4 MiB"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes | None, expected: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        load(path, {})
    (complaint,) = refused.value.complaints
    assert expected in complaint


def test_a_long_file_takes_as_much_longer_as_it_is(tmp_path: Path) -> None:
    """Lines of ours that run for one rule among a hundred, and for one among four hundred."""

    def work(count: int) -> float:
        own = "username: webmap, password: p"
        rules = [f"  - {{url: 'https://g{number}.example.com/arcgis', {own}}}" for number in range(count)]
        lines = 0

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal lines
            lines += event == "line"
            return trace if "proxy" in frame.f_globals["__name__"] else None

        sys.settrace(trace)
        try:
            found = loaded(tmp_path, "\n".join([PAGES.strip(), "serverUrls:", *rules]))
        finally:
            sys.settrace(None)
        assert len(found.credentials) == count
        return lines / count

    work(10)  # whatever is done once
    assert work(400) < 1.2 * work(100)

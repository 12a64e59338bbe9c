"""proxy.settings.exposed and .permissions: files that everyone can read are refused where they hold secrets."""

import os
from pathlib import Path

import pytest
import trustme

from proxy.errors import ConfigurationError
from proxy.settings.load import load
from proxy.settings.permissions import READABLE, WRITABLE, is_open
from tests.unit.settings.files import PAGES, RULE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has access lists")
PLAIN = "    username: u\n    password: {}\n"


def complaints(path: Path, text: str, mode: int, environ: dict[str, str] | None = None) -> list[str]:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    try:
        load(path, environ or {})
    except ConfigurationError as error:
        return [each.removeprefix(f"{path.parent}/") for each in error.complaints]
    return []


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660, 0o400])
def test_a_file_of_ones_own_may_hold_secrets(tmp_path: Path, mode: int) -> None:
    assert complaints(tmp_path / "proxy.yaml", PAGES + RULE + PLAIN.format("p"), mode) == []


@pytest.mark.parametrize(
    ("more", "place"),
    [
        (PLAIN.format("p"), "5: serverUrls[0].password"),
        (PLAIN.format("$${p"), "5: serverUrls[0].password"),  # no reference, but a plain ${
        ("credentials: {c: {type: token, accessToken: abc}}\n", "4: credentials.c.accessToken"),
        ("    headers: {X-Api-Key: k}\n", "4: serverUrls[0].headers.X-Api-Key"),
        (
            "    clientCertificate: {certificate: /no, password: p}\n",
            "4: serverUrls[0].clientCertificate.password",
        ),
        ("upstream: {outboundProxy: 'http://u:p@h:3128'}\n", "4: upstream.outboundProxy"),
    ],
)
def test_a_file_for_everyone_may_not(tmp_path: Path, more: str, place: str) -> None:
    path = tmp_path / "proxy.yaml"
    found = [each for each in complaints(path, PAGES + RULE + more, 0o644) if "everyone" in each]
    what = "this is written out, and everyone on this machine can read the file"
    assert found == [f"proxy.yaml:{place}: {what}; run: chmod o-rwx {path}, or write ${{NAME}} or ${{file:…}} here"]


@pytest.mark.parametrize(
    "more",
    [
        "",
        PLAIN.format("${P}"),
        PLAIN.format("${P:-change-me}"),
        "    headers: {X-Environment: production}\n",
        "upstream: {outboundProxy: 'http://h:3128'}\n",
    ],
)
def test_a_file_for_everyone_may_name_secrets_that_are_elsewhere(tmp_path: Path, more: str) -> None:
    assert complaints(tmp_path / "proxy.yaml", PAGES + RULE + more, 0o644, {"P": "secret"}) == []


def test_a_file_that_everyone_can_change_is_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    (complaint,) = complaints(path, PAGES + RULE, 0o602)
    assert complaint == f"proxy.yaml: everyone on this machine can change this file; run: chmod o-rwx {path}"


def test_a_secret_file_for_everyone_is_refused_with_the_command_that_mends_it(tmp_path: Path) -> None:
    secret = tmp_path / "the password"
    secret.write_text("canary", encoding="utf-8")
    secret.chmod(0o644)
    text = PAGES + RULE + PLAIN.format(f'"${{file:{secret}}}"')
    (complaint,) = complaints(tmp_path / "proxy.yaml", text, 0o644)
    assert complaint == (
        f"proxy.yaml:5: serverUrls[0].password: everyone on this machine can read {secret}; run: chmod o-rwx '{secret}'"
    )
    assert os.system(complaint.partition("run: ")[2]) == 0
    assert complaints(tmp_path / "proxy.yaml", text, 0o644) == []


def test_a_key_for_everyone_is_refused(tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("maps.example.com")
    key, certificate, both = tmp_path / "key", tmp_path / "certificate", tmp_path / "both"
    leaf.private_key_pem.write_to_path(str(key))
    leaf.cert_chain_pems[0].write_to_path(str(certificate))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(both))
    for path in (key, certificate, both):
        path.chmod(0o644)
    tls = f"server: {{tls: {{certificate: {certificate}, key: {key}}}}}\n"
    for text, name, place in (
        (PAGES + RULE + tls, key, "4: server.tls.key"),
        (
            PAGES + RULE + f"    clientCertificate: {{certificate: {certificate}, key: {key}}}\n",
            key,
            "4: serverUrls[0].clientCertificate",
        ),
        (PAGES + RULE + f"    clientCertificate: {both}\n", both, "4: serverUrls[0].clientCertificate"),
    ):
        (complaint,) = complaints(tmp_path / "proxy.yaml", text, 0o600)
        start = f"proxy.yaml:{place}: everyone on this machine can read the key in {name}; run: chmod o-rwx {name}"
        assert complaint == start, text
    key.chmod(0o600)
    assert complaints(tmp_path / "proxy.yaml", PAGES + RULE + tls, 0o600) == []


def test_what_is_no_plain_file_is_open_to_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    for path in (pipe, tmp_path, tmp_path / "nothing", Path("\0"), Path("/proc/self/status")):
        assert not is_open(path, WRITABLE)
    assert not is_open(pipe, READABLE)

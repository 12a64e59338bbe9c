"""What is documented is what is there: options, commands, metrics, errors, samples."""

import ast
import inspect
import json
import re
import textwrap
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import pkcs12

from proxy import errors
from proxy.cli import main
from proxy.settings.jsonschema import schema_document
from proxy.settings.load import load
from proxy.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "config/guide").glob("*.md"))]
TROUBLES = (ROOT / "config/guide/troubleshooting.md").read_text(encoding="utf-8")
GUIDE = "".join(page.read_text(encoding="utf-8") for page in PAGES if page.parent.name == "guide")
EXAMPLE = (ROOT / "config/example.yaml").read_text(encoding="utf-8")


OF_OTHERS = {ROOT / "config/alerts.yaml", ROOT / "config/kubernetes.yaml"}
SAMPLES = sorted(set((ROOT / "config").glob("*.yaml")) - OF_OTHERS)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_sample_passes_check(sample: Path) -> None:
    assert load(sample, {}).rules
    assert sample.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=./proxy.schema.json\n")


def test_the_committed_schema_is_the_codes() -> None:
    committed = json.loads((ROOT / "config/proxy.schema.json").read_text(encoding="utf-8"))
    assert committed == schema_document(), "run: resource-proxy schema > config/proxy.schema.json"


def option_names() -> set[str]:
    document = schema_document()
    models = [document, *document["$defs"].values()]
    return {name for model in models for name in model.get("properties", {})}


@pytest.mark.parametrize("name", sorted(option_names()))
def test_an_option_is_in_the_example(name: str) -> None:
    assert re.search(rf"\b{name}\b", EXAMPLE)


@pytest.mark.parametrize("name", sorted(name for name, command in main.commands.items() if not command.hidden))
def test_a_command_is_in_the_readme_and_has_help(name: str) -> None:
    assert f"resource-proxy {name}" in README
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0


def test_a_metric_is_in_the_guide() -> None:
    names = set(re.findall(r"^# HELP (resource_proxy\w+)", Metrics().render().decode(), re.MULTILINE))
    assert names
    assert {name for name in names if name not in GUIDE} == set()


@pytest.mark.parametrize(
    "kind", [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ProxyError)]
)
def test_an_error_has_a_status_that_opens_no_dialog_and_is_in_the_guide(kind: type[errors.ProxyError]) -> None:
    assert kind.status not in (401, 498, 499)
    assert kind.__doc__
    assert f"`{kind.slug}`" in GUIDE


def slugs() -> set[str]:
    """Every `slug=` that the code gives to an error, written there or as a constant."""
    nodes = [node for file in (ROOT / "proxy").rglob("*.py") for node in ast.walk(ast.parse(file.read_bytes()))]
    constants = {
        node.target.id: node.value.value
        for node in nodes
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    given = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "slug"]
    written = {value.value for value in given if isinstance(value, ast.Constant)}
    named = {constants[value.id] for value in given if isinstance(value, ast.Name) and value.id in constants}
    return {str(slug) for slug in written | named}


def test_every_word_for_an_outcome_is_in_the_guide() -> None:
    assert slugs() >= {"redirect", "no_site", "web_login"}
    assert {slug for slug in slugs() if f"`{slug}`" not in TROUBLES} == set()


@pytest.fixture
def certificates(tmp_path: Path) -> dict[str, Path]:
    """Files for the names in the README."""
    authority = trustme.CA()
    leaf = authority.issue_cert("map.example.com")
    pem, p12 = tmp_path / "authority.pem", tmp_path / "map.p12"
    authority.cert_pem.write_to_path(str(pem))
    key = serialization.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    certificate = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes())
    encrypted = serialization.BestAvailableEncryption(b"secret")
    p12.write_bytes(pkcs12.serialize_key_and_certificates(None, key, certificate, None, encrypted))
    return {"/etc/ssl/city-ca.pem": pem, "/run/secrets/map.p12": p12}


YAML = [
    pytest.param(textwrap.dedent(block), id=f"{page.stem}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    )
    if "serverUrls:" in block
]


@pytest.mark.parametrize("block", YAML)
def test_a_documented_configuration_passes_check(block: str, tmp_path: Path, certificates: dict[str, Path]) -> None:
    path, secret = tmp_path / "proxy.yaml", tmp_path / "secret"
    secret.write_text("secret\n", encoding="utf-8")
    for written, real in certificates.items():
        block = block.replace(written, str(real))
    block = re.sub(r"\$\{file:[^}]*\}", f"${{file:{secret}}}", block)
    if "allowedReferers" not in block:
        block = f'allowedReferers: ["https://m.example"]\n{block}'
    path.write_text(block, encoding="utf-8")
    environ = dict.fromkeys(re.findall(r"\$\{([A-Z0-9_]+)\}", block), "secret")
    assert load(path, environ).rules, block


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert links or page.name in ("CHANGELOG.md", "SECURITY.md")
    for link in links:
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        linked = (page.parent / name) if name else page
        assert linked.exists(), link
        assert not anchor or anchor in anchors(linked), link


def test_a_page_of_the_guide_is_in_the_readme() -> None:
    for page in PAGES:
        assert page == ROOT / "README.md" or page.name in README, page


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_security_page_is_found_and_names_nobody() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "SECURITY.md" in README
    assert "private security advisory on the repository" in text
    assert "@" not in text

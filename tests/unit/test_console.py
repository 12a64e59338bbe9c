"""proxy.console and proxy.usage: what is printed for people who begin."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.assemble import Service
from proxy.cli import main
from proxy.console import counted, greeting
from proxy.settings.load import load
from tests.contract.test_documents import ROOT


def greeted(text: str, folder: Path) -> list[str]:
    file = folder / "proxy.yaml"
    file.write_text(text, encoding="utf-8")
    file.chmod(0o600)
    configuration = load(file, {})
    return [re.sub(r"\[/?[a-z ]*\]", "", line) for line in greeting(configuration, Service(configuration))]


async def test_five_lines_tell_what_is_served_to_whom_as_whom_and_where_to_look(tmp_path: Path) -> None:
    lines = greeted((ROOT / "config/proxy.yaml").read_text(encoding="utf-8"), tmp_path)
    assert lines[0].startswith("resource-proxy ")
    assert lines[0].endswith(" on http://0.0.0.0:0/proxy?https://…")
    assert lines[1:4] == [
        "  rules        1, for gis.example.com",
        "  for pages of maps.example.com",
        "  credentials  city",
    ]
    assert lines[4].startswith("  status page  ")
    assert len(lines) == 5


async def test_many_are_told_in_one_line(tmp_path: Path) -> None:
    rules = "".join(f"  - {{url: 'https://h{number}.example.com/arcgis'}}\n" for number in range(9))
    own = "  - {url: 'https://x.example.com/arcgis', username: webmap, password: p}\n"
    lines = greeted(f"allowMissingReferer: true\nserverUrls:\n{rules}{own}", tmp_path)
    first = ", ".join(f"h{number}.example.com" for number in range(4))
    assert lines[1] == f"  rules        10, for {first}, 6 more"
    assert lines[3] == "  credentials  1 in place"


def test_things_are_counted_in_words() -> None:
    assert [counted(number, "rule") for number in (0, 1, 2)] == ["0 rules", "1 rule", "2 rules"]


@pytest.mark.parametrize("name", ["", *main.commands])
def test_an_example_can_be_copied(name: str) -> None:
    said = CliRunner().invoke(main, [name, "--help"] if name else ["--help"]).output
    examples = re.findall(r"^    (\S.*)$", said.partition("Examples:")[2], re.MULTILINE)
    assert examples
    for example in examples:
        assert re.match(r'resource-proxy |eval "\$\(resource-proxy ', example), example


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_of_our_own_name(shell: str) -> None:
    said = CliRunner().invoke(main, ["completion", shell])
    assert said.exit_code == 0
    assert "_RESOURCE_PROXY_COMPLETE" in said.output


@pytest.mark.parametrize("command", ["serve", "check"])
def test_where_there_is_no_file_it_is_said_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [command])
    assert done.exit_code == 2
    assert "config/proxy.yaml: there is no such file; write one as the README shows, or name yours" in done.output

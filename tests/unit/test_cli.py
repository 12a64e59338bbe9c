"""proxy.cli: what `check` and `explain` print, and the status that scripts see."""

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy.cli import main
from tests.unit.settings.files import PAGES, RULE

CREDENTIAL = "    username: webmap\n    password: canary-password\n"


def run(path: Path, text: str, *arguments: str) -> tuple[int, str]:
    path.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, [*arguments, "--config", str(path)])
    assert "canary" not in result.output
    return result.exit_code, result.output


def test_a_good_file_is_told_in_words(tmp_path: Path) -> None:
    status, said = run(tmp_path / "proxy.yaml", PAGES + RULE + CREDENTIAL, "check")
    assert status == 0
    assert (
        "https://gis.example.com/arcgis/rest/services and everything under it\n  for         anyone, from pages" in said
    )
    assert "everything else\n  refused\n" in said
    assert "good" in said


@pytest.mark.parametrize("more", [[], ["--live", "--json"]])
def test_a_danger_makes_check_fail(tmp_path: Path, more: list[str]) -> None:
    unlisted = "mustMatch: false\nallowAddresses: [127.0.0.0/8]\nadmin: {listen: null}\n"
    text = PAGES + unlisted + "serverUrls: [{url: 'http://127.0.0.1:1/x'}]\n"
    status, said = run(tmp_path / "proxy.yaml", text, "check", *more)
    assert status == 1
    assert "danger" in said
    assert "proxy.yaml:3: allowAddresses[0]: with mustMatch: false" in said
    assert "\ngood" not in said


def test_a_weak_setting_is_told_and_is_no_failure(tmp_path: Path) -> None:
    status, said = run(tmp_path / "proxy.yaml", PAGES + RULE + CREDENTIAL + "    allowJsonp: true\n", "check")
    assert status == 0
    assert "warning" in said


def test_a_password_of_the_samples_is_told(tmp_path: Path) -> None:
    text = PAGES + RULE + "    username: webmap\n    password: ${CITY_PASSWORD_OF_NOBODY:-change-me}\n"
    status, said = run(tmp_path / "proxy.yaml", text, "check")
    assert status == 0
    assert "serverUrls[0].password: this is still the sample's change-me" in said


@pytest.mark.parametrize(
    ("host", "is_told"), [("gis.example.com", True), ("example.com", True), ("gis.my-example.com", False)]
)
def test_a_server_of_the_samples_is_told(tmp_path: Path, host: str, is_told: bool) -> None:
    text = PAGES + f"serverUrls: [{{url: 'https://{host}/arcgis'}}]\n"
    status, said = run(tmp_path / "proxy.yaml", text, "check")
    assert status == 0
    assert (f"{host} is the samples'" in said.replace("\n", " ")) == is_told


@pytest.mark.parametrize("command", ["simulate", "demo"])
def test_a_port_in_use_is_one_clear_line(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main, [command, "--port", str(port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{port}: something listens there already; stop it" in result.output


@pytest.mark.parametrize("command", ["simulate", "demo"])
def test_a_host_that_is_none_is_one_clear_line(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--host", "nowhere.invalid", "--port", "0"])
    assert result.exit_code == 1
    assert result.output.startswith("error cannot listen on nowhere.invalid:0: ")


@pytest.mark.parametrize(
    ("who", "status"),
    [(["--user", "anna", "--group", "a", "--group", "editors"], 0), (["--user", "anna"], 1), ([], 1)],
)
def test_explain_tells_whether_a_user_gets_in(tmp_path: Path, who: list[str], status: int) -> None:
    users = "users: {source: jwt, issuer: i, audience: a, jwksUrl: 'https://l.example.com/keys'}\n"
    text = PAGES + users + RULE + CREDENTIAL + "    users: ['group:editors']\n"
    page = ["--referer", "https://maps.example.com/"]
    url = "https://gis.example.com/arcgis/rest/services/A/MapServer"
    found, said = run(tmp_path / "proxy.yaml", text, "explain", url, *page, *who)
    assert found == status
    assert "group editors" in said


def test_help_teaches_by_examples_that_are_commands() -> None:
    whole = CliRunner().invoke(main, ["--help"]).output
    shown = [name for name, command in main.commands.items() if not command.hidden]
    assert [whole.index(f"  {name} ") for name in shown] == sorted(whole.index(f"  {name} ") for name in shown)
    for name in ("", *shown):
        text = CliRunner().invoke(main, [name, "--help"] if name else ["--help"]).output
        examples = [line.strip() for line in text.partition("Examples:")[2].splitlines() if "resource-proxy " in line]
        assert examples, name
        for example in examples:
            used = example.partition("resource-proxy ")[2].split()[0].rstrip('")')
            assert used in main.commands, example


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_RESOURCE_PROXY_COMPLETE" in result.output
    complete = {"_RESOURCE_PROXY_COMPLETE": "bash_complete", "COMP_WORDS": "resource-proxy ch", "COMP_CWORD": "1"}
    assert "check" in CliRunner().invoke(main, [], env=complete, prog_name="resource-proxy").output

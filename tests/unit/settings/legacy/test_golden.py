"""Whole files of the three programs: what becomes of them, and that it is stored well."""

import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from proxy.cli import main
from proxy.settings.legacy.convert import migrate
from proxy.settings.load import load
from tests.unit.settings.legacy.old import PAGE, config

CASES = Path(__file__).parents[3] / "cases/legacy"
FILES = sorted(CASES.glob("*.config"))


@pytest.mark.parametrize("old", FILES, ids=lambda old: old.stem)
def test_a_file_becomes_what_stands_beside_it(old: Path) -> None:
    done = migrate(old, told=None, access="edit", keeping="env", output=None)
    assert not done.is_bad
    expected = old.with_suffix(".yaml")
    assert done.text == expected.read_text(encoding="utf-8"), f"resource-proxy migrate {old.name} > {expected.name}"


@pytest.mark.parametrize("old", FILES, ids=lambda old: old.stem)
@pytest.mark.parametrize("keeping", ["env", "file", "inline"])
def test_wherever_the_secrets_are_the_configuration_is_the_same(tmp_path: Path, old: Path, keeping: str) -> None:
    output = tmp_path / "proxy.yaml"
    result = CliRunner().invoke(main, ["migrate", str(old), "-o", str(output), "--secrets", keeping])
    assert result.exit_code == 0, result.output
    secret = [path for path in tmp_path.rglob("*") if path.is_file() and (path != output or keeping == "inline")]
    assert secret
    assert {stat.S_IMODE(path.stat().st_mode) for path in secret} == {0o600}
    found = load(output, environment(tmp_path / "proxy.env"))
    inline = migrate(old, told=None, access="edit", keeping="inline", output=None).text
    values = {value for each in yaml.safe_load(inline)["credentials"].values() for value in each.values()}
    assert len(found.credentials) == len(yaml.safe_load(inline)["credentials"])
    again = tmp_path / "again.yaml"
    again.write_text(inline, encoding="utf-8")
    assert load(again, {}).credentials == found.credentials
    if keeping != "inline":
        secrets = [value for value in values if "pass" in str(value) or "secret" in str(value)]
        assert not [value for value in secrets if str(value) in result.output + output.read_text(encoding="utf-8")]


def environment(path: Path) -> dict[str, str]:
    """A .env file as a shell reads it, for the values that stand in ours."""
    if not path.exists():
        return {}
    return dict(word.split("=", 1) for word in shlex.split(path.read_text(encoding="utf-8").replace("\\$", "$")))


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    output = tmp_path / "proxy.yaml"
    arguments = ["migrate", str(CASES / "dotnet.config"), "-o", str(output)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    output.write_text("mine", encoding="utf-8")
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "there is a file already" in result.output
    assert output.read_text(encoding="utf-8") == "mine"
    output.chmod(0o644)  # who may read what was there before says nothing about what is stored now
    again = CliRunner().invoke(main, [*arguments, "--force"])
    assert again.exit_code == 0
    assert "error" not in again.output
    assert output.read_text(encoding="utf-8") != "mine"


def test_the_next_command_is_one_that_works(tmp_path: Path) -> None:
    output = tmp_path / "my maps" / "proxy.yaml"
    said = CliRunner().invoke(main, ["migrate", str(CASES / "dotnet.config"), "-o", str(output)]).output
    command = said[said.index("Next: ") + 6 :].strip()
    assert shlex.split(command)[-1] == str(output)
    reading, _, checking = command.rpartition("; ")
    script = f"{reading}; {sys.executable} -m proxy {checking.removeprefix('resource-proxy ')}"
    assert subprocess.run(["/bin/sh", "-c", script], check=False, capture_output=True).returncode == 0


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    output, elsewhere = tmp_path / "proxy.yaml", tmp_path / "elsewhere"
    (tmp_path / "proxy.env").symlink_to(elsewhere)
    arguments = ["migrate", str(CASES / "dotnet.config"), "-o", str(output)]
    assert CliRunner().invoke(main, arguments).exit_code == 2
    assert CliRunner().invoke(main, [*arguments, "--force"]).exit_code == 0
    assert not elsewhere.exists()


def test_strict_tells_by_its_status(tmp_path: Path) -> None:
    clean, changed = tmp_path / "clean.config", CASES / "php.config"
    clean.write_text(config(general=f'xmlns="proxy.xsd" mustMatch="true" {PAGE}'), encoding="utf-8")
    run = CliRunner().invoke
    assert run(main, ["migrate", "--strict", str(clean)]).exit_code == 0
    assert run(main, ["migrate", str(changed)]).exit_code == 0
    assert run(main, ["migrate", "--strict", str(changed)]).exit_code == 1
    assert run(main, ["migrate", str(tmp_path / "none")]).exit_code == 2
    assert run(main, ["migrate", "--secrets", "file", str(changed)]).exit_code == 2


def test_secrets_are_listed_by_name_where_nothing_is_written() -> None:
    result = CliRunner().invoke(main, ["migrate", str(CASES / "php-json.config")])
    assert "Set these: WEBMAP_PASSWORD, APP_SECRET" in result.output
    assert "json-pass" not in result.output

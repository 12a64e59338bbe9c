"""What the image is made of: pinned with hashes, fitting what is declared; and an audit that could not look fails."""

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "config").glob("requirements*.txt"))
AUDIT: dict[str, Any] = runpy.run_path(str(ROOT / ".ci/audit"), run_name="audit")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

EXTRAS = PROJECT["project"]["optional-dependencies"]


def pins(lock: Path) -> dict[str, list[str]]:
    """The versions of each name: another Python may have another one."""
    found: dict[str, list[str]] = {}
    for name, version in AUDIT["pins"]([lock.read_text(encoding="utf-8")]):
        found.setdefault(canonicalize_name(name), []).append(version)
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_hashes_and_no_place_to_get_it_from(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE).strip())
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[\w.-]+==\S+( ;.*)? \\\n", entry), entry
        assert "--hash=sha256:" in entry
    assert "://" not in text


@pytest.mark.parametrize(
    ("lock", "declared"),
    [
        ("requirements.txt", [*PROJECT["project"]["dependencies"], *EXTRAS["redis"]]),
        ("requirements-demo.txt", EXTRAS["demo"]),
        ("requirements-build.txt", PROJECT["dependency-groups"]["image-build"]),
    ],
)
def test_pins_fit_what_is_declared(lock: str, declared: list[str]) -> None:
    pinned = pins(ROOT / "config" / lock)
    for each in map(Requirement, declared):
        versions = pinned.get(canonicalize_name(each.name))
        assert versions, f"{each.name} is not pinned: run .ci/pin"
        assert all(Version(version) in each.specifier for version in versions), f"{each}: run .ci/pin"


def test_the_demo_image_has_the_same_parts() -> None:
    assert pins(ROOT / "config/requirements.txt").items() <= pins(ROOT / "config/requirements-demo.txt").items()


def test_what_the_guide_adds_to_the_image_is_the_extra() -> None:
    guide = (ROOT / "config/guide/operating.md").read_text(encoding="utf-8")
    [added] = re.findall(r"^RUN pip --python /opt/proxy/bin/python install (.+)$", guide, re.MULTILINE)
    assert re.findall(r'"([^"]+)"', added) == EXTRAS["otel"]


def test_the_image_installs_nothing_without_a_hash() -> None:
    stages = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")
    commands = re.split(r"&&|\nRUN", re.sub(r"\\\n\s*", "", "".join(stages)))
    installing = [command for command in commands if "pip" in command and " install " in command]
    assert len(installing) == 4
    assert all("--require-hashes" in command or "--no-index" in command for command in installing)
    compiler = [number for number, stage in enumerate(stages) if "apt-get" in stage]  # signed by Debian, not by us
    assert compiler == [2]
    assert "AS wheel" in stages[2]
    assert "COPY --from=wheel /wheels /wheels" in stages[3]


PINNED = {("aiohttp", "3.14.5"), ("yarl", "1.25.1")}


def row(name: str, version: str, *faults: str) -> dict[str, Any]:
    return {"name": name, "version": version, "vulns": [{"id": fault, "fix_versions": []} for fault in faults]}


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ([row("aiohttp", "3.14.5"), row("yarl", "1.25.1")], 0, "2 pins were looked up"),
        ([row("aiohttp", "3.14.5"), row("yarl", "1.25.1", "PYSEC-1")], 1, "yarl 1.25.1: PYSEC-1"),
        ([row("aiohttp", "3.14.5", "PYSEC-1")], 1, "PYSEC-1"),
        ([row("aiohttp", "3.14.5")], 2, "not looked up: yarl 1.25.1"),
        ([row("aiohttp", "3.14.5"), {"name": "yarl", "skip_reason": "not found"}], 2, "yarl 1.25.1"),
        ([], 2, "aiohttp 3.14.5, yarl 1.25.1"),
    ],
)
def test_what_was_not_looked_up_is_no_clean_bill(answers: list[dict[str, Any]], status: int, said: str) -> None:
    found, lines = AUDIT["verdict"](PINNED, answers)
    assert found == status
    assert said in " ".join(lines)


def test_an_audit_without_its_tool_or_service_fails(tmp_path: Path) -> None:
    """A Python without pip-audit stands for a service out of reach: either way there is no answer."""
    (tmp_path / "pip_audit.py").write_text("raise SystemExit('out of reach')", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci/audit")],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "not looked up: aiohappyeyeballs" in done.stdout
    assert "out of reach" in done.stderr

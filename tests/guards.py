"""Takes each guard of `tests/cases/threats.yaml` out of a copy of the code and looks whether its tests fail then.

Run by hand (`python -m tests.guards [T6 A12 …]`, some minutes for all): a guard whose tests pass without it is not held
by them. The copy goes with the end of the run; the code itself is never touched.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "cases" / "threats.yaml"
LONGEST = 120.0  # seconds of the tests of one guard
_COPIED = ("proxy", "tests", "config", "pyproject.toml", "README.md", "CHANGELOG.md", "SECURITY.md", "Dockerfile")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Guard:
    """What is in the way of a threat, what is left without it, and the tests that fail then."""

    threat: str
    file: str
    cut: str
    put: str
    tests: tuple[str, ...]

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.threat} {self.file}: {self.cut.strip().splitlines()[0][:80]}"


def threats() -> dict[str, Any]:
    """All of them, by number."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found


def guards() -> Iterator[Guard]:
    """All of them."""
    for threat, said in threats().items():
        for guard in said.get("guards", ()):
            yield Guard(threat, guard["file"], guard["cut"], guard["put"], tuple(guard["tests"]))


def survivors(guard: Guard, copy: Path) -> list[str]:
    """The tests that pass without the guard, or say nothing in time."""
    file = copy / guard.file
    whole = file.read_text(encoding="utf-8")
    if whole.count(guard.cut) != 1:
        return [f"the guard is there {whole.count(guard.cut)} times"]
    file.write_text(whole.replace(guard.cut, guard.put), encoding="utf-8")
    try:
        output = _output(guard, copy)
    finally:
        file.write_text(whole, encoding="utf-8")
    failed = _FAILED.findall(output)
    if any(word in output for word in ("not found: ", "no tests ran", "SyntaxError", "IndentationError")):
        return [f"they could not be run: {output[-400:]}"]
    return [test for test in guard.tests if not any(_is_of(each, test) for each in failed)]


def _output(guard: Guard, copy: Path) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider", *guard.tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        return "".join(f"FAILED {test}\n" for test in guard.tests)  # it waits for what never comes
    return done.stdout + done.stderr


def _is_of(failed: str, test: str) -> bool:
    """Whether a case of this test failed; a module that cannot be imported takes all of its tests along."""
    return failed == test or failed.startswith(f"{test}[") or failed == test.partition("::")[0]


def main(wanted: list[str]) -> int:
    """The number of guards that are not held."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in _COPIED:
            source, target = ROOT / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules", "__pycache__", ".venv"))
            elif source.exists():
                shutil.copy(source, target)
        for guard in guards():
            if wanted and guard.threat not in wanted:
                continue
            alive = survivors(guard, Path(folder))
            bad += bool(alive)
            sys.stdout.write(f"{'held' if not alive else 'NOT HELD'}  {guard.label}\n")
            sys.stdout.writelines(f"          {each}\n" for each in alive)
            sys.stdout.flush()
    return bad


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)

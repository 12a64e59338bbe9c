"""proxy.settings.availability: what comes later is complained of, never silently without effect."""

from pathlib import Path

import pytest
import yaml

from proxy.settings.availability import NOT_YET
from tests.unit.settings.files import PAGES, RULE, complaints, loaded

ROOT = Path(__file__).parents[3]
IN_USE: dict[str, object] = {
    "workers": 4,
    "url": "redis://redis:6379/0",
}


def written(shape: tuple[str, ...], value: object) -> str:
    """A file that is good but for `value` at `shape`."""
    document = yaml.safe_load(PAGES + RULE)
    document["credentials"] = {"c": {"username": "u", "password": "p"}}
    document["serverUrls"][0] |= {"username": "u", "password": "p"}
    at = document
    for step in shape[:-1]:
        at = at.setdefault(step, {}) if step != "[]" else at["c"] if "c" in at else at[0]
    at[shape[-1]] = value
    return yaml.safe_dump(document)


@pytest.mark.parametrize("shape", NOT_YET, ids=".".join)
def test_a_key_that_is_not_available_is_complained_of(tmp_path: Path, shape: tuple[str, ...]) -> None:
    value = IN_USE.get(shape[-1], "x")
    (complaint,) = complaints(tmp_path, written(shape, value))
    assert complaint.endswith(f"{shape[-1]} is not available yet; leave it out")


@pytest.mark.parametrize("shape", NOT_YET, ids=".".join)
def test_its_default_is_not_complained_of(tmp_path: Path, shape: tuple[str, ...]) -> None:
    for default in NOT_YET[shape] or (None,):
        assert loaded(tmp_path, written(shape, default)).rules


def test_the_examples_last_section_is_what_is_not_available(tmp_path: Path) -> None:
    """Uncommented, it is well-formed, and each of its keys is complained of for this reason alone."""
    section = ROOT.joinpath("config/example.yaml").read_text(encoding="utf-8").partition("# Not available yet.")[2]
    lines = [line.removeprefix("#").removeprefix(" ") for line in section.partition("#\n")[2].splitlines()]
    environ = {"APP_SECRET": "s", "WINDOWS_PASSWORD": "s", "GATEWAY_KEY": "s"}
    key = tmp_path / "api-key"
    key.write_text("k", encoding="utf-8")
    text = PAGES + "\n".join(lines).replace("/run/secrets/api-key", str(key))
    found = complaints(tmp_path, text, environ)
    assert {each.partition(" is not available yet; ")[2] for each in found} == {"leave it out"}
    keys = {shape[-1] for shape in NOT_YET}
    assert {key for key in keys if any(f"{key} is not" in each or f"{key}: " in each for each in found)} == keys

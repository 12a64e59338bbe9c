"""proxy.settings.jsonschema: what editors are told."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from proxy.settings.jsonschema import schema_document

CONFIG = Path(__file__).parents[3] / "config"
SCHEMA = schema_document()


def options() -> dict[str, dict[str, Any]]:
    """Every option of every model, as `Model.option`."""
    models = {"Settings": SCHEMA, **SCHEMA["$defs"]}
    return {f"{m}.{name}": option for m, model in models.items() for name, option in model["properties"].items()}


def test_the_committed_file_is_current() -> None:
    committed = json.loads(CONFIG.joinpath("proxy.schema.json").read_text(encoding="utf-8"))
    assert committed == SCHEMA, "run: resource-proxy schema > config/proxy.schema.json"


def test_every_option_has_a_sentence_and_a_default_or_is_required() -> None:
    required = {"Settings.serverUrls", "RuleSettings.url", "Tls.certificate", "Tls.key", "CertificateFiles.certificate"}
    required |= {"MountSettings.path"}
    for name, option in options().items():
        model = SCHEMA["$defs"].get(option.get("$ref", "").rpartition("/")[2], {})  # one sentence may be said there
        assert option.get("description", model.get("description", "")).endswith("."), name
        assert ("default" in option) != (name in required), name


def test_unknown_keys_are_errors_everywhere() -> None:
    assert all(model["additionalProperties"] is False for model in (SCHEMA, *SCHEMA["$defs"].values()))


def test_a_reference_may_stand_where_a_number_a_switch_or_a_choice_is_asked() -> None:
    reference = {"type": "string", "pattern": r".*\$\{.+\}.*"}
    for name in ("Settings.mustMatch", "LimitsSettings.headerCount", "RuleSettings.inject", "Log.level"):
        assert reference in options()[name]["anyOf"], name


@pytest.mark.parametrize(
    ("option", "goods", "bads"),
    [
        ("Upstreams.connectTimeout", ["30s", "1.5h", "500ms", "${WAIT:-5s}"], ["30", "s", "30 s", "1w"]),
        ("LimitsSettings.body", ["10MiB", "32KiB", "${SIZE}"], ["10MB", "10", "1.5MiB"]),
    ],
)
def test_durations_and_sizes_are_checked_by_their_form(option: str, goods: list[str], bads: list[str]) -> None:
    form = re.compile(options()[option]["pattern"])
    assert [good for good in goods if not form.search(good)] == []
    assert [bad for bad in bads if form.search(bad)] == []


@pytest.mark.parametrize("name", ["password", "clientSecret", "accessToken"])
def test_no_default_is_a_secret(name: str) -> None:
    assert options()[f"CredentialSettings.{name}"]["default"] is None

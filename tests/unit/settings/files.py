"""Writes configurations for tests and reads what `load` says of them."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.errors import ConfigurationError
from proxy.model import Configuration
from proxy.settings.load import load

PAGES = "allowedReferers: [https://maps.example.com]\n"
RULE = "serverUrls:\n  - url: https://gis.example.com/arcgis/rest/services\n"


def loaded(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Configuration:
    """The configuration in `text`."""
    path = folder / "proxy.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return load(path, environ or {})


def complaints(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with `text`, each without the folder: `proxy.yaml:LINE: key: …`."""
    with pytest.raises(ConfigurationError) as refused:
        loaded(folder, text, environ)
    return [each.removeprefix(f"{folder}/") for each in refused.value.complaints]


def warnings(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is odd about `text`, each without the folder."""
    return [each.removeprefix(f"{folder}/") for each in loaded(folder, text, environ).warnings]

"""Old files for tests, and what becomes of them."""

import re
from pathlib import Path

import yaml

from proxy.settings.legacy.convert import Migration, migrate
from proxy.settings.legacy.write import Keeping

SITE = "https://gis.example.com/arcgis/rest/services"
PHP = "The PHP proxy compared URLs letter by letter"
PAGE = 'allowedReferers="https://maps.example.com/*"'


def entry(**attributes: str) -> str:
    """A serverUrl."""
    words = (f'{name}="{value}"' for name, value in attributes.items())
    return f"<serverUrl {' '.join(words)}/>"


def config(*entries: str, general: str = f'mustMatch="true" {PAGE}') -> str:
    """A whole file; without entries, one that nothing has to be said about."""
    inner = "\n".join(entries or (entry(url=SITE, matchAll="true"),))
    return f"<ProxyConfig {general}><serverUrls>\n{inner}\n</serverUrls></ProxyConfig>"


def migrated(folder: Path, text: str | bytes, told: str | None = "dotnet", keeping: Keeping = "inline") -> Migration:
    """The migration of `text`; the new text is always one that `check` takes."""
    path = folder / "proxy.config"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = migrate(path, told=told, access="edit", keeping=keeping, output=None)
    assert not done.is_bad, done.report
    return done


def written(done: Migration) -> dict[str, object]:
    """The new file's values."""
    document: dict[str, object] = yaml.safe_load(done.text)
    return document


def findings(done: Migration) -> list[str]:
    """The report, without numbers and lines: `changed: …`."""
    numbered = [line for line in done.report if line.startswith("[")]
    return [re.sub(r"^\[\d+\] (\w+)(?:, line \d+)?: ", r"\1: ", line) for line in numbered]

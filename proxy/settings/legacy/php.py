"""How the PHP program (proxy.php) read its proxy.config: XML without letter case in names, or JSON."""

import json
from typing import Any, Final

from proxy.errors import ConfigurationError
from proxy.settings.legacy import markup
from proxy.settings.legacy.dotnet import SHARED, of_elements
from proxy.settings.legacy.nouns import Old, OldEntry, Report, Traits

_DESTINATIONS: Final = ("0", "1", "2", "3")  # its logLevel said where the log goes, not how much it says
_NAMES: Final = (
    *SHARED,
    *("mustMatch", "allowedReferers", "logFile", "logLevel", "domain", "useAppPoolIdentity", "accessToken"),
    *("tokenParamName", "tokenServiceUri", "portalUrl", "ProxyConfig", "serverUrls", "serverUrl"),
)
_SPELLED: Final = {name.lower(): name for name in _NAMES}

TRAITS: Final = Traits(
    name="php",
    program="the PHP proxy",
    attributes=SHARED,
    levels=dict.fromkeys(_DESTINATIONS, "info"),
    truth={"true": True, "false": False}.get,
    match_all=False,
    last_wins=True,
    as_text=True,
)


def read(text: str, path: str, report: Report) -> Old:
    """The old configuration, from XML or JSON. Raises ConfigurationError where it cannot be read."""
    if is_json(text):
        return _of_json(_parsed(text, path), path, report)
    root = markup.parse(text, path)
    for element in root.walk():
        element.name = _spelled(element.name)
        element.attributes = {_spelled(name): value for name, value in element.attributes.items()}
    return of_elements(root, path, TRAITS, report)


def is_json(text: str) -> bool:
    """Whether the text means to be JSON rather than XML."""
    return text.lstrip()[:1] in ("{", "[")


def _spelled(name: str) -> str:
    return _SPELLED.get(name.lower(), name)


def _parsed(text: str, path: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        what = f"{path}:{error.lineno}:{error.colno}: this is no JSON: {error.msg}"
        raise ConfigurationError([f"{what}; comments and a comma behind the last value are not allowed"]) from None
    except RecursionError:
        raise ConfigurationError([f"{path}: the file is nested too deeply; this is no proxy.config"]) from None


def _of_json(document: Any, path: str, report: Report) -> Old:
    if not isinstance(document, dict):
        raise ConfigurationError([f'{path}: the file must begin with {{"proxyConfig": …; this is no proxy.config'])
    document = {name.lower(): value for name, value in document.items()}
    general = _attributes(_first(document.get("proxyconfig")))
    entries: list[OldEntry] = []
    for place in _list(document.get("serverurls")):
        inner = {name.lower(): value for name, value in place.items()} if isinstance(place, dict) else {}
        # Each serverUrl is a list of one; written plainly, as other proxies have it, it is meant all the same
        for each in _list(inner["serverurl"]) if "serverurl" in inner else [place]:
            if isinstance(each, dict):
                entries.append(OldEntry(_attributes(each), 0, len(entries)))
            else:
                report.note("An entry of serverUrls is no object; it is left out.")
    return Old(TRAITS, general, 0, entries)


def _attributes(given: dict[str, Any]) -> dict[str, str]:
    """Values as the XML form has them."""
    found: dict[str, str] = {}
    for name, value in given.items():
        if isinstance(value, list):
            found[_spelled(name)] = ",".join(map(str, value))
        elif isinstance(value, bool):
            found[_spelled(name)] = "true" if value else "false"
        elif value is not None and not isinstance(value, dict):
            found[_spelled(name)] = str(value)
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _first(value: Any) -> dict[str, Any]:
    return next((each for each in _list(value) if isinstance(each, dict)), {})

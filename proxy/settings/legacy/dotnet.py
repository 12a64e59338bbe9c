"""How the .NET program (proxy.ashx) read its proxy.config: XmlSerializer, with or without the namespace proxy.xsd."""

from typing import Final

from proxy.errors import ConfigurationError
from proxy.settings.legacy import markup
from proxy.settings.legacy.nouns import Old, OldEntry, Report, Traits

# What all three looked at
SHARED: Final = frozenset(
    ("url", "matchAll", "username", "password", "clientId", "clientSecret", "oauth2Endpoint", "rateLimit")
) | frozenset(("rateLimitPeriod", "hostRedirect"))
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}  # those of XML Schema

TRAITS: Final = Traits(
    name="dotnet",
    program="the .NET proxy",
    attributes=SHARED | {"domain", "useAppPoolIdentity", "accessToken", "tokenParamName"},
    levels={"off": "error", "error": "error", "warning": "warning", "info": "info", "verbose": "debug"},
    truth=lambda text: _BOOLEANS.get(text.strip()),
    match_all=False,
)


def read(text: str, path: str, report: Report) -> Old:
    """The old configuration. Raises ConfigurationError where it cannot be read."""
    return of_elements(markup.parse(text, path), path, TRAITS, report)


def of_elements(root: markup.Element, path: str, traits: Traits, report: Report) -> Old:
    """The configuration in an XML tree, under the names that it has."""
    if root.name != "ProxyConfig":
        what = f"{path}:{root.line}: this is <{root.name}>, not <ProxyConfig>; name the old proxy's proxy.config"
        raise ConfigurationError([what])
    entries: list[OldEntry] = []
    for element in list(root.walk())[1:]:
        if element.name == "serverUrl":
            entries.append(OldEntry(element.attributes, element.line, len(entries)))
        elif element.name != "serverUrls":
            report.note(f"<{element.name}> had no meaning in {traits.program}; it is left out.", element.line)
    return Old(traits, root.attributes, root.line, entries)

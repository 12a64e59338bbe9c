"""The guides' code blocks: what is documented is what is tested, with other addresses. Runs nothing."""

import re
from pathlib import Path

GUIDES = Path(__file__).parents[1] / "config/guide"
SERVER, PROXY, MOUNT = (
    "https://gis.example.com/arcgis",
    "https://maps.example.com/proxy",
    "https://maps.example.com/gis",
)


def blocks(guide: str, language: str) -> list[str]:
    """The blocks of `guide` (its name without .md) in a language, in their order."""
    text = (GUIDES / f"{guide}.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def elsewhere(text: str, server: str, public: str) -> str:
    """The text for a server and for a public address of the proxy's, in place of those of the guides."""
    moved = text.replace(SERVER, server)
    return moved.replace("https://maps.example.com", public)

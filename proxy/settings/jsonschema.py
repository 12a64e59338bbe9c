"""The JSON Schema of proxy.yaml, made from the code, for editors."""

from typing import Any

from proxy.settings.schema import Settings


def schema_document() -> dict[str, Any]:
    """The schema. Numbers and switches may also be written as a reference (`${PORT:-8080}`)."""
    document = Settings.model_json_schema(mode="validation")
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "proxy.yaml of arcgis-resource-proxy"
    _allow_references(document)
    return document


def _allow_references(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("type") in ("integer", "boolean") and "anyOf" not in node:
            node["type"] = [node["type"], "string"]
        for child in node.values():
            _allow_references(child)
    elif isinstance(node, list):
        for child in node:
            _allow_references(child)

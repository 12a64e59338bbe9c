"""The JSON Schema of proxy.yaml, made from the code, for editors. `check` knows more: it sees what values mean."""

from typing import Any, Final

from proxy.settings.schema import Settings
from proxy.settings.values import REFERENCE

# Beside a description and a default, these say what a value is; a reference stands beside them as another form.
_FORM: Final = frozenset(("type", "enum", "const", "minimum", "maximum", "exclusiveMinimum"))
_REFERENCE_FORM: Final = {"type": "string", "pattern": REFERENCE}


def schema_document() -> dict[str, Any]:
    """The schema. Numbers, switches and choices may also be written as a reference (`${PORT:-8080}`)."""
    document: dict[str, Any] = _with_references(Settings.model_json_schema(mode="validation"))
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["title"] = "proxy.yaml of arcgis-resource-proxy"
    return document


def _with_references(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_references(child) for child in node]
    if not isinstance(node, dict):
        return node
    node = {key: _with_references(child) for key, child in node.items() if not _is_made_up_title(key, child)}
    if node.get("type") in ("integer", "number", "boolean") or "enum" in node or "const" in node:
        form = {key: node.pop(key) for key in list(node) if key in _FORM}
        node["anyOf"] = [form, _REFERENCE_FORM]
    return node


def _is_made_up_title(key: str, child: object) -> bool:
    """pydantic titles every key with its own name, which only makes an editor's hint longer."""
    return key == "title" and isinstance(child, str)

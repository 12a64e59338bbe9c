"""Keys of the contract whose feature is not built yet: a complaint, never silence. A feature that comes deletes its
line here."""

from typing import Final

from proxy.settings.document import Complaint, Document, KeyPath

# Shapes of key paths ([] stands for any entry of a list), and the values that mean "not used".
NOT_YET: Final[dict[tuple[str, ...], tuple[object, ...]]] = {
    ("state", "url"): (),
}


def complaints(document: Document) -> list[Complaint]:
    """One for each key in the document that is not available yet."""
    found: list[Complaint] = []
    _walk(document, document.value, (), (), found)
    return found


def _walk(document: Document, value: object, path: KeyPath, shape: tuple[str, ...], found: list[Complaint]) -> None:
    allowed = NOT_YET.get(shape)
    if allowed is not None:
        # Nothing, and an empty list or mapping, never use a feature; a reference gives text (`${WORKERS:-1}`).
        if value not in (None, [], {}) and str(value) not in map(str, allowed):
            found.append(document.complaint(path, f"{shape[-1]} is not available yet; leave it out"))
    elif isinstance(value, dict):
        for name, child in value.items():
            _walk(document, child, (*path, name), (*shape, name), found)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _walk(document, child, (*path, index), (*shape, "[]"), found)

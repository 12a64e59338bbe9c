"""Keys of the contract whose feature is not built yet: a complaint, never silence. A feature that comes deletes its
line here."""

from typing import Final

from proxy.settings.document import Complaint, Document, dotted

# Key paths ([] stands for any entry of a list or mapping), and the only values that mean "not used".
NOT_YET: Final[dict[tuple[str, ...], tuple[object, ...]]] = {
    ("server", "workers"): (1,),
    ("users", "source"): ("none",),
    ("state", "url"): (None,),
    ("cache", "memory"): ("256MiB",),
    ("credentials", "[]", "type"): ("arcgis",),
    **{
        (*place, key): (None,)
        for place in (("serverUrls", "[]"), ("credentials", "[]"))
        for key in ("domain", "clientId", "clientSecret", "oauth2Endpoint", "accessToken", "headers")
    },
    **{
        ("serverUrls", "[]", key): (None,)
        for key in (
            "mount",
            "hostRedirect",
            "outboundProxy",
            "clientCertificate",
            "setParameters",
            "denyParameters",
            "users",
            "cache",
        )
    },
}


def complaints(document: Document) -> list[Complaint]:
    """One for each key in the document that is not available yet."""
    found: list[Complaint] = []
    _walk(document, document.value, (), (), found)
    return found


def _walk(
    document: Document,
    value: object,
    path: tuple[str | int, ...],
    shape: tuple[str, ...],
    found: list[Complaint],
) -> None:
    allowed = NOT_YET.get(shape)
    if allowed is not None:
        if value not in allowed:
            what = f"{shape[-1]}: {value}" if isinstance(value, str) and shape[-1] == "type" else shape[-1]
            found.append(Complaint(document.line(path), dotted(path), f"{what} is not available yet; leave it out"))
        return
    if isinstance(value, dict):
        for name, child in value.items():
            step = "[]" if shape == ("credentials",) else str(name)
            _walk(document, child, (*path, str(name)), (*shape, step), found)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            _walk(document, child, (*path, index), (*shape, "[]"), found)

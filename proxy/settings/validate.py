"""Plain values to `Settings`, key by key: pydantic's errors in our words, with suggestions for unknown keys.

What is wrong in one key must not hide what is wrong elsewhere: bad keys are taken out and the rest is validated again,
so that `check` can look at it in the same run.
"""

import difflib
from collections.abc import Iterable
from typing import Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from proxy.settings.document import Complaint, Document, KeyPath
from proxy.settings.schema import CredentialKeys, Settings

# Keys of which one without the other is a finding: it says nothing new where the other was taken out.
_TOGETHER: Final = (
    {*CredentialKeys.model_fields, "credential", "inject"},
    {"url", "matchAll", "caseSensitive"},
)
_ROUNDS: Final = 4  # taking a required key out makes its mapping bad in turn, and so on up
_IN_OUR_WORDS: Final = {
    "missing": "this key is missing; add it",
    "extra_forbidden": "unknown key",
    "string_type": "this is not text; write one text, in quotes",
    "string_pattern_mismatch": "letters, digits, ., _ and - are allowed here; write it with these alone",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "int_parsing_size": "write a smaller number",
    "list_type": "this must be a list; write [one, two], or a line with - for each",
    "dict_type": "this must be a mapping of keys",
    "model_type": "this must be a mapping of keys",
    "too_short": "this list must not be empty",
}


# Where more than one form is right: what pydantic says of each alone would send people round in circles.
_FORMS: Final = ("string_type", "literal_error", "int_type", "int_parsing", "list_type", "dict_type", "model_type")
_OF_A_KEY: Final[dict[tuple[str | int, ...], str]] = {
    ("server", "workers"): "write a whole number, or auto",
    ("serverUrls", "cache"): "write standard, or for how long: {maxAge: 5m}",
    ("serverUrls", "clientCertificate"): "write the name of a file, or {certificate: …, key: …, password: …}",
    ("serverUrls", "mount"): "write a path, such as /gis, or {path: /gis, aliases: […]}",
    ("serverUrls", "users"): 'write required, or a list of names and groups: [anna, "group:editors"]',
}


class Validated:
    """What became of a document: its settings as far as they are good, and what is wrong."""

    def __init__(self, document: Document) -> None:
        self.settings: Settings | None = None
        self.complaints: list[Complaint] = []
        self._removed: list[KeyPath] = []
        value = document.value
        for turn in range(_ROUNDS):
            try:
                self.settings = Settings.model_validate(value)
            except ValidationError as error:
                errors = error.errors(include_input=False, include_url=False)
            else:
                return
            errors = _meant_of_unions(value, errors)
            bad = [_path_of(value, each) for each in errors]
            if turn == 0:  # later turns find only what the removals made
                self.complaints = [
                    document.complaint(*both) for both in zip(bad, map(_sentence, errors, bad), strict=True)
                ]
            # a misspelt key is missing under its right name, a missing one makes its mapping bad
            bad = [path if _has(value, path) else path[:-1] for path in bad]
            self._removed += [_meant(path) for path in bad if path]
            value = _without(value, bad)

    def is_independent(self, complaint: Complaint) -> bool:
        """Whether a later finding stands on its own, rather than being made by a key that was taken out."""
        return not any(_hangs_on(complaint.path, removed) for removed in self._removed)


def _meant_of_unions(value: object, errors: list[ErrorDetails]) -> list[ErrorDetails]:
    """Where text or a mapping may stand and a mapping does, that it is no text says nothing."""
    paths = [_path_of(value, each) for each in errors]
    return [
        each
        for each, path in zip(errors, paths, strict=True)
        if each["type"] not in ("string_type", "literal_error")
        or not any(len(other) > len(path) and other[: len(path)] == path for other in paths)
    ]


def _hangs_on(path: KeyPath, removed: KeyPath) -> bool:
    around, key = removed[:-1], removed[-1]
    if removed == ("credentials",):  # rules name them
        return True
    if isinstance(key, int):  # the entries after it have moved up: their lines would be wrong
        return path[: len(around)] == around
    if path[: len(removed)] == removed:
        return True
    return any(key in keys and (path == around or (path[:-1] == around and path[-1] in keys)) for keys in _TOGETHER)


def _child(value: object, step: str | int) -> object:
    """Raises KeyError."""
    if isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    raise KeyError(step)


def _has(value: object, path: KeyPath) -> bool:
    try:
        for step in path:
            value = _child(value, step)
    except KeyError:
        return False
    return True


def _without(value: object, paths: Iterable[KeyPath]) -> object:
    """A copy of `value` without what stands at `paths`."""
    gone: dict[str | int, list[KeyPath]] = {}
    for path in paths:
        if path:
            gone.setdefault(path[0], []).append(path[1:])
    if isinstance(value, dict):
        pairs = ((key, child) for key, child in value.items() if () not in gone.get(key, ()))
        return {key: _without(child, gone.get(key, ())) for key, child in pairs}
    if isinstance(value, list):
        items = ((index, child) for index, child in enumerate(value) if () not in gone.get(index, ()))
        return [_without(child, gone.get(index, ())) for index, child in items]
    return value


def _path_of(value: object, error: ErrorDetails) -> KeyPath:
    """pydantic names the alternatives of a union in its paths; those that are no keys of ours are left out."""
    path: KeyPath = ()
    names_a_key = error["type"] in ("missing", "extra_forbidden")
    for number, step in enumerate(error["loc"]):
        last = number == len(error["loc"]) - 1
        try:
            value = _child(value, step)
        except KeyError:
            if not (last and names_a_key):
                continue
        path = (*path, step)
    return path


def _sentence(error: ErrorDetails, path: KeyPath) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key; {_suggestion(path)}"
    if kind in _FORMS and path[:1] == ("serverUrls",) and len(path) == 2:
        return "a rule is a mapping of keys; write - url: https://…"
    if kind in _FORMS and (path[0], path[-1]) in _OF_A_KEY and len(path) <= 3:
        return _OF_A_KEY[path[0], path[-1]]
    if kind == "literal_error":
        return f"write {context['expected']}"
    if kind == "greater_than":
        return f"write more than {context['gt']:g}s"
    if kind == "greater_than_equal":
        return f"write {context['ge']} or more"
    if kind == "less_than_equal":
        return f"write {context['le']} or less"
    return _IN_OUR_WORDS.get(kind) or error["msg"].removeprefix("Value error, ")


def _suggestion(path: KeyPath) -> str:
    if path[:1] == ("serverUrls",) and path[-1] == "type":
        return "only a named credential has a type: write it under credentials:, and here credential: with its name"
    meant = _meant(path)
    if meant != path:
        return f"did you mean {meant[-1]}?"
    return f"known here: {', '.join(sorted(_keys_at(path[:-1])))}"


def _meant(path: KeyPath) -> KeyPath:
    """`path` with the known key in place of one that is spelt much like it."""
    known = {name.lower(): name for name in _keys_at(path[:-1])}
    close = difflib.get_close_matches(str(path[-1]).lower(), known, n=1, cutoff=0.6)
    return (*path[:-1], known[close[0]]) if close and isinstance(path[-1], str) else path


def _keys_at(path: KeyPath) -> list[str]:
    """The keys of the mapping at `path`; names and numbers in lists and mappings are no keys of a model."""
    model: type[BaseModel] = Settings
    for step in path:
        if isinstance(step, str) and step in model.model_fields:
            model = _model_in(model.model_fields[step].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model in `Model`, `Model | None`, `list[Model]` or `dict[str, Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for inner in get_args(annotation) if (model := _model_in(inner))), None)

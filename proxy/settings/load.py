"""File, environment and secret files to a checked configuration, or to all complaints at once."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from proxy.errors import ConfigurationError
from proxy.model import Configuration
from proxy.settings import availability, check
from proxy.settings.compiled import compile_settings
from proxy.settings.document import Complaint, Document, dotted, read
from proxy.settings.schema import Settings

_MOST_BYTES: Final = 4 * 1024 * 1024


def load(path: Path, environ: Mapping[str, str]) -> Configuration:
    """The configuration in `path`. Raises ConfigurationError with every complaint, each as
    `file:line: key: what is wrong; what to write instead`."""
    document = read(_text(path), environ)
    complaints = list(document.complaints)
    if document.value is not None:
        complaints += availability.complaints(document)
    settings, wrong = _validated(document)
    complaints += wrong
    warnings: list[Complaint] = []
    if settings is not None:
        errors, warnings = check.look_over(settings, document)
        complaints += errors
    if complaints or settings is None:
        unique = sorted(set(complaints), key=lambda complaint: (complaint.line, complaint.where))
        raise ConfigurationError([_located(path, complaint) for complaint in unique])
    return compile_settings(settings, str(path), tuple(_located(path, warning) for warning in warnings))


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise ConfigurationError(
            [f"{path}: there is no such file; --config names another, config/proxy.yaml is one to begin with"]
        ) from None
    except OSError as error:
        raise ConfigurationError([f"{path}: the file cannot be read: {error.strerror}"]) from None
    if len(raw) > _MOST_BYTES:
        raise ConfigurationError([f"{path}: the file is larger than 4 MiB; this is no proxy.yaml"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError([f"{path}: the file is not UTF-8 text; save it as UTF-8"]) from None


def _located(path: Path, complaint: Complaint) -> str:
    line = f":{complaint.line}" if complaint.line else ""
    return f"{path}{line}: {complaint}"


def _validated(document: Document) -> tuple[Settings | None, list[Complaint]]:
    if document.value is None:
        return None, []
    if not isinstance(document.value, dict):
        return None, [Complaint(1, "", "the file must be a mapping of keys such as serverUrls:")]
    try:
        return Settings.model_validate(document.value), []
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False)
        return None, [_complaint(document, dict(each)) for each in errors]


def _complaint(document: Document, error: Mapping[str, Any]) -> Complaint:
    path = _real_path(document.value, error["loc"])
    kind, message = error["type"], error["msg"]
    if kind == "extra_forbidden":
        return Complaint(document.line(path), dotted(path), _unknown(path))
    if kind == "missing":
        message = "this key is missing"
    elif kind in ("model_type", "dict_type"):
        message = "this must be a mapping of keys"
    return Complaint(document.line(path), dotted(path), message.removeprefix("Value error, "))


def _real_path(value: object, steps: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """pydantic names the alternatives of a union in its paths; those that are no keys of ours are left out."""
    path: list[str | int] = []
    for number, step in enumerate(steps):
        if isinstance(value, dict) and (step in value or number == len(steps) - 1):
            path.append(step)
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            path.append(step)
            value = value[step]
    return tuple(path)


def _unknown(path: tuple[str | int, ...]) -> str:
    known = _keys_at(Settings, path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.6)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"
    return f"unknown key; {hint}"


def _keys_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    from proxy.settings.schema import CredentialSettings, RuleSettings

    for step in path:
        if step == "serverUrls":
            model = RuleSettings
        elif step == "credentials":
            model = CredentialSettings
        elif isinstance(step, str) and step in model.model_fields:
            inner = model.model_fields[step].annotation
            model = inner if isinstance(inner, type) and issubclass(inner, BaseModel) else model
    return list(model.model_fields)

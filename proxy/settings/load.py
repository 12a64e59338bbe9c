"""File, environment and secret files to a checked configuration, or to all complaints at once. Judges no key itself."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from proxy import files
from proxy.errors import ConfigurationError
from proxy.model import Configuration
from proxy.settings import check
from proxy.settings.compiled import compile_settings
from proxy.settings.document import Complaint, read
from proxy.settings.exposed import exposed
from proxy.settings.validate import Validated

_MOST_BYTES: Final = 4 * 1024 * 1024
_PATIENCE: Final = 10.0  # seconds for a program that decrypts it into a pipe: it may have to ask a key service


def load(path: Path, environ: Mapping[str, str]) -> Configuration:
    """The configuration in `path`. Raises ConfigurationError with every complaint, each as
    `file:line: key: what is wrong; what to write instead`."""
    return parse(_text(path), str(path), environ, file=path)


def parse(text: str, path: str, environ: Mapping[str, str], *, file: Path | None = None) -> Configuration:
    """The configuration in `text`, which is called `path` in complaints. Raises as `load`. `file` is where it is
    stored, and who may read it there is looked at."""
    document = read(text, environ)
    complaints = list(document.complaints)
    warnings: list[Complaint] = []
    dangers: list[Complaint] = []
    settings = None
    if isinstance(document.value, dict):
        validated = Validated(document)
        settings = validated.settings
        complaints += validated.complaints
        if settings is not None:
            findings = check.look_over(settings, document)
            warnings, dangers = findings.warnings, findings.dangers
            complaints += filter(validated.is_independent, findings.errors)
            complaints += exposed(settings, document, file) if file is not None else []
    elif document.value is not None:
        complaints.append(Complaint(1, (), "the file must be a mapping of keys, such as serverUrls:"))
    if complaints or settings is None:
        raise ConfigurationError([_located(path, complaint) for complaint in _one_each(complaints)])
    located = (tuple(_located(path, each) for each in found) for found in (warnings, dangers))
    return compile_settings(settings, path, *located)


def _text(path: Path) -> str:
    try:
        raw = files.read(path, _MOST_BYTES + 1, patience=_PATIENCE)
    except FileNotFoundError:
        raise ConfigurationError(
            [f"{path}: there is no such file; write one as the README shows, or name yours: --config FILE"]
        ) from None
    except IsADirectoryError:
        raise ConfigurationError(
            [f"{path}: this is a directory; name the file in it, as {path / 'proxy.yaml'}"]
        ) from None
    except OSError as error:
        raise ConfigurationError([f"{path}: the file {files.why(error)}"]) from None
    except ValueError:
        raise ConfigurationError([f"{path!s}: this is no name of a file"]) from None
    if not raw and path.is_fifo():
        raise ConfigurationError([f"{path}: nothing comes through this pipe; it can be read once, and not again"])
    if len(raw) > _MOST_BYTES:
        raise ConfigurationError([f"{path}: the file is larger than 4 MiB; this is no proxy.yaml"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationError([f"{path}:{line}: the file is not UTF-8 text; save it as UTF-8"]) from None


def _located(path: str, complaint: Complaint) -> str:
    line = f":{complaint.line}" if complaint.line else ""
    return f"{path}{line}: {complaint}"


def _one_each(complaints: Iterable[Complaint]) -> list[Complaint]:
    """In the order of the file; of several about one key the first one found stands, the others follow from it."""
    first: dict[object, Complaint] = {}
    for complaint in complaints:
        about = complaint.path or complaint.what
        first.setdefault(about, complaint)
    return sorted(first.values(), key=lambda complaint: (complaint.line, str(complaint)))

"""`migrate` as a whole: the old file in, the new text with its report out. Stores nothing but what `store` is given."""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from proxy.errors import ConfigurationError
from proxy.settings import load
from proxy.settings.legacy import dialect, source
from proxy.settings.legacy.nouns import Report
from proxy.settings.legacy.translate import translate
from proxy.settings.legacy.write import Keeping, Writer, Written, has_changes, numbered, sentence


@dataclass(frozen=True, slots=True)
class Migration:
    """What was made of an old file, and what is to be said about it, line by line."""

    text: str
    report: tuple[str, ...]
    has_changes: bool  # the new proxy will do something else
    is_bad: bool  # `check` does not take the new text


def migrate(
    path: Path, *, told: str | None, access: str, keeping: Keeping, output: Path | None, force: bool = False
) -> Migration:
    """The old file at `path` as a proxy.yaml, stored at `output` if that is given. Raises ConfigurationError."""
    if output is None and keeping == "file":
        raise ConfigurationError(["secrets in files are written beside the output; name it with -o"])
    report = Report()
    old = dialect.read(source.read_text(path), path, told, report)
    new = translate(old, report, access)
    if not new.rules:
        raise ConfigurationError([f"{path}: there is no serverUrl to carry over, and without one nothing is reached"])
    findings = numbered(report.findings)
    title = f"Made by resource-proxy migrate from {path.name}, read as {old.traits.program} did."
    place = output or Path("proxy.yaml")
    folder = place.parent.resolve()
    written = Writer(new, findings, keeping, folder).render(title, place.stem)
    # The same text, line by line, with its secrets in place: they are not stored yet
    complaints = _complaints(Writer(new, findings, "inline", folder).render(title, place.stem).text, place)
    is_secret = keeping == "inline"
    stored = store(output, written, is_secret=is_secret, force=force) if output is not None else []
    said = [f"{path}, read as {old.traits.program} did: {len(old.entries)} serverUrls, {len(new.rules)} rules"]
    said += [sentence(*each) for each in findings]
    said += [f"error {complaint}" for complaint in complaints]
    if written.secrets and not stored:
        said.append(f"Set these: {', '.join(written.secrets)}")
    said += [f"written {each}" for each in stored]
    said += [f"Next: {_next(written, output)}"] if output is not None else []
    return Migration(written.text, tuple(said), has_changes(report.findings), bool(complaints))


def _next(written: Written, output: Path) -> str:
    """The command to go on with; a shell has to read the variables first, where there are any."""
    variables = [output.parent / name for name, *_ in written.beside if name.endswith(".env")]
    shown = [str(each) if each.parent != Path() else f"./{each}" for each in variables]
    reading = "".join(f"set -a; . {shlex.quote(each)}; set +a; " for each in shown)
    return f"{reading}resource-proxy check --config {shlex.quote(str(output))}"


def store(output: Path, written: Written, *, is_secret: bool, force: bool) -> list[Path]:
    """The text at `output` and its secrets beside it; what holds secrets is readable by its owner alone. Overwrites
    nothing unless `force`. The files; raises ConfigurationError."""
    files = [(output.parent / name, content, 0o600) for name, content in written.beside]
    files.append((output, written.text, 0o600 if is_secret else 0o644))
    there = [str(path) for path, *_ in files if path.exists() or path.is_symlink()]
    if there and not force:
        raise ConfigurationError([f"{path}: there is a file already; --force overwrites it" for path in there])
    for path, content, mode in files:
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
                file.write(content)
        except OSError as error:
            raise ConfigurationError([f"{path}: the file cannot be written: {error.strerror}"]) from None
    return [path for path, *_ in files]


def _complaints(text: str, output: Path) -> tuple[str, ...]:
    try:
        load.parse(text, str(output), {})
    except ConfigurationError as error:
        return tuple(error.complaints)
    return ()

"""A YAML file as plain values, with the line of each: references resolved, duplicate keys refused. Knows no key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

from proxy import files
from proxy.settings.permissions import READABLE, is_open, mending

KeyPath = tuple[str | int, ...]

_REFERENCE: Final = re.compile(
    r"\$(\$\{)|\$\{(?:file:([^}]*)|([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?|[^}]*)\}|\$\{", re.DOTALL
)
_FORMS: Final = "write references as ${NAME}, ${NAME:-default} or ${file:/path}, and a plain ${ as $${"
_MOST_NODES: Final = 100_000  # aliases can make a small file very large
_DEEPEST: Final = 50  # an alias inside its own anchor has no end
_MOST_SECRET_BYTES: Final = 64 * 1024
_PLAIN_TAGS: Final = frozenset(("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong at one place, and what to write instead. `line` counts from 1; 0 is the whole file."""

    line: int
    path: KeyPath
    what: str

    def __str__(self) -> str:
        return ": ".join(part for part in (dotted(self.path), self.what) if part)


@dataclass(slots=True)
class Document:
    """The values, and the line of each path."""

    value: object = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)
    referring: set[KeyPath] = field(default_factory=set)  # what stands elsewhere, and here only by its name

    def line(self, path: KeyPath) -> int:
        """The line of `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def complaint(self, path: KeyPath, what: str) -> Complaint:
        """A complaint about what stands at `path`."""
        return Complaint(self.line(path), path, what)


def dotted(path: KeyPath) -> str:
    """A path as people write it: serverUrls[0].url."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def read(text: str, environ: Mapping[str, str]) -> Document:
    """The document in `text`; its complaints are in the result, whose value is None where nothing could be read."""
    document = Document()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        document.complaints.append(_unreadable(error, text))
        return document
    except RecursionError:
        document.complaints.append(Complaint(0, (), "the file is nested too deeply; this is no proxy.yaml"))
        return document
    if node is None:
        document.complaints.append(Complaint(0, (), "the file is empty; the README shows one to begin with"))
        return document
    document.value = _Reader(document, environ).value(node, ())
    return document


def _unreadable(error: yaml.YAMLError, text: str) -> Complaint:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Complaint(line, (), "there is a control character here; delete it, or write it as \\x.. in quotes")
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Complaint(0, (), "this is no YAML")
    line = error.problem_mark.line
    written = text.splitlines()[line] if line < len(text.splitlines()) else ""
    problem = str(error.problem or "it cannot be read").removeprefix("but ")
    hint = ""
    if problem == "found another document":
        hint = "; keep one, without a --- after it"
    elif "${" in written:
        hint = '; put ${…} in quotes inside { } and [ ], as in {password: "${NAME}"}'
    elif "\t" in written:
        hint = "; indent with blanks, not with tabs"
    elif problem.startswith("expected ',' or"):
        hint = "; inside { } and [ ], put values with ? : , { } [ ] in quotes"
    return Complaint(line + 1, (), f"this is no YAML: {problem}{hint}")


class _Reader:
    """Walks the nodes: PyYAML's own constructor forgets the lines and lets the last of two equal keys win."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document, self._environ = document, environ
        self._left = _MOST_NODES
        self._scalars = yaml.SafeLoader("")

    def value(self, node: yaml.Node, path: KeyPath) -> object:
        self._left -= 1
        if self._left < 0 or len(path) > _DEEPEST:
            if self._left >= -1:
                self._left = -1  # one complaint is enough: nothing after it is looked at
                self._complain(node, path[:1], "too many values, or nested too deeply; write aliases out")
            return None
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in _PLAIN_TAGS:
            self._complain(node, path, f"the tag {node.tag} has no meaning here; leave it out")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._complain(key, path, "a key must be text")
                continue
            name = str(key.value)
            if key.tag == "tag:yaml.org,2002:merge":
                self._complain(key, path, "merge keys (<<) are not used here; write the keys out")
            elif name in found:
                self._complain(key, (*path, name), "this key stands twice; keep one")
            else:
                self._document.lines[(*path, name)] = key.start_mark.line + 1
                found[name] = self.value(child, (*path, name))
        return found

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> object:
        if node.tag == "tag:yaml.org,2002:str":
            return _REFERENCE.sub(lambda match: self._reference(match, node, path), str(node.value))
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._complain(node, path, "this value cannot be read; put it in quotes")
            return None

    def _reference(self, match: re.Match[str], node: yaml.Node, path: KeyPath) -> str:
        escaped, file, name, default = match.groups()[:4]
        if escaped:
            return "${"
        self._document.referring.add(path)
        if file is not None:
            return self._file(file, node, path)
        if name is None:
            self._complain(node, path, _FORMS)
            return ""
        value = self._environ.get(name)
        if not value and default is not None:
            return str(default)
        if value is None:
            what = f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}"
            self._complain(node, path, what)
            return ""
        return value

    def _file(self, name: str, node: yaml.Node, path: KeyPath) -> str:
        try:
            raw = files.read(Path(name), _MOST_SECRET_BYTES + 1)
            if is_open(Path(name), READABLE):
                self._complain(node, path, f"everyone on this machine can read {name}; {mending(Path(name))}")
            if len(raw) <= _MOST_SECRET_BYTES:
                return raw.decode("utf-8").removesuffix("\n").removesuffix("\r")
            self._complain(node, path, f"the file {name} is larger than 64 KiB; this is no secret")
        except OSError as error:
            self._complain(node, path, f"the file {name} {files.why(error)}")
        except UnicodeDecodeError:
            self._complain(node, path, f"the file {name} is not UTF-8 text; save it as UTF-8")
        except ValueError:
            self._complain(node, path, "this is no name of a file; write ${file:/run/secrets/name}")
        return ""

    def _complain(self, node: yaml.Node, path: KeyPath, what: str) -> None:
        self._document.complaints.append(Complaint(node.start_mark.line + 1, path, what))

"""A YAML file as plain values, with the line of each: references resolved, duplicate keys refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml

Path_ = tuple[str | int, ...]
_REFERENCE: Final = re.compile(r"\$(\$\{)|\$\{(?:file:([^}]*)|([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?|([^}]*))\}")
_MOST_NODES: Final = 100_000  # aliases can make a small file very large


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong at one place. `where` is the path of keys; `line` counts from 1, 0 for the whole file."""

    line: int
    where: str
    what: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.what) if part)


@dataclass(slots=True)
class Document:
    """The values, and the line of each path."""

    value: object = None
    lines: dict[Path_, int] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)

    def line(self, path: Path_) -> int:
        """The line of `path`, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)


def dotted(path: Path_) -> str:
    """A path as people write it: serverUrls[0].url."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def read(text: str, environ: Mapping[str, str]) -> Document:
    """The document in `text`; its complaints are in the result."""
    document = Document()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 0
        problem = getattr(error, "problem", None) or "it cannot be read"
        document.complaints.append(Complaint(line, "", f"this is no YAML: {problem}"))
        return document
    if node is None:
        document.complaints.append(Complaint(0, "", "the file is empty; config/proxy.yaml is one to begin with"))
        return document
    document.value = _Reader(document, environ).value(node, ())
    return document


class _Reader:
    """Walks the nodes: PyYAML's own constructor forgets the lines and lets the last of two equal keys win."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self._document, self._environ = document, environ
        self._left = _MOST_NODES
        self._scalars = yaml.SafeLoader("")

    def value(self, node: yaml.Node, path: Path_) -> object:
        self._left -= 1
        if self._left < 0:
            if self._left == -1:
                self._complain(node, path, "the file has too many values; do not nest aliases")
            return None
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        if node.tag == "tag:yaml.org,2002:str":
            return self._resolved(node, path)
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            self._complain(node, path, "this value cannot be read; put it in quotes")
            return None

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, child in node.value:
            name = str(key.value)
            if key.tag == "tag:yaml.org,2002:merge":
                self._complain(key, path, "merge keys (<<) are not used here; write the keys out")
            elif name in found:
                self._complain(key, (*path, name), "this key stands twice; keep one")
            else:
                self._document.lines[(*path, name)] = key.start_mark.line + 1
                found[name] = self.value(child, (*path, name))
        return found

    def _resolved(self, node: yaml.Node, path: Path_) -> str:
        return _REFERENCE.sub(lambda match: self._reference(match, node, path), str(node.value))

    def _reference(self, match: re.Match[str], node: yaml.Node, path: Path_) -> str:
        if match[1]:  # $${ is a literal ${
            return "${"
        if match[2] is not None:
            return self._file(match[2], node, path)
        name, default = match[3], match[4]
        if name is None:
            self._complain(node, path, "write references as ${NAME}, ${NAME:-default} or ${file:/path}")
            return ""
        value = self._environ.get(name) or default
        if value is None:
            self._complain(
                node, path, f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}"
            )
            return ""
        return value

    def _file(self, name: str, node: yaml.Node, path: Path_) -> str:
        try:
            return Path(name).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except OSError as error:
            self._complain(node, path, f"the file {name} cannot be read: {error.strerror}")
        except UnicodeDecodeError:
            self._complain(node, path, f"the file {name} is not UTF-8 text")
        return ""

    def _complain(self, node: yaml.Node, path: Path_, what: str) -> None:
        self._document.complaints.append(Complaint(node.start_mark.line + 1, dotted(path), what))

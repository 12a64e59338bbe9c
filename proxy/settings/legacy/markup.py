"""XML to elements with their lines, by expat itself: no DTD, no entities but the five, no depth without end.

A document type is refused before its first declaration is read, so nothing is expanded and nothing is fetched.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from proxy.errors import ConfigurationError

_DEEPEST: Final = 20
_MOST: Final = 20_000  # elements
_SEPARATOR: Final = " "  # between namespace and name; neither has one
_ADVICE: Final = {
    expat.errors.XML_ERROR_INVALID_TOKEN: "write & as &amp; and < as &lt;, and put each value in quotes",
    expat.errors.XML_ERROR_UNDEFINED_ENTITY: "write & as &amp;: only &amp; &lt; &gt; &quot; and &apos; are known",
    expat.errors.XML_ERROR_TAG_MISMATCH: "an element before this line is not closed; end it with />",
    expat.errors.XML_ERROR_NO_ELEMENTS: "the file has no element, or one that is not closed",
    expat.errors.XML_ERROR_UNCLOSED_TOKEN: "a quote or a > is missing, here or before",
    expat.errors.XML_ERROR_DUPLICATE_ATTRIBUTE: "an attribute stands twice; keep one",
    expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT: "delete what stands behind the last element",
    expat.errors.XML_ERROR_MISPLACED_XML_PI: "delete what stands before <?xml",
    expat.errors.XML_ERROR_UNBOUND_PREFIX: "an attribute or element has a prefix (x:) that is not declared",
}


@dataclass(slots=True)
class Element:
    """An element: its name and attributes without namespaces, and its line."""

    name: str
    attributes: dict[str, str]
    line: int
    children: list["Element"] = field(default_factory=list)

    def walk(self) -> Iterator["Element"]:
        """It and all below it, in the order of the file."""
        yield self
        for child in self.children:
            yield from child.walk()


def parse(text: str, path: str) -> Element:
    """The root element. Raises ConfigurationError with line, column and what to do."""
    reader = _Reader(path)
    try:
        reader.parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        advice = _ADVICE.get(what, "correct it, or open the file in an editor that knows XML")
        place = f"{path}:{error.lineno}:{error.offset + 1}"
        raise ConfigurationError([f"{place}: this is no well-formed XML: {what}; {advice}"]) from None
    assert reader.root is not None  # noqa: S101 - expat complains of a document without one
    return reader.root


class _Reader:
    def __init__(self, path: str) -> None:
        # The text was decoded before: what the declaration says of its encoding is past
        self.parser = expat.ParserCreate("utf-8", _SEPARATOR)
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.root: Element | None = None
        self._path, self._open, self._count = path, list[Element](), 0

    def _doctype(self, *declared: object) -> None:
        self._refuse("a document type (<!DOCTYPE>) is not read: it can define what the file does not show; delete it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= _DEEPEST or self._count > _MOST:
            self._refuse("too many elements, or nested too deeply; this is no proxy.config")
        own = {key: value for key, value in attributes.items() if _SEPARATOR not in key}
        element = Element(name.rpartition(_SEPARATOR)[2], own, self.parser.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, name: str) -> None:
        self._open.pop()

    def _refuse(self, what: str) -> None:
        raise ConfigurationError([f"{self._path}:{self.parser.CurrentLineNumber}: {what}"])

"""The old file's bytes to text: bounded, and in the encoding that it has or says it has. Knows neither XML nor JSON."""

import codecs
import re
from pathlib import Path
from typing import Final

from proxy import files
from proxy.errors import ConfigurationError

_MOST_BYTES: Final = 1024 * 1024  # the old programs read it whole; a large one has some ten kilobytes
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
# Python knows many more codecs; a file must not choose among them
_ENCODINGS: Final = re.compile(r"utf-?8|us-ascii|ascii|iso-8859-\d{1,2}|latin-?1|windows-125\d|cp125\d", re.IGNORECASE)


def read_text(path: Path) -> str:
    """The text of the file at `path`. Raises ConfigurationError with what to do about it."""
    try:
        raw = files.read(path, _MOST_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationError([f"{path}: there is no such file; name the old proxy's proxy.config"]) from None
    except OSError as error:
        raise ConfigurationError([f"{path}: the file {files.why(error)}"]) from None
    return decoded(raw, str(path))


def decoded(raw: bytes, path: str) -> str:
    """The text in `raw`, line ends as `\\n`. Raises ConfigurationError."""
    if len(raw) > _MOST_BYTES:
        raise ConfigurationError([f"{path}: the file is larger than 1 MiB; this is no proxy.config"])
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if encoding is None:
        declared = _DECLARED.match(raw.lstrip())
        name = declared[1].decode("ascii") if declared else "utf-8"
        # "utf-16" without its mark: written by a program to text that was then saved as something else
        encoding = name if _ENCODINGS.fullmatch(name) else "utf-8"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        what = f"{path}:{line}: the file is not {encoding} text; save it as UTF-8, or let its first line say"
        raise ConfigurationError([f'{what} which encoding it has, such as encoding="windows-1252"']) from None
    except LookupError:
        raise ConfigurationError([f"{path}:1: nobody knows the encoding {encoding}; save the file as UTF-8"]) from None
    if "\0" in text:
        raise ConfigurationError([f"{path}: the file is not text; this is no proxy.config"])
    return text.replace("\r\n", "\n").replace("\r", "\n")

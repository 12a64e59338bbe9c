"""Where findings are gathered: errors, dangers and warnings, each at its place in the file."""

import ssl
from pathlib import Path

from proxy import files
from proxy.core.target import parse_url
from proxy.errors import BadRequest
from proxy.settings.document import Complaint, Document, KeyPath
from proxy.settings.permissions import READABLE, is_open, mending
from proxy.urls import Target


class Findings:
    """What is wrong with one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.errors: list[Complaint] = []
        self.warnings: list[Complaint] = []
        self.dangers: list[Complaint] = []

    def error(self, path: KeyPath, what: str) -> None:
        """The configuration cannot be used so."""
        self.errors.append(self._document.complaint(path, what))

    def warn(self, path: KeyPath, what: str) -> None:
        """It can, but is it meant?"""
        self.warnings.append(self._document.complaint(path, what))

    def danger(self, path: KeyPath, what: str) -> None:
        """It can, and somebody will regret it: `check` fails."""
        self.dangers.append(self._document.complaint(path, what))

    def url(self, url: str, path: KeyPath) -> Target | None:
        """A URL that is a setting; None, with a finding, where it is none."""
        try:
            return parse_url(url)
        except BadRequest as error:
            self.error(path, of_a_setting(error.message))
            return None

    def readable(self, name: str, path: KeyPath) -> bool:
        """Whether a file can be read; a finding where not."""
        try:
            files.look(Path(name))
        except OSError as error:
            self.error(path, f"the file {name!r} {files.why(error)}")
            return False
        except ValueError:
            self.error(path, f"{name!r} is no name of a file; check the path")
            return False
        return True

    def private(self, name: str, path: KeyPath) -> None:
        """A file with a key: nobody else may read it."""
        if is_open(Path(name), READABLE):
            self.error(path, f"everyone on this machine can read the key in {name}; {mending(Path(name))}")

    def authorities(self, name: str, path: KeyPath) -> None:
        """A file of authorities that servers are checked by."""
        if self.readable(name, path):
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(name)
            except ssl.SSLError:
                self.error(path, f"there is no certificate in {name}; it must be in PEM form (-----BEGIN CERTIFICATE)")


def of_a_setting(message: str) -> str:
    """The parser speaks of targets; a setting is none."""
    return message.replace("target URL", "URL").replace("target", "URL")

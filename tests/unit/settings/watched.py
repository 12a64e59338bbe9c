"""A configuration that is watched."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from proxy.errors import ConfigurationError
from proxy.model import Configuration
from proxy.settings.reload import Reloader
from tests.unit.telemetry.configurations import ROADS, configuration

SOON = 0.01


class Site:
    """A file, what it is read as, and what was applied. A file that says `bad` is no configuration."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.secret = path.parent / "secret"
        self.loads = 0
        self.applied: list[str] = []
        self.rejections = 0
        self.before_apply: Callable[[], None] = lambda: None
        self.files: dict[str, Any] = {}  # keys of a Configuration that name files
        self.reloader = Reloader(path, self.load, self.apply, interval=3600.0, settle=SOON)
        self.reloader.on_rejected = self.reject

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")

    def load(self) -> Configuration:
        self.loads += 1
        try:
            text = self.path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError([f"{self.path.name}: {error.strerror}"]) from None
        if not text:  # somebody is just writing it
            raise ConfigurationError([f"{self.path.name}: the file is empty"])
        if "bad" in text:
            raise ConfigurationError(["proxy.yaml:1: bad is not known", "proxy.yaml:2: worse"])
        if "${file:" in text and self.secret.is_file():
            text += self.secret.read_text(encoding="utf-8")
        return configuration(ROADS, source=text.partition("#")[0].strip(), **self.files)

    async def apply(self, new: Configuration) -> None:
        self.before_apply()
        self.applied.append(new.source)

    def reject(self) -> None:
        self.rejections += 1

    async def look(self, *, was_told: bool = False) -> None:
        await self.reloader.look(was_told=was_told)

"""proxy.files: what is read, and what is not even opened."""

import os
import stat
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from proxy import files
from proxy.errors import ConfigurationError
from proxy.files import NotAFile
from proxy.settings.legacy import source
from proxy.settings.load import load
from tests.unit.settings.files import PAGES, RULE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
PATIENCE = 3.0  # seconds for what is to take no time


def _pipe(place: Path) -> None:
    os.mkfifo(place, 0o600)


def _socket(place: Path) -> None:
    os.mknod(place, 0o600 | stat.S_IFSOCK)


def _device(place: Path) -> None:
    place.symlink_to("/dev/zero")


KINDS: dict[Callable[[Path], None], str] = {
    _pipe: "Is a pipe (FIFO); put what it gives into a file with mode 600, and name that",
    _socket: "Is a socket; put",
    _device: "Is a device; put",
    Path.mkdir: "Is a directory; name the file in it",
}


def in_time(call: Callable[[], Any]) -> BaseException | None:
    """What it raises. A call that hangs fails the test, and nothing else with it."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - it is looked at where it is wanted
            raised.append(error)
        else:
            raised.append(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert raised, "it hangs"
    return raised[0]


def complaint(path: Path, text: str = "") -> str:
    if text:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    error = in_time(lambda: load(path, {}))
    assert isinstance(error, ConfigurationError)
    return error.complaints[0]


def test_a_file_is_read_as_far_as_wanted_and_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\r\n\x1acontent")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        assert files.read(tmp_path / name, 100) == b"\r\n\x1acontent"
        assert files.read(tmp_path / name, 2) == b"\r\n"


@pytest.mark.parametrize(("make", "expected"), KINDS.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_what_is_no_file_is_not_opened(tmp_path: Path, make: Callable[[Path], None], expected: str) -> None:
    place = tmp_path / "place"
    make(place)
    (tmp_path / "link").symlink_to(place)
    for path in (place, tmp_path / "link"):
        error = in_time(partial(files.read, path, 1))
        assert isinstance(error, NotAFile | IsADirectoryError)
        assert files.why(error).startswith(f"cannot be read: {expected}")


@pytest.mark.parametrize(("make", "expected"), KINDS.items(), ids=lambda each: getattr(each, "__name__", ""))
@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ("    username: me\n    password: ${{file:{0}}}\n", "5: serverUrls[0].password: the file {0} "),
        ("    caBundle: {0}\n", "4: serverUrls[0].caBundle: the file '{0}' "),
        ("    clientCertificate: {0}\n", "4: serverUrls[0].clientCertificate: the file '{0}' "),
        ("server: {{tls: {{certificate: {0}, key: {0}}}}}\n", "4: server.tls.certificate: the file '{0}' "),
    ],
)
def test_a_configuration_that_names_what_is_none(
    tmp_path: Path, make: Callable[[Path], None], expected: str, keys: str, where: str
) -> None:
    place = tmp_path / "place"
    make(place)
    path = tmp_path / "proxy.yaml"
    said = complaint(path, PAGES + RULE + keys.format(place))
    assert said.startswith(f"{path}:{where.format(place)}cannot be read: {expected}")


@pytest.mark.parametrize("make", [_socket, _device])
def test_a_configuration_that_is_none(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "proxy.yaml"
    make(path)
    assert complaint(path).startswith(f"{path}: the file cannot be read: {KINDS[make]}")


@pytest.mark.parametrize("make", [_pipe, _socket, _device])
def test_an_old_configuration_that_is_none(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "proxy.config"
    make(path)
    error = in_time(lambda: source.read_text(path))
    assert isinstance(error, ConfigurationError)
    assert KINDS[make] in error.complaints[0]


def test_what_somebody_writes_into_a_pipe_is_taken_to_its_end(tmp_path: Path) -> None:
    place = tmp_path / "pipe"
    _pipe(place)
    said = os.urandom(300_000)
    writer = threading.Thread(target=lambda: place.write_bytes(said), daemon=True)
    writer.start()
    assert files.read(place, 1_000_000, patience=PATIENCE) == said
    writer.join(PATIENCE)


def test_a_pipe_that_has_given_what_it_had_says_so() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, (PAGES + RULE).encode())
    os.close(theirs)
    path = Path(f"/dev/fd/{ours}")
    assert load(path, {}).rules
    assert complaint(path) == f"{path}: nothing comes through this pipe; it can be read once, and not again"
    os.close(ours)


def test_nobody_waits_for_ever_for_a_writer_or_for_its_end(tmp_path: Path) -> None:
    place = tmp_path / "pipe"
    _pipe(place)
    for writes in (False, True):
        kept = os.open(place, os.O_RDWR) if writes else None
        if kept is not None:
            os.write(kept, b"some of it")
        with pytest.raises(NotAFile, match="did not come to its end"):
            files.read(place, 100, patience=0.1)
        if kept is not None:
            os.close(kept)

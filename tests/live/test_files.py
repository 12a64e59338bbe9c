"""Files that are none, files behind links, and a configuration that comes through a pipe: as a process finds them."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
import yaml

from proxy.simulator.server import Simulator
from tests.live.conftest import PASSWORD
from tests.live.served import Serve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="has no such files")
PATIENCE = 8.0  # seconds for a start and its complaint


async def _run(*arguments: str, given: bytes | None = None) -> tuple[int | None, str]:
    """The command's status and what it says; fails where it takes longer than `PATIENCE`."""
    command = (sys.executable, "-m", "proxy", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdin=-1, stdout=-1, stderr=asyncio.subprocess.STDOUT)
    try:
        said, _ = await asyncio.wait_for(process.communicate(given), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.communicate()
        raise
    assert b"Traceback" not in said
    assert PASSWORD.encode() not in said
    return process.returncode, said.decode()


def _set_password(path: Path, value: str) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["credentials"]["city"]["password"] = value
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


@pytest.mark.parametrize("command", ["serve", "check"])
async def test_a_pipe_in_place_of_a_secret_holds_no_start_up(path: Path, command: str) -> None:
    place = path.parent / "secret"
    os.mkfifo(place, 0o600)
    _set_password(path, f"${{file:{place}}}")
    status, said = await _run(command, "--config", str(path))
    assert status == 1
    assert f"the file {place} cannot be read: Is a pipe (FIFO); put what it gives into a file" in " ".join(said.split())


async def test_a_secret_behind_links_is_read_as_container_platforms_mount_it(
    serve: Serve, path: Path, arcgis: Simulator
) -> None:
    """`password` → `..data/password`, `..data` → a folder with the time in its name, which is swapped at once."""
    mounted = path.parent / "mounted"
    (mounted / "..2026").mkdir(parents=True)
    (mounted / "..2026" / "password").write_text(PASSWORD, encoding="utf-8")
    (mounted / "..2026" / "password").chmod(0o600)
    (mounted / "..data").symlink_to("..2026")
    (mounted / "password").symlink_to("..data/password")
    _set_password(path, f"${{file:{mounted / 'password'}}}")
    served = await serve(path)
    assert (await served.get(f"/proxy?{arcgis.url}/rest/services/Secure/City/MapServer?f=json"))[0] == 200


async def test_a_configuration_may_come_through_a_pipe(path: Path) -> None:
    """As of a program that decrypts it: `sops -d proxy.yaml | resource-proxy check --config /dev/stdin`."""
    text = path.read_bytes()
    status, said = await _run("check", "--config", "/dev/stdin", given=text)
    assert status == 0, said
    status, said = await _run("check", "--config", "/dev/stdin", given=text.replace(b"serverUrls", b"serverUrl"))
    assert status == 1
    assert "serverUrl" in said

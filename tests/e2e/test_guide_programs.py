"""The guide's examples for programs, as they stand, with a mount as base URL. Skips where a program is missing."""

import asyncio
import json
import shutil
import sys

import pytest

from tests.e2e.pages import MODULES, skip_unless_installed
from tests.e2e.test_programs import Site, site
from tests.guide import MOUNT, PROXY, SERVER, blocks, elsewhere

__all__ = ["site"]

LARGE = ["City Hall", "Grammar School", "Eastbank School", "St. Anne's Hospital", "Railway Station"]  # VALUE > 100


async def run(site: Site, *command: str) -> str:
    """What a program prints; it has to end well, and to name neither a token nor the server's own address."""
    found = shutil.which(command[0])
    if found is None:
        pytest.skip(f"{command[0]} is missing")
    process = await asyncio.create_subprocess_exec(
        found,
        *command[1:],
        cwd=site.folder,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "GDAL_HTTP_TIMEOUT": "20"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, out.decode()
    return out.decode()


def public(site: Site) -> str:
    return site.mount.removesuffix("/gis")


@pytest.mark.parametrize("base", [MOUNT, f"{PROXY}?{SERVER}"], ids=["mount", "proxy"])
async def test_arcgis_rest_js(site: Site, base: str) -> None:
    """It goes on after a revocation, and says what the server says to somebody with a token."""
    skip_unless_installed()
    (written,) = blocks("clients", "mjs")
    assert f'"{MOUNT}/' in written
    (site.folder / "node_modules").symlink_to(MODULES)
    program = site.folder / "rest.mjs"
    program.write_text(elsewhere(written.replace(MOUNT, base), site.arcgis.url, public(site)), encoding="utf-8")
    for login in (1, 2):
        said = await run(site, "node", str(program))
        assert site.is_clean(said)
        assert json.loads(said) == {"layers": 4, "names": LARGE}
        assert site.arcgis.accounts.logins == login
        site.arcgis.revoke_all()


async def test_arcgis_rest_js_without_the_proxy_is_refused(site: Site) -> None:
    skip_unless_installed()
    (written,) = blocks("clients", "mjs")
    (site.folder / "node_modules").symlink_to(MODULES)
    program = site.folder / "rest.mjs"
    program.write_text(written.replace(MOUNT, site.arcgis.url), encoding="utf-8")
    with pytest.raises(AssertionError, match="Token Required"):
        await run(site, "node", str(program))


async def test_gdal_runs_the_commands_of_the_guide(site: Site) -> None:
    (written,) = blocks("clients", "sh")
    said = await run(site, "sh", "-ec", elsewhere(written, site.arcgis.url, public(site)))
    places = json.loads((site.folder / "places.json").read_text("utf-8"))
    assert len(places["features"]) == 12
    for word in ("SUBDATASET_1_NAME", "Driver: WMTS/", "Driver: WMS/"):
        assert word in said
    assert site.is_clean(said)


async def test_python_runs_the_program_of_the_guide(site: Site) -> None:
    pytest.importorskip("owslib", reason="OWSLib is missing: pip install OWSLib")
    (written,) = blocks("clients", "python")
    program = site.folder / "guide.py"
    program.write_text(elsewhere(written, site.arcgis.url, public(site)), encoding="utf-8")
    assert await run(site, sys.executable, str(program)) == ""
    assert site.arcgis.accounts.logins == 1

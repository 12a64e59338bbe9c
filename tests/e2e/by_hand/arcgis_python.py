"""The ArcGIS API for Python with a mount as its server: the guide's block as it stands, over https."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from proxy.simulator.options import Options
from proxy.simulator.server import Simulator
from tests.e2e.test_programs import PASSWORD, Site
from tests.guide import blocks, elsewhere
from tests.running import QUIET, proxying, signed


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """As for the other programs, and over https: this client takes nothing else."""
    arcgis = Simulator(Options(users={"webmap": PASSWORD}))
    await arcgis.start()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    (tmp_path / "server.pem").chmod(0o600)
    document = QUIET | signed(arcgis.url, PASSWORD, mount="/gis") | {"allowMissingReferer": True}
    file = str(tmp_path / "server.pem")
    document["server"] = document["server"] | {"tls": {"certificate": file, "key": file}}
    async with proxying(tmp_path, document) as service:
        yield Site(arcgis, service, tmp_path)
    await arcgis.stop()


async def test_the_arcgis_api_for_python(site: Site) -> None:
    pytest.importorskip("arcgis", reason="the ArcGIS API for Python is missing: pip install arcgis six")
    (written,) = blocks("clients", "py")
    public = f"https://localhost:{site.service.public.port}"
    program = site.folder / "guide.py"
    program.write_text(elsewhere(written, site.arcgis.url, public), encoding="utf-8")
    environment = {"REQUESTS_CA_BUNDLE": str(site.folder / "ca.pem"), "HOME": str(site.folder), "PATH": "/usr/bin:/bin"}
    for logins in (1, 2):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(program)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0, said.decode()
        assert site.is_clean(said.decode())
        assert site.arcgis.accounts.logins == logins
        site.arcgis.revoke_all()

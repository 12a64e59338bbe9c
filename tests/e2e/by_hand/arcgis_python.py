"""The ArcGIS API for Python with a mount as its server: the guide's block as it stands, over https."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from proxy.assemble import Service, on_free_ports
from proxy.settings.load import load
from proxy.simulator.options import Options
from proxy.simulator.server import Simulator
from tests.e2e.test_programs import PASSWORD, Site
from tests.guide import blocks, elsewhere


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
    path = tmp_path / "proxy.yaml"
    path.touch(0o600)
    path.write_text(
        f"""
server:
  listen: "127.0.0.1:0"
  tls: {{certificate: {tmp_path}/server.pem, key: {tmp_path}/server.pem}}
  limits: {{drain: 1s}}
admin: {{listen: null}}
allowMissingReferer: true
credentials: {{city: {{username: webmap, password: {PASSWORD}}}}}
serverUrls: [{{url: "{arcgis.url}", credential: city, mount: /gis}}]
log: {{level: error}}
""",
        encoding="utf-8",
    )
    service = Service(on_free_ports(load(path, {})))
    await service.start()
    yield Site(arcgis, service, tmp_path)
    await service.stop()
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

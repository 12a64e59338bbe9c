"""QGIS with a mount as its server: features, picture, tiles, WMS, WMTS, vector tiles, and again after a revocation."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.e2e.by_hand import programs
from tests.e2e.test_programs import Site, site

__all__ = ["site"]

LAYERS = Path(programs.__file__).parent / "qgis_layers.py"
SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's bindings are made for it alone


async def test_qgis_draws_every_kind_of_layer(site: Site) -> None:
    environment = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(site.folder), "PATH": "/usr/bin:/bin"}
    pipe = asyncio.subprocess.PIPE
    qgis = await asyncio.create_subprocess_exec(
        *(SYSTEM_PYTHON, str(LAYERS), site.mount, str(site.folder)),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=environment,
    )
    assert qgis.stdin is not None
    assert qgis.stdout is not None
    assert qgis.stderr is not None
    for logins in (1, 2):
        line = await asyncio.wait_for(qgis.stdout.readline(), 60)
        if b"No module named 'qgis'" in (said := b"" if line else await qgis.stderr.read()):
            pytest.skip("QGIS is missing: apt-get install python3-qgis")
        assert line, said.decode()
        drawn = json.loads(line)
        assert len(drawn) == 6
        for layer in drawn.values():
            assert layer["errors"] == []
            assert layer["colours"] > 10
        assert len(drawn["features"]["names"]) == 12
        assert site.is_clean(line.decode())
        assert site.arcgis.accounts.logins == logins
        site.arcgis.revoke_all()
        qgis.stdin.write(b"\n")
    assert await qgis.wait() == 0

"""What a process does without: libraries of what the configuration does not ask for stay out of its memory."""

import subprocess
import sys
from pathlib import Path

import yaml

PLAIN = {
    "server": {"listen": "127.0.0.1:0"},
    "admin": {"listen": None},
    "allowedReferers": ["https://maps.example.com"],
    "serverUrls": [{"url": "https://gis.example.com/arcgis/rest/services", "username": "u", "password": "p"}],
}
PROGRAM = """
import sys
from pathlib import Path
import proxy.cli, proxy.workers.worker
from proxy.settings.load import load
load(Path(sys.argv[1]), {})
print([name for name in ("cryptography", "jwt", "spnego", "redis", "opentelemetry", "PIL") if name in sys.modules])
"""


def test_a_plain_configuration_needs_no_cryptography(tmp_path: Path) -> None:
    path = tmp_path / "proxy.yaml"
    path.write_text(yaml.safe_dump(PLAIN), encoding="utf-8")
    said = subprocess.run([sys.executable, "-c", PROGRAM, str(path)], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"

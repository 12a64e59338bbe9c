"""nginx, Apache and Caddy in front of the proxy, as `config/guide/web-servers.md` has them, with other ports.

They write no file and use no port outside the folder they are given, and show the files in its `www`.
"""

from collections.abc import Callable
from pathlib import Path

from tests.guide import blocks
from tests.real.programs import Program, apache_basics, needed, start, started_nginx

Front = Callable[[Path, int, int], Program]


def guide(language: str, proxy: int) -> str:
    """The one block of the guide in that language, for a proxy at another port."""
    (block,) = blocks("web-servers", language)
    assert "127.0.0.1:8080" in block or language == "nginx-params"
    return block.replace("127.0.0.1:8080", f"127.0.0.1:{proxy}")


def nginx(folder: Path, port: int, proxy: int) -> Program:
    (folder / "proxy_params").write_text(guide("nginx-params", proxy), encoding="utf-8")
    http = f"""
        access_log off;
        types {{ text/html html; text/javascript js mjs; text/css css; }}
        server {{
            listen 127.0.0.1:{port};
            root {folder}/www;
            {guide("nginx", proxy)}
        }}
    """
    return started_nginx(folder, port, http)


def apache(folder: Path, port: int, proxy: int) -> Program:
    binary = needed("apache2", "apache2-bin")
    modules = ("mpm_event", "authz_core", "headers", "proxy", "proxy_http")
    (folder / "apache.conf").write_text(
        f"""{apache_basics(folder, port, modules)}
<VirtualHost *:{port}>
DocumentRoot {folder}/www
{guide("apache", proxy)}
</VirtualHost>
""",
        encoding="utf-8",
    )
    return start([binary, "-X", "-f", str(folder / "apache.conf")], port, folder)


def caddy(folder: Path, port: int, proxy: int) -> Program:
    binary = needed("caddy", "caddy")
    site = guide("caddy", proxy).replace("maps.example.com {", f"http://localhost:{port} {{\n\tbind 127.0.0.1")
    site = site.replace("/var/www/maps", f"{folder}/www")
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n}}\n{site}", encoding="utf-8")
    places = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return start([binary, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"], port, folder, places)

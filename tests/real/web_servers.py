"""nginx and Apache as they stand in front of ArcGIS: what they are told, and what their logs say arrived.

Both write no file and use no port outside the folder they are given.
"""

import hashlib
import os
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from tests.real.authority import Papers
from tests.real.programs import Program, apache_basics, free_port, needed, settled, start, started_nginx

REALM = "ArcGIS of the city"


@dataclass(slots=True)
class WebServer:
    """A running web server in front of `context` of the simulator."""

    program: Program
    log: Path
    scheme: str = "http"
    context: str = "/arcgis"

    @property
    def url(self) -> str:
        """The site's root, e.g. https://localhost:43121/arcgis."""
        return f"{self.scheme}://localhost:{self.program.port}{self.context}"

    def statuses(self) -> list[str]:
        """The status of each request, once no more come: 200, 401…"""
        return [line.split(" ", 1)[0] for line in settled(self.log)]

    def logins(self) -> list[str]:
        """The lines of requests that brought an Authorization header: `200 GET /arcgis/… Digest …`."""
        return [line for line in settled(self.log) if not line.endswith(" -")]


def nginx(folder: Path, upstream: int, server: str, listen: str = "") -> WebServer:
    """nginx whose one server has the directives `server`; `listen` is put behind the address (`ssl`)."""
    port, log = free_port(), folder / "access.log"
    http = f"""
        map $http_authorization $login {{ '' '-'; default $http_authorization; }}
        log_format arrived '$status $request_method $request_uri $login';
        access_log {log} arrived;
        server {{
            listen 127.0.0.1:{port} {listen};
            client_max_body_size 64m;
            {server}
            location / {{
                proxy_pass http://127.0.0.1:{upstream};
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                proxy_set_header Authorization "";
                proxy_set_header X-Remote-User $remote_user;
            }}
        }}
    """
    return WebServer(started_nginx(folder, port, http), log, "https" if "ssl" in listen else "http")


def nginx_basic(folder: Path, upstream: int, users: dict[str, str]) -> WebServer:
    """`auth_basic` in front of everything."""
    lines = [f"{user}:{_salted(password)}" for user, password in users.items()]
    (folder / "htpasswd").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return nginx(folder, upstream, f'auth_basic "{REALM}"; auth_basic_user_file {folder}/htpasswd;')


def nginx_certificates(folder: Path, upstream: int, papers: Papers, protocols: str = "TLSv1.2 TLSv1.3") -> WebServer:
    """`ssl_verify_client on`: without a client certificate it answers 400, with a page."""
    directives = f"""
        ssl_certificate {papers.server_certificate};
        ssl_certificate_key {papers.server_key};
        ssl_client_certificate {papers.bundle};
        ssl_verify_client on;
        ssl_protocols {protocols};
    """
    return nginx(folder, upstream, directives, "ssl")


def nginx_old_tls(folder: Path, upstream: int, papers: Papers) -> WebServer:
    """It speaks TLS 1.1 and nothing later."""
    directives = f"""
        ssl_certificate {papers.server_certificate};
        ssl_certificate_key {papers.server_key};
        ssl_protocols TLSv1.1;
        ssl_ciphers ALL:@SECLEVEL=0;
    """
    return nginx(folder, upstream, directives, "ssl")


def apache(folder: Path, upstream: int, modules: list[str], directives: str, scheme: str = "http") -> WebServer:
    """Apache whose one server has `directives`, reverse-proxying to `upstream`.

    Started by root it works as `nobody`, so `folder` has to be open to all.
    """
    binary = needed("apache2", "apache2-bin")
    wanted = ["mpm_event", "authn_core", "authz_core", "authz_user", "headers", "proxy", "proxy_http", "setenvif"]
    wanted += modules
    port, log = free_port(), folder / "access.log"
    configuration = folder / "apache.conf"
    configuration.write_text(
        f"""{apache_basics(folder, port, wanted)}
# kept for the log before it is taken out for the server behind
SetEnvIf Authorization "(.+)" LOGIN=$1
LogFormat "%>s %m %U%q %{{LOGIN}}e" arrived
CustomLog {log} arrived
LimitRequestBody 67108864
DocumentRoot {folder}
KeepAliveTimeout 30
{directives}
RequestHeader unset Authorization
ProxyPass / http://127.0.0.1:{upstream}/
""",
        encoding="utf-8",
    )
    command = [binary, "-X", "-f", str(configuration)]
    return WebServer(start(command, port, folder), log, scheme)


def apache_digest(folder: Path, upstream: int, users: dict[str, str], nonce_seconds: int = 300) -> WebServer:
    """`mod_auth_digest` in front of everything. Apache knows MD5 alone."""
    lines = [f"{user}:{REALM}:{_ha1(user, password)}" for user, password in users.items()]
    (folder / "htdigest").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "htdigest").chmod(0o644)  # Apache's workers are another user
    directives = f"""
        <Location />
            AuthType Digest
            AuthName "{REALM}"
            AuthDigestProvider file
            AuthUserFile {folder}/htdigest
            AuthDigestNonceLifetime {nonce_seconds}
            Require valid-user
        </Location>
    """
    return apache(folder, upstream, ["authn_file", "auth_digest"], directives)


def apache_certificates(folder: Path, upstream: int, papers: Papers, protocols: str = "TLSv1.2 TLSv1.3") -> WebServer:
    """`SSLVerifyClient require`: without a good client certificate it ends the handshake, or the connection after it
    (TLS 1.3)."""
    directives = f"""
        SSLEngine on
        SSLSessionCache none
        SSLCertificateFile {papers.server_certificate}
        SSLCertificateKeyFile {papers.server_key}
        SSLCACertificateFile {papers.bundle}
        SSLVerifyClient require
        SSLProtocol {protocols}
    """
    return apache(folder, upstream, ["ssl"], directives, "https")


def apache_certificates_12(folder: Path, upstream: int, papers: Papers) -> WebServer:
    return apache_certificates(folder, upstream, papers, "TLSv1.2")


def _salted(password: str) -> str:
    """A password as nginx and slapd keep it: {SSHA}."""
    salt = os.urandom(8)
    return "{SSHA}" + b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


def _ha1(user: str, password: str) -> str:
    """What htdigest writes."""
    return hashlib.md5(f"{user}:{REALM}:{password}".encode()).hexdigest()

"""A Kerberos realm of MIT's own programs: directory, web server's keytab, a user with a password and a ticket."""

from dataclasses import dataclass
from pathlib import Path

from tests.real.programs import Program, free_port, needed, run, settled, start

REALM = "CITY.TEST"
USER = "webmap"
SERVICE = "HTTP/localhost"


@dataclass(slots=True)
class Realm:
    """A running directory. `environment` is what Kerberos programs and libraries have to be told."""

    program: Program
    folder: Path
    environment: dict[str, str]

    def log_in(self, password: str, seconds: int = 3600) -> None:
        """A ticket for the user, in the cache that `environment` names."""
        command = [needed("kinit", "krb5-user"), "-l", f"{seconds}s", f"{USER}@{REALM}"]
        run(command, self.environment, f"{password}\n")

    def refusals(self) -> int:
        """How often the directory was shown a wrong password."""
        return sum("PREAUTH_FAILED" in line for line in settled(self.folder / "kdc.log"))

    def write_client_keytab(self) -> None:
        """The user's key as a file, as services have it: a ticket is then had without a password."""
        keytab = self.environment["KRB5_CLIENT_KTNAME"].removeprefix("FILE:")
        _administer(self.environment, f"ktadd -norandkey -k {keytab} {USER}@{REALM}")

    def stop(self) -> None:
        self.program.stop()


def kerberos(folder: Path, password: str) -> Realm:
    """A realm with one user and one web server, localhost."""
    binary = needed("krb5kdc", "krb5-kdc")
    port = free_port()
    environment = {
        "KRB5_CONFIG": str(folder / "krb5.conf"),
        "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
        "KRB5CCNAME": f"FILE:{folder}/tickets",
        "KRB5_KTNAME": f"FILE:{folder}/web.keytab",
        "KRB5_CLIENT_KTNAME": f"FILE:{folder}/client.keytab",
        "KRB5RCACHENAME": f"file2:{folder}/replays",
    }
    _configure(folder, port)
    run([needed("kdb5_util", "krb5-kdc"), "create", "-s", "-r", REALM, "-P", "master"], environment)
    _administer(
        environment,
        f'addprinc +requires_preauth -pw "{password}" {USER}@{REALM}',
        f"addprinc -randkey {SERVICE}@{REALM}",
        f"ktadd -k {folder}/web.keytab {SERVICE}@{REALM}",
    )
    command = [binary, "-n", "-P", str(folder / "kdc.pid")]
    return Realm(start(command, port, folder, environment), folder, environment)


def _administer(environment: dict[str, str], *requests: str) -> None:
    said = "\n".join(requests) + "\n"
    printed = run([needed("kadmin.local", "krb5-admin-server"), "-r", REALM], environment, said)
    assert "while" not in printed, printed


def _configure(folder: Path, port: int) -> None:
    (folder / "krb5.conf").write_text(
        f"""
[libdefaults]
    default_realm = {REALM}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    qualify_shortname = ""
    udp_preference_limit = 1
[realms]
    {REALM} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    localhost = {REALM}
[logging]
    kdc = FILE:{folder}/kdc.log
    default = FILE:{folder}/kerberos.log
""",
        encoding="utf-8",
    )
    (folder / "kdc.conf").write_text(
        f"""
[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {REALM} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/kadm5.acl
        supported_enctypes = aes256-cts:normal aes128-cts:normal
        max_life = 1h
    }}
""",
        encoding="utf-8",
    )

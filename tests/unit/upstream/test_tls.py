"""proxy.upstream.tls and proxy.web.app: what every TLS connection is checked for, and what it speaks."""

import ssl
from pathlib import Path

import trustme

from proxy.upstream.tls import tls_context
from proxy.web.app import listener_context


def test_names_and_chains_are_checked_from_tls_1_2_on() -> None:
    context = tls_context(None, None, "")
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_the_listener_speaks_tls_1_2_and_later(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "tls.crt"))
    issued.private_key_pem.write_to_path(str(tmp_path / "tls.key"))
    context = listener_context(str(tmp_path / "tls.crt"), str(tmp_path / "tls.key"))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2

"""What a credential needs, what has no meaning for its kind, and files that are not what they must be."""

import re
import ssl
from datetime import UTC, datetime
from typing import Final

from proxy import names
from proxy.core.addresses import names_loopback
from proxy.identity import ClientCertificate
from proxy.secret import Secret
from proxy.settings.compiled_credentials import certificate_of
from proxy.settings.document import KeyPath
from proxy.settings.findings import Findings
from proxy.settings.kinds import NEEDED, STACKED, TAKEN, written
from proxy.settings.schema import CredentialKeys, RuleSettings

_SOON: Final = 14  # days
HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HOP: Final = "leave it out"
_OF_THE_SAMPLES: Final = Secret("change-me")
OWN_HEADERS: Final = {
    names.REFERER: "write it as `referer` of the rule",
    names.X_REQUEST_ID: "the proxy sets it",
    names.ACCEPT_ENCODING: "the proxy offers what it can look into",
    **dict.fromkeys((names.CONNECTION, names.CONTENT_LENGTH, names.HOST, names.KEEP_ALIVE, names.TE), _HOP),
    **dict.fromkeys((names.TRAILER, names.TRANSFER_ENCODING, names.UPGRADE, names.EXPECT), _HOP),
    **dict.fromkeys((names.PROXY_AUTHORIZATION, names.PROXY_CONNECTION), "write outboundProxy"),
}


def look_at_credential(findings: Findings, keys: CredentialKeys, kind: str, path: KeyPath) -> None:
    """What its kind needs and takes."""
    has = written(keys)
    in_place = isinstance(keys, RuleSettings)
    missing = [key for key in NEEDED[kind] if key not in has]
    if missing:
        at = (*path, next(key for key in has if key not in STACKED)) if in_place else path
        article = "an" if kind in ("arcgis", "oauth", "ntlm") else "a"
        what = "a credential in place" if in_place else f"{article} {kind} credential"
        findings.error(at, f"{what} needs {' and '.join(NEEDED[kind])}; write {_both(missing)}")
    if kind == "negotiate" and ("username" in has) != ("password" in has):
        findings.error(path, "write username and password, or neither for the machine's own Kerberos ticket")
    allowed = {*NEEDED[kind], *TAKEN[kind], *STACKED}
    odd = [key for key in has if key not in allowed]
    if in_place and "username" in odd:
        by = next(key for key in ("accessToken", "clientId", "clientSecret", "oauth2Endpoint") if key in has)
        what = f"a rule has one credential, and {by} makes another; keep one"
        findings.error((*path, "username"), what)
        odd = [key for key in odd if key not in ("username", "password", "domain")]
    for key in odd:
        findings.error((*path, key), f"has no meaning for a credential of type {kind}; leave it out")
    for key in ("password", "clientSecret", "accessToken"):
        if getattr(keys, key) == _OF_THE_SAMPLES:  # a wrong password counts towards the lock of a real account
            what = "this is still the sample's change-me; set the variable that is named here, or write ${file:…}"
            findings.warn((*path, key), what)
    _services(findings, keys, path)
    look_at_stack(findings, keys, path)


def is_signed(rule: RuleSettings) -> bool:
    """Whether the rule has a credential, named or in place."""
    return rule.credential is not None or bool(written(rule))


def look_at_stack(findings: Findings, keys: CredentialKeys, path: KeyPath) -> None:
    """Headers and certificate, which stand beside any kind."""
    for name in keys.headers:
        where = (*path, "headers", name)
        if not HEADER_NAME.fullmatch(name):
            findings.error(where, "this is no name of a header; write letters, digits and -")
        elif name.lower() in OWN_HEADERS:
            findings.error(where, f"{name} belongs to the connection; {OWN_HEADERS[name.lower()]}")
    if keys.clientCertificate is not None:
        _certificate(findings, certificate_of(keys.clientCertificate), (*path, "clientCertificate"))


def _certificate(findings: Findings, certificate: ClientCertificate, path: KeyPath) -> None:
    files = [certificate.certificate, *([certificate.key] if certificate.key else [])]
    readable = [findings.readable(name, path) for name in files]  # all are looked at, and complained of
    findings.private(files[-1], path)
    if not all(readable):
        return
    # Only here: who has none does without the memory of cryptography
    from proxy.upstream.certificates import NoCertificate, ends_at, load_certificate

    try:
        load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate)
    except NoCertificate:
        what = (
            "there is no certificate in this file; it must be in PEM form (-----BEGIN CERTIFICATE), or PKCS#12 (.p12)"
        )
        findings.error(path, what)
        return
    except (OSError, ValueError):
        what = "certificate, key and password do not fit together; write a PEM file with both, a PKCS#12 file "
        findings.error(path, f"{what}(.p12) with its password, or {{certificate: …, key: …, password: …}}")
        return
    until = ends_at(certificate)
    days = (until - datetime.now(UTC)).days
    if days < 0:
        findings.warn(path, f"the certificate has ended on {until:%Y-%m-%d}; the server will refuse it: renew it")
    elif days < _SOON:
        findings.warn(path, f"the certificate ends on {until:%Y-%m-%d}; renew it")


def _services(findings: Findings, keys: CredentialKeys, path: KeyPath) -> None:
    for key in ("tokenServiceUri", "portalUrl", "oauth2Endpoint"):
        url = getattr(keys, key)
        target = findings.url(url, (*path, key)) if url is not None else None
        if target is not None and target.origin.scheme == "http" and not names_loopback(target.origin.host):
            findings.warn((*path, key), "the password travels unencrypted; write https://")
        if key == "oauth2Endpoint" and target is not None and target.path.rstrip("/").lower().endswith("/token"):
            findings.error((*path, key), f"`token` is appended to it; write {str(url).rstrip('/')[: -len('/token')]}")


def _both(keys: list[str]) -> str:
    return "both" if len(keys) > 1 else keys[0]

"""proxy.settings.check: what one key alone cannot show."""

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from tests.unit.settings.files import PAGES, RULE, complaints, loaded, warnings

CITY = "credentials: {city: {username: webmap, password: p}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RULE, "0: allowedReferers: nobody may use the proxy; list your pages"),
        (RULE + "allowedReferers: []\n", "3: allowedReferers: nobody may use the proxy; list your pages"),
        (PAGES + RULE + "    allowedReferers: []\n", "4: serverUrls[0].allowedReferers: an empty list lets nobody in"),
        (PAGES + RULE + "    allowedReferers: [a b]\n", "4: serverUrls[0].allowedReferers[0]: 'a b' is no page; write"),
        (PAGES + RULE + "allowedOrigins: ['https://a/*/b']\n", "4: allowedOrigins[0]: 'https://a/*/b' is no page; a *"),
        (
            PAGES + RULE + "    credential: town\n",
            "4: serverUrls[0].credential: there is no credential town; known: none",
        ),
        (
            PAGES + CITY + RULE + "    credential: city\n    username: me\n    password: p\n",
            "6: serverUrls[0].username: username belongs to a credential, and this rule names one; write it in cred",
        ),
        (
            PAGES + CITY + RULE + "    credential: city\n    tokenParamName: t\n",
            "6: serverUrls[0].tokenParamName: tokenParamName belongs to a credential, and this rule names one; write",
        ),
        (
            PAGES + RULE + "    username: me\n    password: p\n    accessToken: k\n",
            "4: serverUrls[0].username: a rule has one credential, and accessToken makes another; keep one",
        ),
        (
            PAGES + RULE + "    credential: [a, b]\n",
            "4: serverUrls[0].credential: this is not text; write one text, in quotes",
        ),
        (PAGES + RULE + "credentials: {c: {type: ntlm, username: u}}\n", "4: credentials.c: an ntlm credential needs"),
        (PAGES + RULE + "    username: me\n", "4: serverUrls[0].username: a credential in place needs username and"),
        (PAGES + RULE + "    password: p\n", "4: serverUrls[0].password: a credential in place needs username and"),
        (PAGES + RULE + "    hostRedirect: //in/a\n", "4: serverUrls[0].hostRedirect: The URL is not an absolute"),
        (PAGES + RULE + "    hostRedirect: https://in/a?b\n", "4: serverUrls[0].hostRedirect: leave out the query"),
        (PAGES + RULE + "    stripPrefix: true\n", "4: serverUrls[0].stripPrefix: has no effect without hostRedirect"),
        (PAGES + RULE + "    inject: query\n", "4: serverUrls[0].inject: has no effect on a rule without a credential"),
        (
            PAGES + RULE + 'credentials: {c: {username: "", password: p}}\n',
            "4: credentials.c: an arcgis credential needs",
        ),
        (PAGES + RULE + "credentials: {c: {username: u}}\n", "4: credentials.c: an arcgis credential needs"),
        (
            PAGES + RULE + "credentials: {c: {username: u, password: p, portalUrl: portal}}\n",
            "4: credentials.c.portalUrl: The URL is not an absolute http or https URL.",
        ),
        (
            PAGES + "serverUrls: [{url: 'ftp://h/a'}]\n",
            "2: serverUrls[0].url: start the URL with https://, http:// or //",
        ),
        (PAGES + "serverUrls: [{url: 'https://h/a?f=json'}]\n", "2: serverUrls[0].url: leave out the query"),
        (PAGES + "serverUrls: [{url: 'https://h/a/*'}]\n", "2: serverUrls[0].url: a * has no meaning in the path"),
        (PAGES + "serverUrls: [{url: 'https://h/../a'}]\n", "2: serverUrls[0].url: The path of the URL has a dot"),
        (
            PAGES + RULE + "    caBundle: /nowhere\n",
            "4: serverUrls[0].caBundle: the file '/nowhere' cannot be read: No such",
        ),
        (
            PAGES + RULE + '    referer: "https://a/\\r\\nX-A: b"\n',
            "4: serverUrls[0].referer: this cannot stand in a header",
        ),
        (PAGES + RULE + "server: {paths: []}\n", "4: server.paths: at least one path is needed"),
        (PAGES + RULE + "server: {paths: [proxy]}\n", "4: server.paths[0]: a path starts with /"),
        (PAGES + RULE + "server: {paths: [/proxy, '/a?b']}\n", "4: server.paths[1]: a path starts with / and has no ?"),
        (PAGES + RULE + "server: {paths: [/healthz]}\n", "4: server.paths[0]: the health check answers here"),
        (PAGES + RULE + "server: {publicUrl: maps.example.com}\n", "4: server.publicUrl: The URL is not an absolute"),
        (PAGES + RULE + "server: {limits: {headers: 10B}}\n", "4: server.limits.headers: no request is so short"),
        (
            PAGES + RULE + "server: {listen: '0.0.0.0:8081'}\n",
            "0: admin.listen: server.listen has this address and port",
        ),
        (
            PAGES + RULE + "admin: {listen: '127.0.0.1:8080'}\n",
            "4: admin.listen: server.listen has this address and port",
        ),
    ],
)
def test_every_mistake_is_one_complaint_at_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (complaint,) = complaints(tmp_path, text)
    line = "1" if expected.startswith("0") else expected.partition(":")[0]  # a key that is not there has no line
    assert complaint.startswith(f"proxy.yaml:{line}:{expected.partition(':')[2]}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("allowedReferers: ['*']\n" + RULE, '1: allowedReferers[0]: "*" lets any page in the world use'),
        (PAGES + RULE + "    allowedReferers: ['*']\n", '4: serverUrls[0].allowedReferers[0]: "*" lets any page'),
        (PAGES + RULE + "mustMatch: false\n", "4: mustMatch: unlisted URLs pass too"),
        (PAGES + RULE + CITY, "4: credentials.city: no rule uses this credential; write credential: city in one"),
        (PAGES + RULE + "admin: {listen: '0.0.0.0:8081'}\n", "4: admin.listen: whoever reaches this address can read"),
        (
            PAGES + RULE + "server: {trustedProxies: [0.0.0.0/0]}\n",
            "4: server.trustedProxies[0]: every client can name",
        ),
        (PAGES + RULE + "allowAddresses: [169.254.0.0/16]\n", "4: allowAddresses[0]: the metadata service of a cloud"),
        (
            PAGES + RULE + "    allowAddresses: [0.0.0.0/0]\n",
            "4: serverUrls[0].allowAddresses[0]: the metadata service",
        ),
        (
            PAGES + RULE + "    rateLimitPeriod: 5\n",
            "4: serverUrls[0].rateLimitPeriod: has no effect without rateLimit",
        ),
        (
            PAGES + RULE + "    allowOperations: [submitJob]\n    denyOperations: [submitjob]\n",
            "5: serverUrls[0].denyOperations: submitjob is allowed and denied",
        ),
        (
            PAGES + CITY + "serverUrls: [{url: 'http://gis.example.com/arcgis', credential: city}]\n",
            "3: serverUrls[0].url: the credential travels unencrypted; write https://",
        ),
        (
            PAGES + CITY + "serverUrls: [{url: '//gis.example.com/arcgis', credential: city}]\n",
            "3: serverUrls[0].url: the credential travels unencrypted; write https://",
        ),
        (
            PAGES + CITY + "serverUrls: [{url: 'http://localhost.example.com/arcgis', credential: city}]\n",
            "3: serverUrls[0].url: the credential travels unencrypted; write https://",
        ),
        (
            PAGES + CITY + "serverUrls: [{url: 'https://gis.example.com/portal/home', credential: city}]\n",
            "3: serverUrls[0].url: there is no /rest/services in this URL",
        ),
        (
            PAGES + RULE + "    username: u\n    password: p\n    tokenServiceUri: http://gis.example.com/tokens\n",
            "6: serverUrls[0].tokenServiceUri: the password travels unencrypted; write https://",
        ),
    ],
)
def test_every_oddity_is_one_warning_at_its_line(tmp_path: Path, text: str, expected: str) -> None:
    (warning,) = warnings(tmp_path, text)
    assert warning.startswith(f"proxy.yaml:{expected}")


@pytest.mark.parametrize(
    "text",
    [
        RULE + "allowMissingReferer: true\n",
        RULE + "    allowedReferers: [https://maps.example.com]\n",
        PAGES + RULE + "    rateLimit: 10\n",
        PAGES + RULE + "admin: {listen: null}\n",
        PAGES + RULE + "admin: {listen: '127.0.0.1:0'}\nserver: {listen: '127.0.0.1:0'}\n",
        PAGES + CITY + "serverUrls: [{url: 'http://localhost:6080/arcgis', credential: city}]\n",
        PAGES + CITY + "serverUrls: [{url: 'https://gis.example.com/arcgis', credential: city}]\n",
        PAGES + CITY + "serverUrls: [{url: 'https://gis.example.com', credential: city}]\n",
        PAGES + RULE + "    referer: ''\n",
        PAGES + RULE + "allowAddresses: [10.0.0.0/8, 'fd00::/8']\n",
    ],
)
def test_what_is_sound_is_warned_of_by_nothing(tmp_path: Path, text: str) -> None:
    assert warnings(tmp_path, text) == []


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("url: 'https://h/a'", "url: 'https://h/a'", True),
        ("url: 'https://h/a'", "url: 'HTTPS://H:443/A/'", True),
        ("url: '//h/a'", "url: '//h/a'", True),
        ("url: 'https://h/a', matchAll: false", "url: 'https://h/a', matchAll: false", True),
        ("url: 'https://*.h.i/a'", "url: 'https://*.h.i/a'", True),
        ("url: 'https://h/a', caseSensitive: true", "url: 'https://h/A', caseSensitive: true", False),
        ("url: 'https://h/a'", "url: 'https://h/a', matchAll: false", False),
        ("url: 'https://h/a'", "url: 'https://h/a', caseSensitive: true", False),
        ("url: 'https://h/a'", "url: '//h/a'", False),
        ("url: 'https://h/a'", "url: 'http://h/a'", False),
        ("url: 'https://h/a'", "url: 'https://h:8443/a'", False),
        ("url: 'https://h/a'", "url: 'https://h/a/b'", False),
    ],
)
def test_two_rules_for_one_place(tmp_path: Path, first: str, second: str, same: bool) -> None:
    text = f"{PAGES}serverUrls:\n  - {{{first}}}\n  - {{{second}}}\n"
    if same:
        expected = "proxy.yaml:4: serverUrls[1].url: the rule on line 3 stands at the same place; keep one"
        assert complaints(tmp_path, text) == [expected]
    else:
        assert len(loaded(tmp_path, text).rules) == 2


def tls(certificate: Path, key: Path) -> str:
    return f"{PAGES}{RULE}server: {{tls: {{certificate: {certificate}, key: {key}}}}}\n"


def test_certificate_and_key_must_fit_together(tmp_path: Path) -> None:
    authority = trustme.CA()
    one, other = authority.issue_cert("maps.example.com"), authority.issue_cert("maps.example.com")
    certificate, key, wrong = (tmp_path / name for name in ("tls.crt", "tls.key", "wrong.key"))
    one.cert_chain_pems[0].write_to_path(certificate)
    one.private_key_pem.write_to_path(key)
    other.private_key_pem.write_to_path(wrong)
    assert loaded(tmp_path, tls(certificate, key)).tls == (str(certificate), str(key))
    (complaint,) = complaints(tmp_path, tls(certificate, wrong))
    assert complaint.startswith("proxy.yaml:4: server.tls: certificate and key do not fit together")


def test_a_key_with_a_password_is_complained_of_and_nobody_is_asked(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("maps.example.com")
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    plain = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    key.write_bytes(
        plain.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"canary"),
        )
    )
    (complaint,) = complaints(tmp_path, tls(certificate, key))
    assert complaint.startswith("proxy.yaml:4: server.tls: certificate and key do not fit together")


def test_both_files_of_tls_are_complained_of(tmp_path: Path) -> None:
    found = complaints(tmp_path, tls(tmp_path / "absent.crt", tmp_path / "absent.key"))
    assert [each.split(": ")[1] for each in found] == ["server.tls.certificate", "server.tls.key"]


def test_a_ca_bundle_must_hold_a_certificate(tmp_path: Path) -> None:
    good, bad = tmp_path / "ca.pem", tmp_path / "notes.txt"
    trustme.CA().cert_pem.write_to_path(good)
    bad.write_text("none here", encoding="utf-8")
    assert loaded(tmp_path, f"{PAGES}{RULE}    caBundle: {good}\n").rules[0].route.ca_bundle == str(good)
    (complaint,) = complaints(tmp_path, f"{PAGES}{RULE}    caBundle: {bad}\n")
    assert complaint.startswith(f"proxy.yaml:4: serverUrls[0].caBundle: there is no certificate in {bad}; it must be")


@pytest.mark.parametrize("end", ["token", "token/", "Token"])
def test_an_endpoint_to_which_token_would_be_appended_twice(tmp_path: Path, end: str) -> None:
    base = "https://portal.example.com/portal/sharing/rest/oauth2"
    rule = f"    clientId: i\n    clientSecret: s\n    oauth2Endpoint: {base}/{end}\n"
    (complaint,) = complaints(tmp_path, PAGES + RULE + rule)
    assert complaint == f"proxy.yaml:6: serverUrls[0].oauth2Endpoint: `token` is appended to it; write {base}"
    assert warnings(tmp_path, PAGES + RULE + rule.replace(f"/{end}", "/")) == []

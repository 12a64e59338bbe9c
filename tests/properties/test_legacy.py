"""Any old file: it is read or refused in our words, and what is made of it passes `check` and says no more than it."""

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import quoteattr

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import ConfigurationError
from proxy.settings.legacy.convert import migrate

NAMES = (
    "url matchAll username password domain clientId clientSecret oauth2Endpoint tokenServiceUri tokenParamName"
    " accessToken hostRedirect rateLimit rateLimitPeriod portalUrl useAppPoolIdentity httpBasicAuth proxyReferrer other"
).split()
GENERAL = "mustMatch allowedReferers logFile logLevel proxyReferrer other".split()
LIKELY = st.sampled_from(
    "true false TRUE 1 * a.example https://h/a //h/a https://h/a?b https://*.example.com/a/* http://h:80/ "
    "https://a/*,* ${X} %2B 60 0 -1 Verbose FINE 2 https://u:p@h/ x#y null off".split()
)
ANY = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, blacklist_categories=["Cs"]), max_size=12)
VALUES = st.one_of(LIKELY, LIKELY, ANY)
ENTRIES = st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES), max_size=4)


def as_xml(general: dict[str, str], entries: list[dict[str, str]]) -> str:
    def words(attributes: dict[str, str]) -> str:
        return " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())

    inner = "".join(f"<serverUrl {words(each)}/>" for each in entries)
    return f"<ProxyConfig {words(general)}><serverUrls>{inner}</serverUrls></ProxyConfig>"


def as_json(general: dict[str, str], entries: list[dict[str, str]]) -> str:
    return json.dumps({"proxyConfig": [general], "serverUrls": [{"serverUrl": [each]} for each in entries]})


@settings(max_examples=150, deadline=None)
@given(
    general=st.dictionaries(st.sampled_from(GENERAL), VALUES),
    entries=ENTRIES,
    told=st.sampled_from(("dotnet", "java", "php", "json")),
)
def test_what_is_made_of_a_file_passes_check(general: dict[str, str], entries: list[dict[str, str]], told: str) -> None:
    text = as_json(general, entries) if told == "json" else as_xml(general, entries)
    with TemporaryDirectory() as folder:
        path = Path(folder, "proxy.config")
        path.write_text(text, encoding="utf-8")
        dialect = "php" if told == "json" else told
        try:
            done = migrate(path, told=dialect, access="edit", keeping="inline", output=None)
        except ConfigurationError as error:
            complaints = error.complaints
        else:
            complaints = []
        if complaints:
            assert all(str(path) in complaint for complaint in complaints)
            return
        assert not done.is_bad, done.report
        assert {rule["access"] for rule in yaml.safe_load(done.text)["serverUrls"]} == {"edit"}
        other = migrate(path, told=dialect, access="edit", keeping="env", output=None)
        assert done.text.count("\n") == other.text.count("\n")


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(st.sampled_from('<ProxyConfig <serverUrls> <serverUrl url=" "/> > {['.split())).map("".join),
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "proxy.config")
        path.write_text(text, encoding="utf-8", errors="replace")
        for told in (None, "dotnet", "java", "php"):
            with suppress(ConfigurationError):
                migrate(path, told=told, access="edit", keeping="inline", output=None)

"""Old files as bytes: encodings, dialects, quirks, and what is hostile or broken."""

import time
from pathlib import Path

import pytest

from proxy.errors import ConfigurationError
from tests.unit.settings.legacy.old import SITE, config, entry, findings, migrated, written

LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE ProxyConfig [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>
<ProxyConfig mustMatch="true" allowedReferers="&b;"/>"""


def refused(folder: Path, text: str | bytes, told: str | None = "dotnet") -> str:
    with pytest.raises(ConfigurationError) as error:
        migrated(folder, text, told)
    return error.value.complaints[0].removeprefix(f"{folder}/proxy.config")


@pytest.mark.parametrize(
    ("text", "told", "words"),
    [
        ("", None, ":1: this is neither XML nor JSON"),
        ("serverUrls: []", None, ":1: this is neither XML nor JSON"),
        (LAUGHS, None, ":2: a document type (<!DOCTYPE>) is not read"),
        (config(entry(url="https://h/a?b&c")), "dotnet", ":2:32: this is no well-formed XML: not well-formed (inv"),
        (config(entry(url="https://h/&nbsp;")), "dotnet", ":2:1: this is no well-formed XML: undefined entity; write"),
        ("<ProxyConfig>\n<serverUrls></ProxyConfig>", "dotnet", ":2:15: this is no well-formed XML: mismatched tag"),
        ("\n<?xml version='1.0'?><ProxyConfig/>", "dotnet", ":2:1: this is no well-formed XML: XML or text decl"),
        ("<ProxyConfig", "dotnet", ":1:1: this is no well-formed XML: unclosed token; a quote or a >"),
        ("<configuration/>", "dotnet", ":1: this is <configuration>, not <ProxyConfig>; name the old"),
        ("<configuration/>", "java", ": there is no <ProxyConfig …> in this file"),
        ("<a>" * 50, "dotnet", ":1: too many elements, or nested too deeply"),
        ("<ProxyConfig>" + "<a/>" * 30_000, "php", ":1: too many elements"),
        ("<ProxyConfig mustMatch='true'/>", "dotnet", ": there is no serverUrl to carry over"),
        ('{"proxyConfig": [\n{"mustMatch": true},]}', None, ":2:2"),
        ('{"serverUrls": [{"serverUrl": [5]}]}', None, ": there is no serverUrl to carry over"),
        ("[1]", None, ": the file must begin with"),
        ("[" * 100_000, None, ": the file is nested too deeply"),
        (b"<ProxyConfig password='\xe9'/>", None, ":1: the file is not utf-8 text; save it as UTF-8"),
        (b"<ProxyConfig>\0</ProxyConfig>", None, ": the file is not text"),
        (b"<" + b" " * (1024 * 1024), None, ": the file is larger than 1 MiB"),
        (b"<?xml version='1.0' encoding='iso-8859-99'?><a/>", None, ":1: nobody knows the encoding"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(
    tmp_path: Path, text: str | bytes, told: str | None, words: str
) -> None:
    assert refused(tmp_path, text, told).startswith(words)


def test_a_file_that_is_no_xml_may_be_javas(tmp_path: Path) -> None:
    text = config(entry(url=SITE, username="us&er", password="p", matchAll="true"))
    assert "say --from java" in refused(tmp_path, text, None)
    done = migrated(tmp_path, text, "java")
    assert written(done)["credentials"] == {"us-er": {"username": "us&er", "password": "p"}}
    assert any("not well-formed" in finding for finding in findings(done))


@pytest.mark.parametrize(
    "piece", ["<!--", "<serverUrl ", "<serverUrls>", "<ProxyConfig ", 'url="', " ", "<", "<!---->"]
)
def test_no_text_takes_long_to_read_as_java_did(tmp_path: Path, piece: str) -> None:
    began = time.process_time()
    many = piece * (900_000 // len(piece))
    refused(tmp_path, f"<ProxyConfig {many}", "java")
    refused(tmp_path, f"<ProxyConfig a=><serverUrls>{many}</serverUrls>", "java")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "raw",
    [
        "\ufeff{}".format,
        "{}".format,
        lambda text: ('<?xml version="1.0" encoding="utf-16"?>' + text).encode("utf-16"),
        lambda text: '<?xml version="1.0" encoding="utf-16"?>' + text,  # says so, and is not
        lambda text: ("<?xml version='1.0' encoding='windows-1252'?>\r\n" + text).encode("cp1252"),
        lambda text: ("<?xml version='1.0' encoding='ISO-8859-1'?>" + text).encode("latin-1"),
    ],
)
def test_an_encoding_is_what_the_file_has(tmp_path: Path, raw: object) -> None:
    assert callable(raw)
    done = migrated(tmp_path, raw(config(entry(url=SITE, username="ä", password="pä&lt;ß", matchAll="true"))))
    assert written(done)["credentials"] == {"user": {"username": "ä", "password": "pä<ß"}}


def test_with_and_without_the_namespace_the_same_is_read(tmp_path: Path) -> None:
    plain = config(entry(url=SITE, username="u", password="p"), general='mustMatch="true"')
    namespace = 'xmlns="proxy.xsd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"'
    spaced = plain.replace("<ProxyConfig", f"<ProxyConfig {namespace}")
    assert migrated(tmp_path, plain).text == migrated(tmp_path, spaced).text


def whose(folder: Path, text: str) -> str:
    done = migrated(folder, text, None)
    guessed = any("cannot be told" in finding for finding in findings(done))
    return "?" if guessed else done.report[0].split("the ")[1].split(" ")[0]


@pytest.mark.parametrize(
    ("text", "program"),
    [
        (config(), "?"),
        (config(general='mustMatch="true" xmlns="proxy.xsd"'), ".NET"),
        (config(general='mustMatch="true" logLevel="Verbose"'), ".NET"),
        (config(general='mustMatch="true" logLevel="SEVERE"'), "Java"),
        (config(general='mustMatch="true" logLevel="2"'), "PHP"),
        (config().replace("ProxyConfig", "proxyConfig"), "PHP"),
        (config(entry(url=SITE, tokenServiceUri="https://h/t")), "Java"),
        (config(entry(url=SITE, accessToken="a")), ".NET"),
        (config(entry(url=SITE, accessToken="a", tokenServiceUri="https://h/t")), "?"),
        (config(entry(url=SITE, domain="d"), general='logLevel="FINE"'), "Java"),
        (f"<!-- accessToken='x' -->{config()}", "?"),
        ('{"serverUrls": {"url": "https://h/a"}}', "PHP"),
    ],
)
def test_whose_file_it_is_is_seen_in_it(tmp_path: Path, text: str, program: str) -> None:
    assert whose(tmp_path, text) == program


def test_whose_file_it_is_is_seen_beside_it(tmp_path: Path) -> None:
    (tmp_path / "proxy.php").touch()
    assert whose(tmp_path, config()) == "PHP"
    (tmp_path / "proxy.ashx").touch()
    assert whose(tmp_path, config()) == "?"
    classes = tmp_path / "WEB-INF/classes"
    classes.mkdir(parents=True)
    assert whose(classes, config()) == "Java"

"""What becomes of the old general part, of the order of entries, and of entries that cannot be."""

from pathlib import Path

import pytest

from tests.unit.settings.legacy.old import PAGE, PHP, SITE, config, entry, findings, migrated, written

GENERAL = [
    ("dotnet", f'mustMatch="true" {PAGE}', {}, None),
    ("dotnet", PAGE, {}, "changed: mustMatch is missing, and the .NET proxy passed any URL in the world on."),
    ("php", PAGE, {}, "changed: mustMatch is missing, and the PHP proxy did not start."),
    ("dotnet", f'mustMatch="yes" {PAGE}', {}, "changed: mustMatch is 'yes', and the .NET proxy did not start"),
    ("java", f'mustMatch="yes" {PAGE}', {"mustMatch": False}, "changed: mustMatch is false: unlisted URLs still pass"),
    ("php", f'mustMatch="false" {PAGE}', {"mustMatch": False}, "changed: With mustMatch false the PHP proxy looked"),
    ("dotnet", 'mustMatch="true"', {"allowedReferers": ["*"]}, "note: allowedReferers is missing, and the .NET proxy"),
    ("dotnet", 'mustMatch="true" allowedReferers="*"', {"allowedReferers": ["*"]}, None),
    (
        "dotnet",
        'mustMatch="true" allowedReferers=""',
        {"allowedReferers": ["https://replace-me.invalid"]},
        "changed: allowedReferers is empty, and the .NET proxy let nobody in",
    ),
    (
        "php",
        'mustMatch="true" allowedReferers=""',
        {"allowedReferers": ["*"]},
        "note: allowedReferers is empty, and the PHP proxy let everybody in",
    ),
    (
        "dotnet",
        'mustMatch="true" allowedReferers="https://a.example/*, *"',
        {"allowedReferers": ["https://a.example/*"]},
        'changed: "*" had no meaning in the .NET proxy beside other pages',
    ),
    (
        "php",
        'mustMatch="true" allowedReferers="https://a.example/*, *"',
        {"allowedReferers": ["https://a.example/*", "*"]},
        'note: "*" beside other pages let everybody in',
    ),
    (
        "dotnet",
        'mustMatch="true" allowedReferers="http://a.example"',
        {"allowedReferers": ["http://a.example"]},
        "changed: The referer http://a.example let in only a Referer of just this text",
    ),
    (
        "dotnet",
        'mustMatch="true" allowedReferers="a.example/*"',
        {"allowedReferers": ["a.example/*"]},
        "changed: The referer a.example/* has no scheme",
    ),
    (
        "java",
        'mustMatch="true" allowedReferers="https://a.example:8443/*"',
        {"allowedReferers": ["https://a.example:8443/*"]},
        "changed: The port in the referer https://a.example:8443/* was not looked at",
    ),
    (
        "dotnet",
        'mustMatch="true" allowedReferers="https://a.*.example/*"',
        {"allowedReferers": ["https://replace-me.invalid"]},
        "changed: The referer 'https://a.*.example/*' is left out: write an origin",
    ),
    (
        "dotnet",
        'mustMatch="true" allowedReferers="https://a.example/viewer/*"',
        {"allowedReferers": ["https://a.example/viewer/*"]},
        "changed: The referer https://a.example/viewer/* has a path, which browsers show to their own host",
    ),
    ("dotnet", f'mustMatch="true" {PAGE} logLevel="Verbose"', {"log": {"level": "debug"}}, "note: logLevel Verbose is"),
    ("java", f'mustMatch="true" {PAGE} logLevel="INFO"', {"log": {"level": "info"}}, None),
    ("java", f'mustMatch="true" {PAGE} logLevel="LOUD"', {}, "note: logLevel 'LOUD' had no meaning in the Java proxy"),
    ("php", f'mustMatch="true" {PAGE} logLevel="3"', {}, "note: logLevel said where the PHP proxy's log goes"),
    ("dotnet", f'mustMatch="true" {PAGE} logFile="a.log"', {}, "note: logFile is left out"),
    ("dotnet", f'mustMatch="true" {PAGE} colour="red"', {}, "note: The attribute colour had no meaning in the .NET"),
]


@pytest.mark.parametrize(("told", "general", "becomes", "said"), GENERAL)
def test_what_becomes_of_the_general_part(
    tmp_path: Path, told: str, general: str, becomes: dict[str, object], said: str | None
) -> None:
    done = migrated(tmp_path, config(general=general), told)
    document = written(done)
    del document["serverUrls"]
    assert document == {"mustMatch": True, "allowedReferers": ["https://maps.example.com/*"]} | becomes
    told_of = [each for each in findings(done) if PHP not in each]
    assert any(each.startswith(said) for each in told_of) if said else not told_of


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "This serverUrl has no url"),
        ("ftp://h/a", "start the URL with https://"),
        ("https://user:canary@h/a", "The URL has a user name"),
        ("https://h/a/../b", "The path of the URL has a dot segment"),
        ("https://h/a b", "The URL has a character"),
        ("https://h/*/b", "a * has no meaning in a path"),
        ("https://h.*.example/a", "The host of the URL is not a plain host name"),
    ],
)
def test_an_entry_that_cannot_be_is_left_out_and_said_why(tmp_path: Path, url: str, why: str) -> None:
    done = migrated(tmp_path, config(entry(url=url, matchAll="true"), entry(url=SITE, matchAll="true")))
    assert [rule["url"] for rule in written(done)["serverUrls"]] == [SITE]  # type: ignore[attr-defined] # YAML
    assert why in findings(done)[0]
    assert "canary" not in done.text + "".join(done.report)
    assert "# left out, line 2:" in done.text


@pytest.mark.parametrize(
    ("told", "first", "second", "said"),
    [
        (
            "dotnet",
            "https://h/a",
            "https://h/a/b",
            "https://h/a/b never applied: https://h/a (line 2) stands before it",
        ),
        ("dotnet", "https://h/a/b", "https://h/a", None),
        ("java", "//h/a", "http://h/a/b", "http://h/a/b never applied: //h/a (line 2) stands before it"),
        ("php", "https://h/a", "https://h/a/b", None),
        ("php", "https://h/a/b", "https://h/a", "https://h/a/b never applied: https://h/a (line 3) stands after it"),
        ("dotnet", "https://h/a", "https://h/ab", None),
        ("dotnet", "https://h/a", "http://h/a/b", None),
        ("dotnet", "https://h/a", "https://i/a/b", None),
        ("dotnet", "https://h/a", "https://h:8443/a/b", None),
        ("dotnet", "https://h/a", "https://H/A/", "https://H/A/ stands twice: the other entry (line 2) always applied"),
        ("php", "https://h/a", "https://h/a", "https://h/a stands twice: the other entry (line 3) always applied"),
    ],
)
def test_the_order_mattered(tmp_path: Path, told: str, first: str, second: str, said: str | None) -> None:
    entries = [
        entry(url=url, matchAll="true", rateLimit=str(n), rateLimitPeriod="1") for n, url in ((1, first), (2, second))
    ]
    done = migrated(tmp_path, config(*entries), told)
    order = [each for each in findings(done) if "applied" in each]
    assert len(order) == (said is not None)
    if said:
        assert said in order[0]
    same = migrated(tmp_path, config(*(entry(url=url, matchAll="true") for url in (first, second))), told)
    assert not [each for each in findings(same) if "never applied" in each], "both do the same"


def test_equal_credentials_are_one_and_others_have_names_of_their_own(tmp_path: Path) -> None:
    rules = [("https://a/services", "u", "p"), ("https://b/services", "u", "p"), ("https://c/services", "u", "q")]
    text = config(*(entry(url=url, matchAll="true", username=u, password=p) for url, u, p in rules))
    document = written(migrated(tmp_path, text))
    assert document["credentials"] == {
        "u": {"username": "u", "password": "p"},
        "u-2": {"username": "u", "password": "q"},
    }
    used = [rule["credential"] for rule in document["serverUrls"]]  # type: ignore[attr-defined] # YAML
    assert used == ["u", "u", "u-2"]


def test_what_the_java_proxy_did_not_see_is_left_out(tmp_path: Path) -> None:
    text = config(entry(url=SITE, rateLimit="5").replace("rateLimit=", "rateLimit ="))
    done = migrated(tmp_path, text, "java")
    assert "rateLimit" not in written(done)["serverUrls"][0]  # type: ignore[index] # YAML
    assert 'changed: The Java proxy did not see rateLimit: it wants rateLimit="…"' in findings(done)[0]
    done = migrated(
        tmp_path, config(entry(url=SITE)).replace("<serverUrls>\n", "<serverUrls>\n<serverUrl\nurl='x'/>"), "java"
    )
    assert "changed: The Java proxy saw 1 serverUrl entries, the file has 2" in findings(done)[0]

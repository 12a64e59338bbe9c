"""What an old attribute becomes, and that a change of its meaning is told. Everything else stays unsaid."""

from pathlib import Path

import pytest

from tests.unit.settings.legacy.old import PAGE, SITE, config, entry, findings, migrated, written

USER = {"username": "u", "password": "p"}
PHP = "The PHP proxy compared URLs letter by letter"


def of_entry(folder: Path, told: str, **attributes: str) -> tuple[dict[str, object], dict[str, object], list[str]]:
    """The rule, its credential, and what is said."""
    given = {"url": SITE, "matchAll": "true"} | attributes
    done = migrated(folder, config(entry(**{k: v for k, v in given.items() if v != "-"})), told)
    document = written(done)
    rules, credentials = document["serverUrls"], document.get("credentials", {})
    assert isinstance(rules, list)
    assert isinstance(credentials, dict)
    rule = rules[0]
    assert rule.pop("access") == "edit"
    credential = credentials.get(rule.pop("credential", ""), {})
    return rule, credential, [each for each in findings(done) if PHP not in each]


RULES = [
    # program, attributes, what becomes of them, what is said
    ("dotnet", {}, {"url": SITE}, None),
    ("dotnet", {"url": f" {SITE}/ "}, {"url": f"{SITE}/"}, None),
    ("dotnet", {"matchAll": "-"}, {"matchAll": False}, "note: matchAll is missing, which meant false in the .NET"),
    (
        "dotnet",
        {"matchAll": "false"},
        {"matchAll": False},
        "changed: matchAll is false, and a URL with any query was ref",
    ),
    ("dotnet", {"matchAll": "1"}, {}, None),
    ("dotnet", {"matchAll": "TRUE"}, {}, "changed: matchAll is 'TRUE', and the whole file was refused; it is taken as"),
    ("java", {"matchAll": "-"}, {}, None),
    ("java", {"matchAll": "TRUE"}, {}, None),
    ("java", {"matchAll": "yes"}, {"matchAll": False}, "changed: matchAll is false, and a URL with any query was"),
    ("php", {"matchAll": "-"}, {"matchAll": False}, "note: matchAll is missing, which meant false in the PHP proxy."),
    ("php", {"matchAll": "TRUE"}, {}, "changed: matchAll is 'TRUE', and it meant false; it is taken as true."),
    ("php", {"matchAll": "false"}, {"matchAll": False}, "changed: matchAll is false, and letter case counted"),
    (
        "dotnet",
        {"url": "gis.example"},
        {"url": "//gis.example"},
        "changed: The url gis.example has no scheme: in the .NET",
    ),
    ("php", {"url": "gis.example"}, {"url": "//gis.example"}, "changed: The url gis.example has no scheme: in the PHP"),
    (
        "java",
        {"url": "//h/a"},
        {"url": "//h/a"},
        "changed: The url //h/a took the scheme of the first request for ever",
    ),
    ("php", {"url": "//h/a"}, {"url": "//h/a"}, None),
    ("dotnet", {"url": "https://h/a?f=json"}, {"url": "https://h/a"}, "changed: The url https://h/a had a query"),
    ("dotnet", {"url": "https://h/a#b"}, {"url": "https://h/a"}, "changed: The url https://h/a had a query"),
    ("dotnet", {"url": "https://h/a/*"}, {"url": "https://h/a/"}, "changed: The * at the end of https://h/a/* was"),
    ("dotnet", {"url": "https://*.h.example/a"}, {"url": "https://*.h.example/a"}, "changed: The * in https://*.h.e"),
    ("dotnet", {"url": "https://h:443/a"}, {"url": "https://h:443/a"}, "changed: The port in https://h:443/a is the"),
    ("dotnet", {"url": "https://h:6443/a"}, {"url": "https://h:6443/a"}, None),
    (
        "dotnet",
        {"url": "https://h//a//b"},
        {"url": "https://h/a/b"},
        "changed: The url https://h//a//b has two slashes",
    ),
    ("java", {"url": "https://h//a"}, {"url": "https://h//a"}, None),
    ("dotnet", {"rateLimit": "3"}, {"rateLimit": 3, "rateLimitPeriod": 60}, None),
    ("dotnet", {"rateLimit": "3", "rateLimitPeriod": "1"}, {"rateLimit": 3, "rateLimitPeriod": 1}, None),
    (
        "java",
        {"rateLimit": "3"},
        {"rateLimit": 3, "rateLimitPeriod": 60},
        "changed: rateLimitPeriod is missing: the Java",
    ),
    (
        "php",
        {"rateLimit": "3"},
        {"rateLimit": 3, "rateLimitPeriod": 60},
        "changed: rateLimitPeriod is missing: the PHP",
    ),
    ("dotnet", {"rateLimit": ""}, {}, "changed: rateLimit is '', no whole number, and the whole file was refused"),
    ("dotnet", {"rateLimit": "many"}, {}, "changed: rateLimit is 'many', no whole number"),
    ("dotnet", {"rateLimit": "0"}, {}, "changed: rateLimit is 0, which is no limit here"),
    ("dotnet", {"rateLimitPeriod": "5"}, {}, None),
    ("dotnet", {"hostRedirect": "http://in:6080/"}, {"hostRedirect": "http://in:6080"}, None),
    (
        "dotnet",
        {"hostRedirect": "http://in/a"},
        {"hostRedirect": "http://in/a"},
        "note: hostRedirect has a path, and .NET",
    ),
    ("php", {"hostRedirect": "http://in/a"}, {"hostRedirect": "http://in/a", "stripPrefix": True}, None),
    ("dotnet", {"hostRedirect": "in"}, {}, "changed: hostRedirect is left out: The target is not an absolute"),
    ("dotnet", {"proxyReferrer": "https://m.example/"}, {"referer": "https://m.example/"}, None),
    ("dotnet", {"colour": "red"}, {}, "note: The attribute colour has no meaning: the .NET proxy did not look at it"),
    ("dotnet", {"forceHttp": "true"}, {}, "changed: forceHttp: a fork's, and left out. There matchAll false meant"),
]


@pytest.mark.parametrize(("told", "attributes", "becomes", "said"), RULES)
def test_what_becomes_of_an_entry(
    tmp_path: Path, told: str, attributes: dict[str, str], becomes: dict[str, object], said: str | None
) -> None:
    rule, _, findings_ = of_entry(tmp_path, told, **attributes)
    assert rule == {"url": SITE} | becomes
    assert any(each.startswith(said) for each in findings_) if said else not findings_


ACCOUNTS = [
    ("dotnet", USER, USER, None),
    ("dotnet", {"username": "u"}, {}, "changed: username and password belong together; one is missing"),
    ("dotnet", {"username": "u", "password": "a%2Bb"}, {"username": "u", "password": "a%2Bb"}, "changed: User name or"),
    ("java", {"username": "u", "password": "a%2Bb"}, {"username": "u", "password": "a%2Bb"}, None),
    ("dotnet", USER | {"domain": "D"}, USER | {"type": "negotiate", "domain": "D"}, None),
    ("java", USER | {"domain": "D"}, USER, "note: The attribute domain is another program's: the Java proxy did not"),
    ("dotnet", {"useAppPoolIdentity": "true"}, {"type": "negotiate"}, "changed: useAppPoolIdentity took the Windows"),
    ("dotnet", {"accessToken": "t"}, {"type": "token", "accessToken": "t"}, None),
    ("php", {"accessToken": "t"}, {}, "note: The attribute accessToken is another program's"),
    (
        "dotnet",
        {"accessToken": "t", "tokenParamName": "key"},
        {"type": "token", "accessToken": "t", "tokenParamName": "key"},
        None,
    ),
    ("dotnet", USER | {"tokenParamName": "a b"}, USER, "changed: tokenParamName 'a b' is no plain name"),
    (
        "dotnet",
        USER | {"accessToken": "t"},
        {"type": "token", "accessToken": "t"},
        "note: username had no effect beside",
    ),
    (
        "php",
        USER | {"clientId": "i", "clientSecret": "s"},
        {"type": "oauth", "clientId": "i", "clientSecret": "s"},
        "note: username had no effect beside the other login",
    ),
    ("php", {"clientId": "i"}, {}, "changed: clientId and clientSecret belong together"),
    (
        "java",
        {"clientId": "i", "clientSecret": "s", "oauth2Endpoint": "https://p/sharing/oauth2"},
        {"type": "oauth", "clientId": "i", "clientSecret": "s", "oauth2Endpoint": "https://p/sharing/oauth2"},
        "note: oauth2Endpoint has no slash at its end",
    ),
    ("java", USER | {"tokenServiceUri": "https://t/g"}, USER | {"tokenServiceUri": "https://t/g"}, None),
    (
        "dotnet",
        USER | {"tokenServiceUri": "https://t/g"},
        USER | {"tokenServiceUri": "https://t/g"},
        "changed: tokenServiceUri was not looked at by the .NET proxy; now it is.",
    ),
    ("java", USER | {"tokenServiceUri": "t"}, USER, "changed: tokenServiceUri is left out: The target is not"),
    (
        "dotnet",
        USER | {"portalUrl": "https://p"},
        USER | {"portalUrl": "https://p"},
        "changed: portalUrl was not looked",
    ),
    ("dotnet", USER | {"httpBasicAuth": "true"}, USER | {"type": "basic"}, "changed: httpBasicAuth is a fork's"),
    ("dotnet", {"username": "a\\b", "password": "  p "}, {"username": "a\\b", "password": "  p "}, None),
]


@pytest.mark.parametrize(("told", "attributes", "becomes", "said"), ACCOUNTS)
def test_what_becomes_of_an_entrys_login(
    tmp_path: Path, told: str, attributes: dict[str, str], becomes: dict[str, object], said: str | None
) -> None:
    _, credential, findings_ = of_entry(tmp_path, told, **attributes)
    assert credential == becomes
    assert any(each.startswith(said) for each in findings_) if said else not findings_


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

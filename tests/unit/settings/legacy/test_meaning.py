"""What an old attribute becomes, and that a change of its meaning is told. Everything else stays unsaid."""

from pathlib import Path

import pytest

from tests.unit.settings.legacy.old import PHP, SITE, config, entry, findings, migrated, written

USER = {"username": "u", "password": "p"}


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

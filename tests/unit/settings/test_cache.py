"""`cache` of a rule and of the file, as the path gets it."""

from pathlib import Path

import pytest

from proxy.model import CachePolicy
from tests.unit.settings.files import PAGES, complaints, loaded

RULES = """
credentials: {city: {username: u, password: %s}}
cache: {memory: 64MiB}
serverUrls:
  - {url: "https://a.example/x", credential: city}
  - {url: "https://b.example/x", cache: standard, credential: city, rateLimit: %d}
  - url: https://c.example/x
    cache: {maxAge: 10m, staleWhileRevalidate: 30s, staleIfError: 1h, overrule: true}
"""


def policies(folder: Path, password: str = "p", rate: int = 5) -> list[CachePolicy | None]:
    configuration = loaded(folder, PAGES + RULES % (password, rate))
    assert configuration.cache_memory == 64 * 1024 * 1024
    return [rule.cache for rule in configuration.rules]


def test_what_a_rule_says(tmp_path: Path) -> None:
    none, standard, own = policies(tmp_path)
    assert none is None
    assert standard is not None
    assert own is not None
    assert (standard.max_age, standard.while_revalidate, standard.if_error, standard.overrule) == (0, 0, 0, False)
    assert (own.max_age, own.while_revalidate, own.if_error, own.overrule) == (600, 30, 3600, True)
    assert standard.scope != own.scope


def test_the_scope_changes_with_the_rule_and_with_its_credential(tmp_path: Path) -> None:
    before = policies(tmp_path)
    assert policies(tmp_path) == before
    for changed in (policies(tmp_path, password="q"), policies(tmp_path, rate=6)):
        assert changed[1] != before[1]
        assert changed[2] == before[2]


@pytest.mark.parametrize("wrong", ["always", "{maxAge: 5}", "{age: 5m}"])
def test_what_is_neither_is_complained_of(tmp_path: Path, wrong: str) -> None:
    (complaint,) = complaints(tmp_path, f'{PAGES}serverUrls: [{{url: "https://c.example/x", cache: {wrong}}}]')
    assert "serverUrls[0].cache" in complaint

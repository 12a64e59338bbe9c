"""proxy.settings: `state`, which says what replicas share."""

from pathlib import Path

import pytest

from proxy.model import StoreAddress
from tests.unit.settings.files import PAGES, RULE, complaints, loaded

KEY = "0123456789abcdef"


def with_state(*lines: str) -> str:
    return PAGES + RULE + "state:\n" + "".join(f"  {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://127.0.0.1", StoreAddress("127.0.0.1", 6379, is_tls=False)),
        ("redis://localhost:6380/3", StoreAddress("localhost", 6380, is_tls=False, database=3)),
        ("rediss://r.example.com/", StoreAddress("r.example.com", 6379, is_tls=True)),
        ("rediss://[::1]:7000/0", StoreAddress("::1", 7000, is_tls=True)),
    ],
)
def test_a_url_names_host_port_and_database(tmp_path: Path, url: str, address: StoreAddress) -> None:
    state = loaded(tmp_path, with_state(f'url: "{url}"', f"key: {KEY}")).state
    assert state is not None
    assert state.address == address
    assert state.prefix == "resource-proxy"
    assert state.timeout == pytest.approx(0.1)


def test_its_password_is_a_secret(tmp_path: Path) -> None:
    found = loaded(tmp_path, with_state('url: "rediss://maps:p%40ss@r.example.com/0"', f"key: {KEY}"))
    assert found.state is not None
    assert found.state.address.password is not None
    assert (found.state.address.username, found.state.address.password.reveal()) == ("maps", "p@ss")
    assert "p@ss" not in repr(found)
    assert KEY not in repr(found)
    assert str(found.state.address) == "rediss://r.example.com:6379/0"


@pytest.mark.parametrize(
    "url",
    [
        "redis",
        "http://r.example.com",
        "redis://",
        "redis://r.example.com/maps",
        "redis://r.example.com:99999",
        "rediss://r.example.com/0?ssl_cert_reqs=none",
        "redis://r.example.com/0#x",
        "unix:///run/redis.sock",
        "7",
    ],
)
def test_what_is_no_redis(tmp_path: Path, url: str) -> None:
    (complaint,) = complaints(tmp_path, with_state(f'url: "{url}"'))
    assert "state.url: is no Redis; write redis://host:6379/0" in complaint


def test_a_key_that_can_be_guessed(tmp_path: Path) -> None:
    (complaint,) = complaints(tmp_path, with_state('url: "redis://127.0.0.1"', "key: short"))
    assert "state.key: can be guessed" in complaint


def test_what_is_weak_or_of_no_effect_is_warned_of(tmp_path: Path) -> None:
    warnings = loaded(tmp_path, with_state('url: "redis://r.example.com"')).warnings
    assert [each.partition("state.")[2].partition(":")[0] for each in warnings] == ["url", "key"]
    assert "not encrypted" in warnings[0]
    assert "STATE_KEY" in warnings[1]
    assert loaded(tmp_path, with_state('url: "rediss://r.example.com"', f"key: {KEY}")).warnings == ()
    (warning,) = loaded(tmp_path, with_state(f"key: {KEY}")).warnings
    assert "has no effect without state.url" in warning


def test_nothing_is_shared_unless_it_is_said(tmp_path: Path) -> None:
    assert loaded(tmp_path, with_state("url: null")).state is None
    assert loaded(tmp_path, PAGES + RULE).state is None


def test_the_key_is_that_of_all_who_have_the_same_credentials(tmp_path: Path) -> None:
    def key(password: str, *more: str) -> object:
        credential = f"credentials:\n  c: {{username: u, password: {password}}}\n"
        text = with_state('url: "redis://127.0.0.1"', *more) + credential
        state = loaded(tmp_path, text.replace("serverUrls:\n  - url", "serverUrls:\n  - credential: c\n    url")).state
        assert state is not None
        return state.key

    assert key("one") == key("one")
    assert key("one") != key("other")
    assert key("one", f"key: {KEY}") == key("other", f"key: {KEY}")
    assert key("one", f"key: {KEY}") != key("one", f"key: {KEY}x")


@pytest.mark.parametrize("more", ["prefix: 'a b'", "prefix: ''", "timeout: 0s", "timeout: 11s", "caBundle: /nowhere"])
def test_every_key_is_judged(tmp_path: Path, more: str) -> None:
    (complaint,) = complaints(tmp_path, with_state('url: "rediss://r.example.com"', f"key: {KEY}", more))
    assert f"state.{more.partition(':')[0]}: " in complaint

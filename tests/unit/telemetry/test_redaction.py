"""The second net: what looks like a credential does not pass, in whatever form a library prints it."""

import time

import pytest

from proxy.telemetry.redaction import names_a_secret, redact

SECRET = "canary-Zx9"


@pytest.mark.parametrize(
    "text",
    [
        f"GET /rest/info?f=json&token={SECRET}&x=1",
        f"GET /rest/info?f=json&TOKEN={SECRET}",
        f"agstoken={SECRET}",
        f"access_token={SECRET}, retried",
        f"username=webmap&password={SECRET}",
        f"password : {SECRET}",
        f"client_secret={SECRET}",
        f"apiKey={SECRET} api-key={SECRET} api_key={SECRET}",
        f"{{'password': '{SECRET} with blanks', 'f': 'json'}}",
        f'{{"token": "{SECRET}","expires":1}}',
        f'{{\\"token\\":\\"{SECRET}\\"}}',
        f"url=https%3A%2F%2Fx%2F%3Ftoken%3D{SECRET}",
        f"url=https%253A%252F%252Fx%253Ftoken%253D{SECRET}",
        f"Authorization: Basic {SECRET}",
        f"X-Esri-Authorization: Bearer {SECRET}",
        f"Cookie: agwtoken={SECRET}; other={SECRET}",
        f'Set-Cookie: a="{SECRET}"; Path=/',
        f"(b'Authorization', b'Bearer {SECRET}')",
        f"<CIMultiDictProxy('Authorization': 'Bearer {SECRET}', 'Host': 'x')>",
        f"sent Bearer {SECRET} in vain",
        f"https://webmap:{SECRET}@gis.example.com/arcgis",
        f"first line\npassword={SECRET}\nlast line",
    ],
)
def test_a_value_is_taken_out(text: str) -> None:
    shown, times = redact(text)
    assert SECRET not in shown
    assert times >= 1
    assert "…" in shown


@pytest.mark.parametrize(
    "text",
    [
        "https://gis.example.com/arcgis/rest/services/Parks/MapServer/export",
        "Unable to generate token.",
        "token for city",
        "4 tokens: 3 good",
        "proxy.yaml:4: serverUrls[0].password: must be text",
        "mail to office@example.com",
        "2001:db8::1",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert redact(text) == (text, 0)


def test_what_stands_around_stays() -> None:
    assert redact("GET /x?a=1&token=abc&b=2")[0] == "GET /x?a=1&token=…&b=2"
    assert redact("Cookie: a=b\nHost: x")[0] == "Cookie: …\nHost: x"


@pytest.mark.parametrize("unit", ["token", "token\\", "token ", "token:", "://", "cookie,", "pwd,b\\", "bearer ", "a@"])
def test_no_text_takes_long(unit: str) -> None:
    began = time.perf_counter()
    redact(unit * (8192 // len(unit)))
    redact("token" + unit[-1] * 8192)
    assert time.perf_counter() - began < 0.5


def test_fields_whose_name_says_it() -> None:
    assert [name for name in ("password", "clientSecret", "cookie", "credential", "rule") if names_a_secret(name)] == [
        "password",
        "clientSecret",
        "cookie",
    ]

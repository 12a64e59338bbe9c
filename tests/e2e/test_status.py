"""The status page in a real browser: drawn, live, nothing fetched or complained of, and fitting a phone."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from proxy.assemble import Service
from proxy.simulator.options import Options
from proxy.simulator.server import Simulator
from tests.e2e.conftest import ARTIFACTS, PASSWORD
from tests.live.served import free_port
from tests.running import ask_for, proxying

ADMIN_PASSWORD = "canary-for-the-page"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """One that has served, refused and failed a little: three of its rules are in trouble."""
    site, locked = Simulator(Options(users={"webmap": PASSWORD})), Simulator(Options(users={"webmap": "another"}))
    silent = f"http://127.0.0.1:{free_port()}/arcgis/rest/services"
    await site.start()
    await locked.start()
    document = {
        "admin": {"password": ADMIN_PASSWORD},
        "allowMissingReferer": True,
        "credentials": {name: {"username": "webmap", "password": PASSWORD} for name in ("city", "county", "spare")},
        "serverUrls": [
            {"url": f"{site.url}/rest/services", "credential": "city"},
            {"url": f"{site.url}/rest/services/Public", "rateLimit": 5, "rateLimitPeriod": 60},
            {"url": f"{locked.url}/rest/services", "credential": "county", "rateLimit": 600, "rateLimitPeriod": 1},
            {"url": silent, "rateLimit": 10, "rateLimitPeriod": 5},
            {
                "url": "https://gis.example.com/arcgis/rest/services/ALongFolder/ALongerName/MapServer",
                "credential": "spare",
            },
        ],
    }
    async with proxying(tmp_path, document) as made:
        made.rejected = lambda: ["proxy.yaml:4: serverUrls: <b>nonsense</b>"]
        await ask_for(
            made,
            f"{site.url}/rest/services/Secure/City/MapServer",
            f"{locked.url}/rest/services/a",
            "https://x.example/?s=SEEN",
            *[f"{site.url}/rest/services/Public/City/MapServer?s=SEEN{number}" for number in range(6)],
            *[f"{silent}/a?s=SEEN{number}" for number in range(9)],
        )
        yield made
    await site.stop()
    await locked.stop()


SAID = (
    "city",
    "not used yet",
    "refuses the proxy's user name or password",
    "information. Invalid credentials",
    "held off; tried again in ",
    "Correct the credential",
    "<b>nonsense</b>",
    "5 in 1 h",
    "1 client is refused; the next request passes in 60 min.",
    "list it in trustedProxies",
    "10 in 5 min",
    "90 %",
    "1 client is near the limit.",
    "raise rateLimit",
    "nothing listens at its port",
)


@pytest.mark.parametrize(
    ("name", "width", "scheme"), [("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "dark")]
)
async def test_the_page_says_what_is_wrong_and_what_to_do(
    browser: Browser, service: Service, name: str, width: int, scheme: str
) -> None:
    assert service.admin is not None
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
        http_credentials={"username": "anyone", "password": ADMIN_PASSWORD},
    )
    page = await context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    base = f"http://127.0.0.1:{service.admin.port}"
    await page.goto(f"{base}/status")
    await page.get_by_text("1 credential held off, configuration rejected, 1 rate limit reached").wait_for()
    text = await page.inner_text("main")
    for words in SAID:
        assert words in text
    assert PASSWORD not in text
    assert "SEEN" not in text
    before = await page.inner_text("#process")
    await page.wait_for_function(
        "before => document.querySelector('#process').innerText !== before", arg=before
    )  # it is live
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"status-{name}.png", full_page=True)
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    shares = await page.eval_on_selector_all("#limits .share", "all => all.map(each => each.innerText)")
    assert shares == ["100 %", "90 %", "0 %"]  # the most urgent first
    for link in ("status.json", "metrics", "readyz"):
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == link
        assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == {f"{base}/status", f"{base}/status/live"}
    await context.close()

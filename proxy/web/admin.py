"""The admin listener: health, readiness, metrics and status; loopback by default, never on the public port.

Shows what it is given and decides nothing. No page of it changes anything.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from html import escape
from typing import Final

from aiohttp import web

from proxy import __version__, names
from proxy.core.hygiene import COMMON
from proxy.ports import Clock
from proxy.telemetry.metrics import Metrics

_HEADERS: Final = {
    **COMMON,
    names.CACHE_CONTROL: "no-store",
    names.CONTENT_SECURITY_POLICY: "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
# Making a page blocks the loop that serves clients: whoever floods us with requests for it gets the last one again,
# so that pages take at most about a tenth of the process.
_REST: Final = 10
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>resource-proxy status</title>
<style>
:root{{color-scheme:light dark;--line:#8884}}
body{{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}}
h1{{font-size:1.5rem;margin:0}} h1 small{{font-weight:400;opacity:.65}} h2{{font-size:1.05rem;margin:2rem 0 .4rem}}
.scroll{{overflow-x:auto}} table{{border-collapse:collapse;width:100%}}
th,td{{text-align:left;padding:.35rem 1rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}}
th{{font-weight:600;white-space:nowrap}} td{{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}}
.good::before,.bad::before{{content:"● "}} .good::before{{color:#2a9d4a}} .bad::before{{color:#d64545}}
ul.complaints{{border-left:4px solid #d64545;margin:0;padding:.5rem 1rem .5rem 2rem}}
table.facts th{{width:12rem}} nav{{margin:.3rem 0 1rem}} nav a{{margin-right:1rem}}
</style>
<h1>resource-proxy <small>{version}</small></h1>
<nav><a href="status.json">status.json</a><a href="metrics">metrics</a><a href="readyz">readyz</a></nav>
{sections}</html>
"""
_COMPLAINTS: Final = ("rejectedConfiguration", "warnings")  # not shown where there are none
_GOOD: Final = frozenset(("ready", "good"))
_BAD: Final = frozenset(("held off", "refused", "draining", "not ready"))


async def admin_runner(
    ready: Callable[[], str | None],
    metrics: Callable[[], Awaitable[bytes]],
    status: Callable[[], Awaitable[Mapping[str, object]]],
) -> web.AppRunner:
    """`admin_app`, set up to be served."""
    runner = web.AppRunner(admin_app(ready, metrics, status), access_log=None)
    await runner.setup()
    return runner


def admin_app(
    ready: Callable[[], str | None],
    metrics: Callable[[], Awaitable[bytes]],
    status: Callable[[], Awaitable[Mapping[str, object]]],
    clock: Clock = time.monotonic,
) -> web.Application:
    """`ready` gives None, or why this process should get no requests; `metrics` the Prometheus text; `status` what the
    pages show, no secrets in it: sections by name, each a value, a mapping, a list of words or a list of rows."""

    async def document() -> dict[str, object]:
        reason = ready()
        return {"version": __version__, "ready": "ready" if reason is None else reason, **await status()}

    async def page() -> bytes:
        return _page(await document())

    async def json_document() -> bytes:
        return _json_bytes(await document())

    exposition_of_now, page_of_now, json_of_now = (_rested(make, clock) for make in (metrics, page, json_document))

    async def healthz(request: web.Request) -> web.Response:
        return _answer(_json_bytes({"status": "ok"}), names.JSON_TYPE)

    async def readyz(request: web.Request) -> web.Response:
        reason = ready()
        if reason is None:
            return _answer(_json_bytes({"status": "ready"}), names.JSON_TYPE)
        return _answer(_json_bytes({"status": "not ready", "reason": reason}), names.JSON_TYPE, 503)

    async def exposition(request: web.Request) -> web.Response:
        return _answer(await exposition_of_now(), Metrics.CONTENT_TYPE)

    async def status_json(request: web.Request) -> web.Response:
        return _answer(await json_of_now(), names.JSON_TYPE)

    async def status_page(request: web.Request) -> web.Response:
        return _answer(await page_of_now(), "text/html; charset=utf-8")

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", exposition)
    app.router.add_get("/status.json", status_json)
    app.router.add_get("/status", status_page)
    app.on_response_prepare.append(_on_every_answer)
    return app


async def _on_every_answer(request: web.Request, response: web.StreamResponse) -> None:
    """404 and 405, which are the router's own, too."""
    response.headers.update(_HEADERS)
    response.headers.popall(names.SERVER, None)


def _answer(body: bytes, content_type: str, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={names.CONTENT_TYPE: content_type})


def _rested(make: Callable[[], Awaitable[bytes]], clock: Clock) -> Callable[[], Awaitable[bytes]]:
    """`make`, but the last result again until ten times as long has passed as the making took."""
    last, until = b"", float("-inf")
    making = asyncio.Lock()

    async def made() -> bytes:
        nonlocal last, until
        async with making:
            began = clock()
            if began >= until:
                last = await make()
                ended = clock()
                until = ended + _REST * (ended - began)
            return last

    return made


def _json_bytes(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, indent=2).encode()


def _page(document: Mapping[str, object]) -> bytes:
    shown = dict(document)
    version = escape(str(shown.pop("version")))
    plain = {name: value for name, value in shown.items() if not isinstance(value, Mapping | list | tuple)}
    sections = [_table(list(plain.items()))]
    named = [name for name in shown if name not in plain and (shown[name] or name not in _COMPLAINTS)]
    sections += [f"<h2>{escape(_words(name))}</h2>{_section(name, shown[name])}" for name in named]
    return _PAGE.format(version=version, sections="\n".join(sections)).encode()


def _section(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return _table([(str(key), each) for key, each in value.items()])
    entries = list(value) if isinstance(value, list | tuple) else [value]
    if not entries:
        return "<p>none</p>"
    if rows := [entry for entry in entries if isinstance(entry, Mapping)]:
        return _rows(rows)
    items = "".join(f"<li>{escape(str(entry))}</li>" for entry in entries)
    return f'<ul class="complaints">{items}</ul>' if name in _COMPLAINTS else f"<ul>{items}</ul>"


def _table(pairs: Sequence[tuple[str, object]]) -> str:
    rows = "".join(f"<tr><th>{escape(_words(name))}</th>{_cell(name, value)}</tr>" for name, value in pairs)
    return f'<div class="scroll"><table class="facts">{rows}</table></div>'


def _rows(rows: Sequence[Mapping[str, object]]) -> str:
    head = "".join(f"<th>{escape(_words(name))}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(_cell(name, row.get(name)) for name in rows[0]) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _cell(name: str, value: object) -> str:
    if value is None:
        return "<td>–</td>"
    if isinstance(value, int | float) and name.endswith(("Seconds", "Left")):
        return f"<td>{_span(value)}</td>"
    text = str(value)
    colour = ' class="good"' if text in _GOOD else ' class="bad"' if text in _BAD else ""
    return f"<td{colour}>{escape(text)}</td>"


def _span(seconds: float) -> str:
    """Seconds as people say them: 3 d 4 h, 5 min, 12 s."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{n} {unit}" for n, unit in ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")) if n]
    return " ".join(parts[:2]) or "0 s"


def _words(name: str) -> str:
    """camelCase as words; spans of time say their unit themselves."""
    name = "timeLeft" if name == "secondsLeft" else name.removesuffix("Seconds")
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)

"""The admin listener: health, readiness, metrics and status; loopback by default, never on the public port."""

import json
from collections.abc import Callable, Mapping
from html import escape
from typing import Final

from aiohttp import web

from proxy import __version__, names
from proxy.core.hygiene import COMMON
from proxy.telemetry.metrics import Metrics

_HEADERS: Final = {**COMMON, names.CACHE_CONTROL: "no-store", names.SERVER: names.PRODUCT}
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>resource-proxy</title><style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;
max-width:60rem;margin:2rem auto;padding:0 1rem}}table{{border-collapse:collapse;width:100%}}
td,th{{text-align:left;padding:.3rem .8rem .3rem 0;
border-bottom:1px solid #8884;vertical-align:top}}</style><h1>resource-proxy {version}</h1>{sections}</html>"""


def admin_app(
    *, ready: Callable[[], str | None], metrics: Metrics, status: Callable[[], Mapping[str, object]]
) -> web.Application:
    """`ready` gives None, or why this process should get no requests; `status` what the pages show."""

    async def healthz(request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def readyz(request: web.Request) -> web.Response:
        reason = ready()
        return _json({"status": "ready"} if reason is None else {"status": reason}, 200 if reason is None else 503)

    async def exposition(request: web.Request) -> web.Response:
        return web.Response(body=metrics.render(), headers={**_HEADERS, names.CONTENT_TYPE: metrics.CONTENT_TYPE})

    async def status_json(request: web.Request) -> web.Response:
        return _json(status())

    async def status_page(request: web.Request) -> web.Response:
        page = _PAGE.format(version=escape(__version__), sections="".join(_sections(status())))
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", exposition)
    app.router.add_get("/status.json", status_json)
    app.router.add_get("/status", status_page)
    return app


def _json(document: Mapping[str, object], status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(document, indent=2), content_type=names.JSON_TYPE, status=status, headers=_HEADERS
    )


def _sections(status: Mapping[str, object]) -> list[str]:
    return [f"<h2>{escape(_words(name))}</h2>{_table(value)}" for name, value in status.items()]


def _table(value: object) -> str:
    if isinstance(value, Mapping):
        rows = "".join(f"<tr><th>{escape(_words(str(k)))}<td>{escape(str(v))}" for k, v in value.items())
        return f"<table>{rows}</table>"
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        head = "".join(f"<th>{escape(_words(str(name)))}" for name in value[0])
        rows = "".join("<tr>" + "".join(f"<td>{escape(_shown(cell))}" for cell in row.values()) for row in value)
        return f"<table><tr>{head}{rows}</table>"
    if isinstance(value, list):
        return "<ul>" + "".join(f"<li>{escape(str(entry))}" for entry in value) + "</ul>" if value else "<p>none</p>"
    return f"<p>{escape(str(value))}</p>"


def _shown(value: object) -> str:
    return "–" if value is None else str(value)


def _words(name: str) -> str:
    """camelCase as words."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)

"""Knobs at run time, for tests and for the demo's buttons: `/__sim/revoke`, `clock`, `config` and `log`."""

import json
from dataclasses import fields
from typing import Any

from aiohttp import web

from proxy.simulator.journal import Journal
from proxy.simulator.options import Options
from proxy.simulator.site import Asked, Site


def answer(site: Site, journal: Journal, asked: Asked) -> web.Response:
    """Any request below `/__sim/`; it is not in the journal."""
    match asked.request.path.removeprefix("/__sim/"):
        case "revoke":
            return web.json_response({"revoked": site.accounts.revoke_all()})
        case "clock":
            site.accounts.clock_offset += float(asked.parameters.get("advance", "0"))
            return web.json_response({"now": site.accounts.now()})
        case "config":
            return web.json_response({"changed": _configure(site.options, json.loads(asked.body or b"{}"))})
        case "log":
            rows = [
                {"method": e.method, "path": e.path, "credential": e.credential, "login": e.login, "good": e.is_good}
                for e in journal
            ]
            return web.json_response({"requests": rows, "logins": site.accounts.logins})
        case _:
            return web.Response(status=404)


def _configure(options: Options, values: dict[str, Any]) -> list[str]:
    """Sets what there is; JSON knows neither sets nor tuples."""
    known = {each.name for each in fields(Options)} & values.keys()
    for name in known:
        value = values[name]
        if isinstance(value, list):
            value = tuple(value) if name == "gateway_header" else set(value)
        setattr(options, name, value)
    return sorted(known)

"""Plays the cases of tests/cases/behaviour.yaml: a client asks, the proxy answers, and a simulated ArcGIS and a plain
server tell what arrived. Decides nothing: what is expected stands in the cases."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import yaml
from aiohttp import web
from yarl import URL

from proxy import __version__
from proxy.errors import ConfigurationError
from proxy.simulator.server import Simulator
from tests.live.conftest import PAGE, PASSWORD, Build, Got, World
from tests.running import configured

GIS = "https://gis.example/arcgis/rest/services"
Step = dict[str, Any]
# The words of a case and of a step, and nothing else: a word that is misspelt would hold nothing
CASE_WORDS = frozenset("number says differs held steps refused warns plain rule rules config both_orders".split())
STEP_WORDS = frozenset(
    (
        *"ask path method headers body base64 size chunked raw times together".split(),
        *"set users revoke answers faults reload".split(),
        *"status gets json answer lacks envelope sent reached".split(),
        *"logins refusals exchanges token_calls token_body referers".split(),
    )
)
SENT_WORDS = frozenset("target method headers same_body body lacks counts".split())


@dataclass(slots=True)
class Arrived:
    """One request at an upstream."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Plain:
    """A server that is no ArcGIS. It answers as it was told, or `{}`; of several answers the last one stays."""

    arrived: list[Arrived] = field(default_factory=list)
    answers: list[Step] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner = field(init=False)

    async def __aenter__(self) -> "Plain":
        app = web.Application(client_max_size=100 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self.handle)
        self._runner = web.AppRunner(app, auto_decompress=False, max_line_size=65536)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._runner.cleanup()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.arrived.append(Arrived(request.method, request.raw_path, headers, await request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0] if self.answers else {}
        return await answered(answer, request)


async def answered(answer: Step, request: web.BaseRequest) -> web.StreamResponse:
    """A response as a case writes it: status, headers, cookies, body (base64, size), zip, chunked, pause."""
    await asyncio.sleep(answer.get("pause", 0))
    body = as_bytes(answer, default=b"{}")
    response = web.StreamResponse(status=answer.get("status", 200))
    for name, value in answer.get("headers", {"Content-Type": "application/json"}).items():
        response.headers.add(name, str(value))
    for value in answer.get("cookies", ()):
        response.headers.add("Set-Cookie", value)
    if answer.get("zip"):
        body = gzip.compress(body)
        response.headers["Content-Encoding"] = "gzip"
    if answer.get("chunked"):
        response.enable_chunked_encoding()
    elif response.status != 304:
        response.content_length = len(body)
    await response.prepare(request)
    if request.method != "HEAD" and response.status != 304:
        await response.write(body)
    await response.write_eof()
    return response


def as_bytes(written: Step, default: bytes = b"") -> bytes:
    """A body as a case writes it."""
    if "base64" in written:
        return base64.b64decode(written["base64"])
    if "size" in written:
        return b"0123456789abcdef" * (int(written["size"]) // 16)
    return str(written["body"]).encode() if "body" in written else default


def as_list(value: Any) -> list[Any]:
    """One thing, or several."""
    return value if isinstance(value, list) else [value]


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Without a length."""
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


class Player:
    """One case, played."""

    def __init__(self, case: Step, build: Build, arcgis: Simulator, plain: Plain) -> None:
        self._build, self._arcgis, self._plain = build, arcgis, plain
        origin = arcgis.url.removesuffix("/arcgis")
        self._places = {"gis": GIS, "arcgis": origin, "plain": f"http://127.0.0.1:{plain.port}", "password": PASSWORD}
        self._places |= {"long": "1234567," * 1000, "version": __version__}
        self._case: Step = self._filled(case)
        self._world: World

    async def play(self) -> None:
        """Every step; with `both_orders` again with the rules the other way round."""
        if "refused" in self._case:
            await self._is_refused(self._case["refused"])
            return
        for order in (1, -1) if self._case.get("both_orders") else (1,):
            document = self._document(self._case)
            document["serverUrls"] = document["serverUrls"][::order]
            self._world = await self._build(document)
            warnings = self._world.service.current.runtime.configuration.warnings
            assert self._case.get("warns", "") in " ".join(warnings)
            for number, step in enumerate(self._case["steps"]):
                try:
                    await self._step(step)
                except AssertionError as error:
                    raise AssertionError(f"step {number}, {json.dumps(step)[:300]}: {error}") from error

    def _filled(self, value: Any) -> Any:
        """The places in a case: {gis}, {arcgis}, {plain}, …"""
        if isinstance(value, dict):
            return {self._filled(key): self._filled(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if isinstance(value, str):
            for name, text in self._places.items():
                value = value.replace(f"{{{name}}}", text)
        return value

    def _document(self, case: Step) -> Step:
        usual = {"url": GIS, "credential": "city", "hostRedirect": self._places["arcgis"]}
        if "plain" in case:
            usual = {"url": GIS, "hostRedirect": self._places["plain"], **case["plain"]}
        return {
            "server": {"listen": "127.0.0.1:0", "limits": {"drain": "1s"}},
            "admin": {"listen": "127.0.0.1:0"},
            "allowedReferers": ["https://maps.example.com"],
            "credentials": {"city": {"username": "webmap", "password": PASSWORD}},
            "serverUrls": case.get("rules", [usual | case.get("rule", {})]),
            **case.get("config", {}),
        }

    async def _is_refused(self, words: str) -> None:
        with pytest.raises(ConfigurationError) as error:
            await self._build(self._document(self._case))
        assert words in str(error.value)

    async def _step(self, step: Step) -> None:
        for name, value in step.get("set", {}).items():
            setattr(self._arcgis.options, name, value)
        self._arcgis.accounts.users.update(step.get("users", {}))
        if step.get("revoke"):
            self._arcgis.revoke_all()
        self._plain.answers = step.get("answers", self._plain.answers)
        self._arcgis.faults += [partial(answered, fault) for fault in step.get("faults", ())]
        if "reload" in step:
            path = self._world.path
            path.write_text(yaml.safe_dump(self._document({**self._case, **step["reload"]})), encoding="utf-8")
            await self._world.service.apply(configured(path))
        if "ask" in step:
            await self._ask(step)
        self._look_at_accounts(step)

    async def _ask(self, step: Step) -> None:
        before = len(self._arcgis.journal.entries), len(self._plain.arrived)
        targets = [each for each in as_list(step["ask"]) for _ in range(step.get("together") or step.get("times", 1))]
        asked = [self._send(step, target, number) for number, target in enumerate(targets)]
        got = await asyncio.gather(*asked) if "together" in step else [await each for each in asked]
        for each in got:
            look_at_answer(step, each)
        arrived = self._arrived(*before)
        assert step.get("reached", len(arrived)) == len(arrived), arrived
        wanted = as_list(step.get("sent", []))
        assert len(arrived) >= len(wanted), "nothing arrived"
        for request, one in zip(wanted, arrived, strict=False):
            look_at_request(request, one, step)

    async def _send(self, step: Step, target: str | None, number: int) -> Got:
        world = self._world
        headers = {"Referer": PAGE} | {n: v.replace("{n}", str(number)) for n, v in step.get("headers", {}).items()}
        if "raw" in step:
            return await self._raw(f"GET /proxy?{target} HTTP/1.1\r\nHost: h\r\nReferer: {PAGE}\r\n\r\n".encode())
        data: Any = as_bytes(step) if step.keys() & {"body", "base64", "size"} else None
        path = step.get("path", "/proxy") + ("" if target is None else f"?{target}")
        async with world.client.session.request(
            step.get("method", "GET"),
            URL(f"http://127.0.0.1:{world.service.public.port}{path}", encoded=True),
            headers={name: value for name, value in headers.items() if value},
            data=in_pieces(data) if step.get("chunked") else data,
            allow_redirects=False,
        ) as response:
            got = Got(response.status, {k.lower(): v for k, v in response.headers.items()}, await response.read())
        world.client.seen += [got.body, repr(response.raw_headers).encode()]
        return got

    async def _raw(self, request: bytes) -> Got:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._world.service.public.port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return Got(int(head.split()[1]), {}, b"")

    def _arrived(self, arcgis: int, plain: int) -> list[Arrived]:
        """What came for services; discovery and token services do not count."""
        entries = list(self._arcgis.journal.entries)[arcgis:]
        asked = [e for e in entries if "Server" in e.path or "/sharing/rest/content" in e.path]
        found = [Arrived(e.method, e.raw_target, e.headers, e.body) for e in asked]
        return found + self._plain.arrived[plain:]

    def _look_at_accounts(self, step: Step) -> None:
        """What the token services saw, since the beginning."""
        calls = [e for e in self._arcgis.journal if e.path.lower().rstrip("/").endswith(("token", "tokens"))]
        for name in step.keys() & {"logins", "refusals", "exchanges"}:
            assert getattr(self._arcgis.accounts, name) == step[name], (name, getattr(self._arcgis.accounts, name))
        if "token_calls" in step:
            assert [f"{e.method} {e.path}" for e in calls] == step["token_calls"]
        if "token_body" in step:
            assert step["token_body"].encode() in calls[-1].body
        if "referers" in step:
            used = calls + [e for e in self._arcgis.journal if "Server" in e.path]
            assert {e.headers.get("referer", "") for e in used} == set(step["referers"])


def look_at_answer(step: Step, got: Got) -> None:
    """Holds what the client got against the step."""
    assert got.status in as_list(step.get("status", 200)), (got.status, got.body[:300])
    for name, value in step.get("gets", {}).items():
        assert got.headers.get(name) == value, (name, got.headers.get(name))
    if "json" in step:
        assert got.json.items() >= step["json"].items(), got.json
    if "answer" in step:
        assert got.body == as_bytes(step["answer"]), got.body[:300]
    if "lacks" in step:
        assert step["lacks"] not in got.body.decode("latin-1") + repr(got.headers)
    if step.get("envelope"):
        error = got.json["error"]
        assert (error["code"], got.headers["x-content-type-options"]) == (got.status, "nosniff")
        assert got.headers["content-type"].startswith("application/json")
        assert got.status not in (401, 498, 499)


def look_at_request(wanted: Step, one: Arrived, step: Step) -> None:
    """Holds what the upstream got against the step."""
    assert wanted.get("target", one.target) == one.target
    assert wanted.get("method", one.method) == one.method
    for name, value in wanted.get("headers", {}).items():
        assert one.headers.get(name) == value, (name, one.headers.get(name))
    if wanted.get("same_body"):
        assert one.body == as_bytes(step), one.body[:200]
    if "body" in wanted:
        assert one.body == wanted["body"].encode(), one.body[:200]
    for text in as_list(wanted.get("lacks", [])):
        assert text not in one.target + repr(one.headers) + one.body.decode("latin-1"), text
    for text, count in wanted.get("counts", {}).items():
        assert one.target.count(text) == count, one.target

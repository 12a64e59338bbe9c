"""Many who ask for the same at the same time: one fetch, and nobody waits for what is not theirs."""

import asyncio

from aiohttp import web

from tests.live.cache.conftest import Origin, document, state
from tests.live.conftest import PAGE, Build, World
from tests.until import until


async def test_a_hundred_who_ask_at_once_cost_one_fetch(build: Build, origin: Origin) -> None:
    release = asyncio.Event()

    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "max-age=60"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for piece in range(20):
            await response.write(bytes([piece]) * 10_000)
            if piece == 10:
                await release.wait()
        return response

    origin.script = script
    world = await build(document(origin))
    asked = [asyncio.create_task(world.client.get(f"{origin.url}/tile")) for _ in range(100)]
    await until(lambda: world.in_flight == 100, 5.0)
    release.set()
    answers = await asyncio.gather(*asked)
    assert {answer.body for answer in answers} == {b"".join(bytes([piece]) * 10_000 for piece in range(20))}
    assert len(origin.requests) == 1
    words = sorted(state(answer) for answer in answers)
    assert words == ["fwd=uri-miss; collapsed"] * 99 + ["fwd=uri-miss; stored"]


async def test_a_first_client_that_leaves_fails_nobody(build: Build, origin: Origin) -> None:
    release = asyncio.Event()

    async def script(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return web.Response(text="whole", headers={"Cache-Control": "max-age=60"})

    origin.script = script
    world = await build(document(origin))
    first = asyncio.create_task(world.client.get(f"{origin.url}/tile"))
    await until(lambda: len(origin.requests) == 1)
    others = [asyncio.create_task(world.client.get(f"{origin.url}/tile")) for _ in range(5)]
    await until(lambda: world.in_flight == 6)
    first.cancel()
    await until(lambda: world.in_flight == 5)
    release.set()
    assert {got.body for got in await asyncio.gather(*others)} == {b"whole"}
    assert (len(origin.requests), origin.gone) == (1, 0)


async def test_a_fetch_that_nobody_waits_for_is_ended(build: Build, origin: Origin) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    origin.script = script
    world = await build(document(origin))
    asked = [asyncio.create_task(world.client.get(f"{origin.url}/tile")) for _ in range(3)]
    await until(lambda: world.in_flight == 3 and bool(origin.requests))
    for each in asked:
        each.cancel()
    await until(lambda: origin.gone > 0, 1.0)
    assert (len(origin.requests), origin.gone) == (1, 1)


async def stalled(world: World, target: str) -> asyncio.StreamWriter:
    """A client that asks and does not read."""
    _, writer = await asyncio.open_connection("127.0.0.1", world.service.public.port, limit=1024)
    head = f"GET /proxy?{target} HTTP/1.1\r\nHost: x\r\nReferer: {PAGE}\r\nAccept-Encoding: gzip, deflate\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    return writer


async def test_a_first_client_that_does_not_read_holds_nobody(build: Build, origin: Origin) -> None:
    body = bytes(1_900_000)

    async def script(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return web.Response(body=body, headers={"Cache-Control": "max-age=60"})

    origin.script = script
    world = await build(document(origin))
    writer = await stalled(world, f"{origin.url}/tile")
    await until(lambda: len(origin.requests) == 1)
    async with asyncio.timeout(3):
        assert (await world.client.get(f"{origin.url}/tile")).body == body
    assert len(origin.requests) == 1
    writer.transport.abort()


async def test_what_is_too_large_passes_and_is_not_kept(build: Build, origin: Origin) -> None:
    body = bytes(range(256)) * 16_000  # 4 MB of 32 MiB, a sixteenth being 2 MiB

    async def script(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Cache-Control": "max-age=60"})
        if request.path == "/chunked":
            response.enable_chunked_encoding()
        else:
            response.content_length = len(body)
        await response.prepare(request)
        await asyncio.sleep(0.1)
        for start in range(0, len(body), 100_000):
            await response.write(body[start : start + 100_000])
        return response

    origin.script = script
    world = await build(document(origin))
    for path in ("chunked", "declared"):
        origin.requests.clear()
        got = await asyncio.gather(*(world.client.get(f"{origin.url}/{path}") for _ in range(3)))
        assert {each.body == body for each in got} == {True}
        fetched = len(origin.requests)
        await world.client.get(f"{origin.url}/{path}")
        assert len(origin.requests) == fetched + 1, path
    assert world.service.responses.bytes_used == 0


async def test_others_do_not_wait_for_what_is_not_for_all(build: Build, origin: Origin) -> None:
    async def script(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return web.Response(text=request.headers["User-Agent"], headers={"Cache-Control": "private"})

    origin.script = script
    world = await build(document(origin))
    began = asyncio.get_running_loop().time()
    got = await asyncio.gather(*(world.client.get(f"{origin.url}/mine", User_Agent=f"u{n}") for n in range(20)))
    assert [each.body.decode() for each in got] == [f"u{n}" for n in range(20)]
    assert asyncio.get_running_loop().time() - began < 1.5  # two turns, not twenty

"""Connections that rest, are used again, are shared out and given up."""

import asyncio

import pytest

from tests.live.conftest import Build, World
from tests.live.hostile import GOOD, Call, Hostile, ask, bytes_and_close, bytes_and_wait, good
from tests.live.upstream.conftest import LONG, OK, SMUGGLED
from tests.until import until


async def test_a_resting_connection_that_hears_anything_is_dropped(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        await good(call)
        await call.say(b"", b"", SMUGGLED)

    hostile.script = script
    for count in (1, 2, 3):
        assert (await ask(world, f"{hostile.url}/a")).body == b"good"
        await until(lambda: hostile.open == 0)
        assert hostile.connections == count


async def test_a_resting_connection_that_ends_is_not_used_again(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        await good(call)
        call.writer.close()

    hostile.script = script
    for _ in range(3):
        assert (await ask(world, f"{hostile.url}/a", "POST", body=b"x=1")).body == b"good"
        await asyncio.sleep(0.05)
    assert [head[:4] for head in hostile.heads] == [b"POST"] * 3


async def test_a_connection_rests_for_less_than_the_server_says(world: World, hostile: Hostile) -> None:
    hostile.script = bytes_and_wait(b"HTTP/1.1 204 No\r\nKeep-Alive: timeout=1\r\n\r\n")
    await ask(world, f"{hostile.url}/a")
    assert hostile.open == 1
    await until(lambda: hostile.open == 0, 0.7)


async def test_connections_are_used_again(world: World, hostile: Hostile) -> None:
    for _ in range(5):
        assert (await ask(world, f"{hostile.url}/a")).body == b"good"
    assert hostile.connections == 1


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("HEAD", 2), ("POST", 1), ("PUT", 1), ("DELETE", 1)])
async def test_only_reads_are_sent_again_and_only_on_a_connection_that_had_served(
    world: World, hostile: Hostile, method: str, times: int, is_reset: bool
) -> None:
    async def script(call: Call) -> None:
        """Serves the first request of each connection and breaks off at the second."""
        body = await call.body()
        if sum(head.startswith(b"GET /warm") for head in hostile.heads) and call.connection == 1 and served:
            call.reset() if is_reset else call.writer.close()
            return
        served.append(body)
        call.writer.write(GOOD if call.method != "HEAD" else OK + b"Content-Length: 4\r\n\r\n")

    served: list[bytes] = []
    hostile.script = script
    assert (await ask(world, f"{hostile.url}/warm")).body == b"good"
    heard = await ask(world, f"{hostile.url}/a", method, body=b"x=1" if method in ("POST", "PUT") else b"")
    assert heard.status == (200 if times == 2 else 502)
    assert sum(b" /a " in head for head in hostile.heads) == times


async def tries_on_a_connection_that_had_served(world: World, hostile: Hostile, *said: bytes) -> int:
    """How often a read arrives that fails at each try, after these bytes of an answer."""
    assert (await ask(world, f"{hostile.url}/warm")).body == b"good"
    hostile.script = bytes_and_close(*said)
    assert (await ask(world, f"{hostile.url}/a")).status == 502
    return len(hostile.heads) - 1


async def test_once_more_is_once(world: World, hostile: Hostile) -> None:
    assert await tries_on_a_connection_that_had_served(world, hostile) == 2


async def test_a_byte_of_an_answer_is_an_answer(world: World, hostile: Hostile) -> None:
    assert await tries_on_a_connection_that_had_served(world, hostile, b"H") == 1


async def test_connections_are_bounded_and_who_waits_is_served_in_order(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        await asyncio.sleep(0.05)
        await good(call)

    hostile.script = script
    heard = await asyncio.gather(*(ask(world, f"{hostile.url}/{n}") for n in range(20)))
    assert {each.body for each in heard} == {b"good"}
    assert (hostile.connections, hostile.most_open) == (4, 4)


async def test_who_waits_too_long_for_a_connection_is_told(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        call.writer.write(OK + b"Content-Length: 100\r\n\r\n")
        for _ in range(20):
            await call.say(b"x")
            await asyncio.sleep(0.1)
        call.writer.close()

    hostile.script = script
    busy = [asyncio.create_task(ask(world, f"{hostile.url}/{n}")) for n in range(4)]
    await asyncio.sleep(0.2)
    heard = await ask(world, f"{hostile.url}/late")
    assert (heard.status, heard.slug) == (504, "upstream_timeout")
    assert b"stayed busy" in heard.body
    await asyncio.gather(*busy)


async def test_a_dead_server_takes_no_connections_of_another(build: Build, hostile: Hostile) -> None:
    dead = Hostile(bytes_and_wait(b""))
    await dead.start()
    world: World = await build(
        {
            "server": {"listen": "127.0.0.1:0"},
            "admin": {"listen": None},
            "allowedReferers": ["https://maps.example.com"],
            "upstream": {"connectTimeout": "2s", "headerTimeout": "2s", "maxConnections": 4},
            "serverUrls": [{"url": hostile.url}, {"url": dead.url}],
        }
    )
    stuck = [asyncio.create_task(ask(world, f"{dead.url}/{n}")) for n in range(8)]
    await until(lambda: len(dead.heads) == 4)
    async with asyncio.timeout(1):
        assert {(await ask(world, f"{hostile.url}/{n}")).body for n in range(8)} == {b"good"}
    assert {(await task).status for task in stuck} == {504}
    await dead.stop()


async def test_a_server_that_comes_back_is_not_run_over_by_those_who_waited(build: Build, hostile: Hostile) -> None:
    """It falls silent, a crowd gathers, and it comes back able to do four things at a time: with more it falls over."""
    is_well, at_once, most = asyncio.Event(), 0, 0

    async def script(call: Call) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await is_well.wait()
        if at_once > 4:
            call.reset()
        else:
            await asyncio.sleep(0.005)
            await good(call)
        at_once -= 1

    hostile.script = script
    world: World = await build(
        {
            "server": {"listen": "127.0.0.1:0"},
            "admin": {"listen": None},
            "allowedReferers": ["https://maps.example.com"],
            "upstream": {"connectTimeout": "10s", "headerTimeout": "10s", "maxConnections": 4},
            "serverUrls": [{"url": hostile.url}],
        }
    )
    crowd = [asyncio.create_task(ask(world, f"{hostile.url}/{n}")) for n in range(60)]
    await until(lambda: len(hostile.heads) == 4)
    impatient = [crowd.pop() for _ in range(20)]  # those who leave are not asked for any more
    for task in impatient:
        task.cancel()
    await asyncio.wait(impatient)
    await asyncio.sleep(0.1)
    is_well.set()
    assert {(await task).body for task in crowd} == {b"good"}
    assert most == 4
    assert len(hostile.heads) <= 44
    assert hostile.most_open == 4


async def test_bytes_behind_a_long_body_end_its_connection(world: World, hostile: Hostile) -> None:
    async def script(call: Call) -> None:
        call.writer.write(OK + b"Content-Length: %d\r\n\r\n" % len(LONG) + LONG + SMUGGLED[:20])

    hostile.script = script
    for count in (1, 2):
        heard = await ask(world, f"{hostile.url}/a")
        assert (heard.body, heard.is_whole, hostile.connections) == (LONG, True, count)

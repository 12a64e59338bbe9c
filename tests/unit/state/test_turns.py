"""proxy.state.turns: one at a time finds out, and what is known is bounded."""

import asyncio

import pytest

from proxy.state import turns as module
from proxy.state.turns import Turns
from proxy.traffic import Turn, Word
from tests.unit.clock import Clock


async def turn(turns: Turns, *topic: str, but: str = "") -> Turn:
    found = await turns.turn(topic, but=but)
    assert isinstance(found, Turn)
    return found


async def test_fifty_who_ask_are_one_who_finds_out() -> None:
    turns = Turns(Clock())
    found_out = 0

    async def ask() -> object:
        nonlocal found_out
        found = await turns.turn(("t",))
        if isinstance(found, Word):
            return found.says["n"]
        found_out += 1
        await asyncio.sleep(0.01)
        await turns.settle(("t",), found, {"n": found_out}, 10.0)
        return found_out

    assert set(await asyncio.gather(*(ask() for _ in range(50)))) == {1}
    assert found_out == 1


async def test_a_word_ends_and_one_that_is_not_wanted_is_found_out_anew(clock: Clock) -> None:
    turns = Turns(clock)
    first = await turn(turns, "t")
    await turns.settle(("t",), first, {}, 10.0)
    clock.now += 4
    assert await turns.turn(("t",)) == Word(first.mark, {}, 6.0)
    await turns.release(("t",), await turn(turns, "t", but=first.mark))
    clock.now += 6
    await turns.release(("t",), await turn(turns, "t"))


async def test_a_turn_that_has_ended_says_nothing() -> None:
    turns = Turns(Clock())
    old = await turn(turns, "t")
    await turns.release(("t",), old)
    new = await turn(turns, "t")
    await turns.settle(("t",), old, {"old": True}, 10.0)
    await turns.release(("t",), old)
    assert list(turns.words()) == []
    await turns.settle(("t",), new, {"new": True}, 10.0)
    assert [word.says for _, word in turns.words()] == [{"new": True}]
    turns.forget(("t",), old.mark)
    assert len(list(turns.words())) == 1
    turns.forget(("t",), new.mark)
    assert list(turns.words()) == []


async def test_one_who_leaves_the_queue_holds_nobody_up() -> None:
    turns = Turns(Clock())
    first = await turn(turns, "t")
    leaving, staying = (asyncio.create_task(turns.turn(("t",))) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await turns.release(("t",), first)
    assert isinstance(await staying, Turn)


@pytest.mark.parametrize("seconds", [0.0, 100.0], ids=["what has ended", "what nobody is at"])
async def test_what_is_remembered_is_bounded_and_a_turn_in_hand_is_kept(seconds: float) -> None:
    turns = Turns(Clock())
    held = await turn(turns, "held")
    for number in range(module._MOST + 10):
        await turns.settle((str(number),), await turn(turns, str(number)), {}, seconds)
    assert len(turns._matters) <= module._MOST
    await turns.settle(("held",), held, {"held": True}, 10.0)
    assert Word(held.mark, {"held": True}, 10.0) == await turns.turn(("held",))

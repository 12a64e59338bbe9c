"""Tries the store of `state.url` once, with all that replicas ask of it, and says in words what is there. Keeps
nothing in it."""

import os
import time
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from proxy.model import SharedState
from proxy.ports import WallClock
from proxy.state import scripts
from proxy.state.ailments import RIGHTS, ailment
from proxy.state.link import FAULTS, pool_of
from proxy.state.sealing import LONGEST, Sealer

_PATIENCE: Final = 3.0  # seconds for one answer
_LIFE: Final = 5_000  # milliseconds that a part of the trial may stay, should it break off
_SKEW: Final = 2.0  # seconds; what is less, nobody sees
_KEEPS: Final = "noeviction"


@dataclass(slots=True)
class Found:
    """What was seen, in words. `advice` says what to do; empty where there is nothing to do."""

    server: str = ""  # what it is, and how it is reached
    words: str = ""  # what it did
    advice: str = ""
    good: bool = True

    def warn(self, advice: str) -> None:
        """It works, and could do better."""
        self.advice = f"{self.advice} {advice}".lstrip()


async def try_store(state: SharedState, wall_clock: WallClock = time.time) -> Found:
    """Raises nothing: what went wrong is in what is found."""
    found = Found(server="TLS" if state.address.is_tls else "no TLS")
    try:
        async with Redis.from_pool(pool_of(state, _PATIENCE)) as client:
            await _Trial(client, state, wall_clock, found).run()
    except FAULTS as error:
        found.good = False
        found.words, found.advice = ailment(error, state)
    return found


class _Trial:
    """Each step raises one of FAULTS."""

    def __init__(self, client: Any, state: SharedState, wall_clock: WallClock, found: Found) -> None:
        self._client = client  # its answers are of every type at once
        self._state, self._wall_clock, self._found = state, wall_clock, found
        self._sealer = Sealer(state.key)
        self._mark = os.urandom(16).hex()
        self._name = self._sealer.name(("trial", self._mark))
        self._keys = [f"{state.prefix}:{{{self._name}}}:{part}" for part in ("word", "turn")]
        self._channel = f"{state.prefix}:trial:{self._name}"

    async def run(self) -> None:
        await self._ask_who_it_is()
        await self._share_a_word()
        await self._be_heard()
        await self._compare_clocks()
        await self._look_at_memory()

    async def _ask_who_it_is(self) -> None:
        said = await self._client.execute_command("HELLO")
        who = {
            key: value.decode() for key, value in zip(said[::2], said[1::2], strict=True) if isinstance(value, bytes)
        }
        name, version = who.get(b"server", "Redis").capitalize(), who.get(b"version", "of no version")
        role = {"master": "primary"}.get(who.get(b"role", ""), who.get(b"role", ""))
        self._found.server = ", ".join(filter(None, [f"{name} {version}", role, self._found.server]))

    async def _share_a_word(self) -> None:
        """As two replicas do: one takes the turn and says something sealed, the other opens it."""
        says = {"mark": self._mark}
        mine = await self._run(scripts.TURN, self._keys, self._mark, _LIFE, b"", LONGEST)
        sealed = self._mark.encode() + self._sealer.seal(self._name, says)
        kept = await self._run(scripts.SETTLE, self._keys, self._mark, sealed, _LIFE)
        got = await self._run(scripts.TURN, self._keys, "", _LIFE, b"", LONGEST)
        if mine != [0] or kept != 1 or got[:2] != [1, sealed]:
            raise ResponseError("what was written is not what is read")
        if self._sealer.open(self._name, got[1][len(self._mark) :]) != says:
            raise ResponseError("what was sealed does not open")
        began = time.monotonic()
        await self._client.ping()
        took = time.monotonic() - began
        self._found.words = f"written, read and opened; {took * 1000:.1f} ms for an answer"
        if took > self._state.timeout:
            self._found.good = False
            self._found.warn("That is more than state.timeout: move the store nearer, or give it more time.")

    async def _be_heard(self) -> None:
        """What one replica says, others hear; who may not listen finds it out later."""
        try:
            async with self._client.pubsub(ignore_subscribe_messages=True) as said:
                await said.subscribe(self._channel)
                await said.get_message(timeout=_PATIENCE)  # that we are listening now
                await self._run(scripts.DROP, self._keys[:1], self._mark, self._channel, b"heard")
                if await said.get_message(timeout=_PATIENCE) is None:
                    self._found.warn("What one replica says, others do not hear: does something stand between?")
        except NoPermissionError:
            await self._client.delete(*self._keys)
            rights = RIGHTS.format(prefix=self._state.prefix)
            self._found.warn(f"The account may not listen to what other replicas say; it needs, as an ACL: {rights}")

    async def _compare_clocks(self) -> None:
        """Nothing depends on it but whether the lines of two logs can be laid side by side."""
        before = self._wall_clock()
        seconds, micro = await self._client.time()
        ahead = seconds + micro / 1_000_000 - (before + self._wall_clock()) / 2
        if abs(ahead) > _SKEW:
            self._found.words += f", its clock {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}"

    async def _look_at_memory(self) -> None:
        try:
            memory = await self._client.info("memory")
        except NoPermissionError:
            self._found.words += "; what it drops when it is full is not for this account to see"
            return
        policy = str(memory.get("maxmemory_policy", _KEEPS))
        if memory.get("maxmemory") and policy != _KEEPS:
            self._found.warn(
                f"When it is full ({policy}) it drops tokens and counts of requests: limits are not exact any more. "
                f"Set maxmemory-policy {_KEEPS}, or give the proxy a store of its own."
            )

    async def _run(self, script: str, keys: list[str], *arguments: str | bytes | int) -> Any:
        return await self._client.register_script(script)(keys=keys, args=list(arguments))

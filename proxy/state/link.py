"""The connection to Redis: every call bounded, nothing asked for a while after a fault, mended by itself.

Knows no tokens and no limits, and believes nothing of what is answered: a caller looks at it.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis._parsers import _AsyncRESP2Parser  # has no other name, and the lengths of answers are seen nowhere else
from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import RedisError

from proxy.model import SharedState
from proxy.ports import Clock

_MOST_CONNECTIONS: Final = 64
_CONNECT: Final = 1.0  # seconds for a connection that nobody waits for
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds until a lost one is tried again
_STEADY: Final = 60.0  # seconds that it has to hold for the pause to be the first again
_LONGEST: Final = 32 * 1024 * 1024  # bytes of a value: what is said to all is anyone's, and Redis ends it there
_MOST_PARTS: Final = 64  # of one answer
# redis-py lets Python's own errors through where an answer is none
FAULTS: Final = (RedisError, OSError, TimeoutError, ValueError, LookupError, TypeError, AttributeError)


class _Frugal(_AsyncRESP2Parser):
    """Believes no lengths: whoever has taken the store's place would fill all memory with one answer, within seconds
    and without end, since it is not known what of it is garbage until it is whole."""

    _parts = 0

    async def read_response(self, disable_decoding: bool = False) -> Any:
        self._parts = 0
        return await super().read_response(disable_decoding)

    async def _read_response(self, disable_decoding: bool = False) -> Any:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise Disconnected("an answer of too many parts")
        return await super()._read_response(disable_decoding)

    async def _read(self, length: int) -> bytes:
        if not 0 <= length <= _LONGEST:
            raise Disconnected("an answer that is too long")
        return await super()._read(length)


class Link:
    """`observe(is_up, why)` is told of every change."""

    def __init__(self, state: SharedState, clock: Clock, observe: Callable[[bool, str], None]) -> None:
        self._state, self._clock, self._observe = state, clock, observe
        self._client = Redis.from_pool(pool_of(state, state.timeout))
        self._scripts: dict[str, Callable[..., Awaitable[Any]]] = {}
        self._mending: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._pause, self._up_since = _FIRST_PAUSE, clock()
        self.on_message: Callable[[bytes], None] | None = None
        self.is_up = False
        self.faults = 0

    async def start(self) -> None:
        """One try; where it fails, further ones follow in the background."""
        error = await self._try()
        if error is not None:
            self._lose(error)

    async def call(self, script: str, keys: list[str], *arguments: str | bytes | int) -> Any:
        """What a script of `scripts.py` answers; None, after `timeout` seconds at most, where nothing is to be had."""
        if not self.is_up:
            return None
        run = self._scripts.get(script)
        if run is None:
            run = self._scripts[script] = self._client.register_script(script)
        try:
            return await _bounded(run(keys=keys, args=list(arguments)), self._state.timeout)
        except FAULTS as error:
            self.faults += 1
            self._lose(error)
            return None

    async def close(self) -> None:
        """Ends what runs in the background."""
        self.is_up = False
        tasks = [task for task in (self._mending, self._listening) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose(close_connection_pool=True)

    def _lose(self, error: BaseException) -> None:
        if self._mending is not None:
            return
        self.is_up = False
        if self._clock() - self._up_since > _STEADY:
            self._pause = _FIRST_PAUSE
        self._mending = asyncio.create_task(self._mend(), name="shared state: reconnect")
        if self._listening is not None:
            self._listening.cancel()
        self._observe(False, type(error).__name__)

    async def _mend(self) -> None:
        """Until it answers again. Where that never holds for long, it is tried less and less often."""
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        error: Exception | None = OSError()
        while error is not None:
            await asyncio.sleep(pause)
            error, pause = await self._try(), _FIRST_PAUSE

    async def _try(self) -> Exception | None:
        """Whether it can be written to: one that is full or a read-only copy answers, and is of no use."""
        try:
            await self._client.connection_pool.disconnect()  # to a Redis that may be another by now
            await _bounded(self._client.set(f"{self._state.prefix}:probe", b"1", px=1000), _CONNECT)
        except FAULTS as error:
            return error
        self._mending, self.is_up, self._up_since = None, True, self._clock()
        self._listening = asyncio.create_task(self._listen(), name="shared state: listen")
        self._observe(True, "")
        return None

    async def _listen(self) -> None:
        """To what other replicas say. What is missed meanwhile is found out without it, only later. Nobody may be
        asking just now: that the store has gone shows here."""
        async with (
            Redis.from_pool(pool_of(self._state, None)) as client,
            client.pubsub(ignore_subscribe_messages=True) as said,
        ):
            while True:
                try:
                    await said.subscribe(self.channel)
                    async for message in said.listen():
                        if self.on_message is not None and isinstance(message["data"], bytes):
                            self.on_message(message["data"])
                        await asyncio.sleep(0)  # a flood of them is read from memory, and would hold up everybody
                except (Disconnected, OSError) as error:
                    self._lose(error)
                    return
                except FAULTS:  # an account that may read and write, and not listen
                    await asyncio.sleep(_LONGEST_PAUSE)

    @property
    def channel(self) -> str:
        """Where replicas speak to all others."""
        return f"{self._state.prefix}:dropped"


def pool_of(state: SharedState, patience: float | None) -> BlockingConnectionPool:
    """`patience` is in seconds for an answer; None waits for ever."""
    address = state.address
    tls: dict[str, Any] = {}
    if address.is_tls:
        tls = {
            "connection_class": SSLConnection,
            "ssl_ca_certs": state.ca_bundle,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        }
    return BlockingConnectionPool(
        max_connections=_MOST_CONNECTIONS,
        timeout=patience or _CONNECT,
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.username or None,
        password=address.password.reveal() if address.password is not None else None,
        socket_timeout=patience,
        socket_connect_timeout=_CONNECT,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        parser_class=_Frugal,
        **tls,
    )


async def _bounded(asking: Awaitable[Any], seconds: float) -> Any:
    """Raises TimeoutError. A loop of ours that was busy is no slow Redis: what has come meanwhile is read first."""
    task = asyncio.ensure_future(asking)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            done, _ = await asyncio.wait({task}, timeout=seconds / 10)
        if not done:
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

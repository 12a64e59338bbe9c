"""Starts the workers, gives them what they share, has them reload and drain together, and mends what ends or stands
still.

Answers no request itself but those of the admin pages.
"""

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from proxy.assemble import Service
from proxy.credentials.accord import LOGIN
from proxy.errors import ConfigurationError
from proxy.identity import Place
from proxy.model import Configuration, Rule
from proxy.telemetry.log import state_change
from proxy.telemetry.merge import merged_metrics, merged_status
from proxy.traffic import Topic, Word
from proxy.web import queues
from proxy.workers.channel import Channel, Gone
from proxy.workers.heartbeat import Heartbeat
from proxy.workers.lender import Lender, LenderToWorker
from proxy.workers.parcel import packed
from proxy.workers.shared import audience_of
from proxy.workers.turns import TurnsOfWorker

if TYPE_CHECKING:
    from proxy.telemetry.spans import Tracing

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0  # seconds before a worker that ended is started again
_STEADY: Final = 60.0  # seconds that a worker has to live for the pause to be the first again
_START: Final = 60.0  # seconds
_ANSWER: Final = 2.0  # seconds that a worker has for a page
_EXTRA: Final = 5.0  # seconds beyond the drain until a worker is killed
_LAST_WORDS: Final = 1.0  # seconds that a worker that stood still has to say where


class Supervisor:
    """To whoever starts it, what `assemble.Service` is: started, reconfigured and stopped as a whole."""

    def __init__(self, configuration: Configuration, tracing: "Tracing | None" = None) -> None:
        """`tracing` is for the logins, which are made here; workers have their own."""
        self._count, self._tracing = configuration.workers, tracing
        self.service = Service(configuration, serves=False, tracing=tracing)
        self.service.pages = (self._not_ready, self._metrics, self._status)
        self.service.shared.on_word = self._tell
        self._answers: dict[str, Callable[..., Awaitable[object]]] = {
            "token": self._token,
            "accepted": self._accepted,
            "rejected": self._rejected,
            "learned": self._learned,
        }
        service = self.service
        self._lender = Lender(service.counts.windows, time.monotonic, service.allowance, self._counted_elsewhere)
        self._channels: dict[int, Channel] = {}
        self._heartbeats: dict[int, Heartbeat] = {}
        self._keepers: list[asyncio.Task[None]] = []
        self._queues: list[list[socket.socket]] = []  # by worker; they outlive it
        self._changing = asyncio.Lock()

    async def start(self) -> None:
        """Until every worker answers. Raises ConfigurationError."""
        listen = self.service.current.runtime.configuration.listen
        try:
            self._queues = queues.several(listen.host, listen.port, self._count)
        except OSError as error:
            raise ConfigurationError.of_listener(listen.host, listen.port, error) from None
        self.service.public.port = queues.port_of(self._queues[0])
        began = [asyncio.get_running_loop().create_future() for _ in range(self._count)]
        self._keepers = [
            asyncio.create_task(self._keep(number, first), name=f"worker {number}")
            for number, first in enumerate(began, 1)
        ]
        try:
            await asyncio.gather(*began)
            await self.service.start()
        except ConfigurationError:
            await self.stop()
            raise

    async def apply(self, configuration: Configuration) -> None:
        """All workers go over to it. Raises ConfigurationError where a worker cannot wholly."""
        async with self._changing:
            await self.service.apply(configuration)
            parcel = packed(configuration)
            async with asyncio.timeout(_START):
                done = await asyncio.gather(
                    *(channel.ask("apply", parcel=parcel) for channel in self._channels.values()),
                    return_exceptions=True,
                )
        for error in done:
            if isinstance(error, ConfigurationError):
                raise error

    async def stop(self) -> None:
        """Every worker drains; then the pages and what is shared end."""
        self.service.draining = True
        for queue in self._queues:
            queues.close(queue)  # the workers have them, too, until each stops
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await self.service.stop()

    # --- processes ----------------------------------------------------------------------------------------------------

    async def _keep(self, number: int, began: "asyncio.Future[None]") -> None:
        """One worker, and the next in its place when it ends."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            started_at = loop.time()
            try:
                status = await self._run(number, began)
            except (ConfigurationError, OSError) as error:
                if not began.done():
                    began.set_exception(error)
                    return
                status = None
            if loop.time() - started_at > _STEADY:
                pause = _FIRST_PAUSE
            self.service.metrics.worker_restarted()
            state_change("worker_failed", worker=number, status=status, again_in=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _run(self, number: int, began: "asyncio.Future[None]") -> int:
        """One process, to its end; cancelled, it drains first."""
        ours, theirs = socket.socketpair()
        command = (sys.executable, "-m", "proxy.workers", str(theirs.fileno()))
        passed = [theirs.fileno(), *(each for queue in self._descriptors() for each in queue)]
        with theirs:
            process = await asyncio.create_subprocess_exec(*command, pass_fds=passed, stdin=asyncio.subprocess.DEVNULL)
        channel = await Channel.open(ours)
        turns, heartbeat = TurnsOfWorker(self.service.shared), Heartbeat(self._have_covered)
        lends = LenderToWorker(self._lender, channel.ask)
        channel.answers = {**self._answers, **turns.answers, **lends.answers, "beat": heartbeat.heard}
        tasks = [asyncio.create_task(channel.listen(), name=f"worker {number}")]
        try:
            await self._start(number, channel)
            if not began.done():
                began.set_result(None)
            self._heartbeats[number] = heartbeat
            self._have_covered()
            tasks.append(asyncio.create_task(self._watch(number, process, heartbeat), name=f"watch {number}"))
            return await process.wait()
        except (Gone, TimeoutError):
            raise ConfigurationError([f"worker {number} did not start"]) from None
        finally:
            self._channels.pop(number, None)
            self._heartbeats.pop(number, None)
            self._have_covered()
            await self._end(process)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            lends.end()
            await turns.end()

    async def _start(self, number: int, channel: Channel) -> None:
        async with asyncio.timeout(_START):
            begun_with = self.service.current.runtime.configuration
            parcel = packed(begun_with)
            await channel.ask("start", number=number, queues=self._descriptors(), parcel=parcel)
            async with self._changing:  # what was applied meanwhile
                now = self.service.current.runtime.configuration
                if now is not begun_with:
                    await channel.ask("apply", parcel=packed(now))
                self._channels[number] = channel

    def _have_covered(self) -> None:
        """The new connections of workers that are late, or are not there, are the others' for as long as that holds."""
        if self.service.draining:
            return
        beats = self._heartbeats
        late = [number for number in range(1, self._count + 1) if number not in beats or beats[number].is_late]
        for channel in self._channels.values():
            channel.tell("cover", workers=late)

    def _descriptors(self) -> list[list[int]]:
        return [[each.fileno() for each in queue] for queue in self._queues]

    async def _watch(self, number: int, process: asyncio.subprocess.Process, heartbeat: Heartbeat) -> None:
        """Ends a worker that stands still, so that another one takes its place. SIGABRT has it write to stderr where
        it stood; one that was stopped from outside cannot even do that."""
        seconds = await heartbeat.silence()
        state_change("worker_stalled", worker=number, process=process.pid, silent_seconds=seconds)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGABRT)
            await asyncio.sleep(_LAST_WORDS)
            process.kill()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        drain = self.service.current.runtime.configuration.limits.drain
        try:
            async with asyncio.timeout(drain + _EXTRA):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    # --- what is shared -----------------------------------------------------------------------------------------------

    def _tell(self, topic: Topic, word: Word) -> None:
        """A login that rests is tried by no other worker; who asks for its turn is told anyway."""
        self.service.web_tier.heard(topic, word)
        if topic[0] == LOGIN:
            for channel in self._channels.values():
                channel.tell("heard", topic=topic, mark=word.mark, says=word.says, seconds=word.seconds)

    async def _token(self, audience: list[Any], trace: str) -> dict[str, object]:
        wanted = audience_of(audience)
        store = self.service.store
        with self._tracing.within(trace) if self._tracing is not None else contextlib.nullcontext():
            token = await store.get(wanted)
        outlook = store.outlook(wanted)
        return {
            "value": token.value.reveal(),
            "obtainedAt": token.obtained_at,
            "expiresAt": token.expires_at,
            "isRenewable": token.is_renewable,
            "before": [(each.value.reveal(), each.obtained_at, each.expires_at) for each in token.before],
            "freshUntil": outlook.renew_at,
            "place": outlook.hearing.place.value if outlook.hearing.place else None,
            "isDeafToForms": outlook.hearing.is_deaf_to_forms,
        }

    async def _accepted(self, audience: list[Any], fingerprint: str, place: str) -> None:
        token = self.service.store.outlook(audience_of(audience)).token
        if token is not None and token.value.fingerprint() == fingerprint:
            self.service.store.accepted(token, Place(place))

    async def _rejected(self, audience: list[Any], fingerprint: str) -> None:
        token = self.service.store.outlook(audience_of(audience)).token
        if token is not None and token.value.fingerprint() == fingerprint:  # else another worker was first
            self.service.store.reject(token)

    async def _learned(self, audience: list[Any], place: str, path: str) -> None:
        self.service.store.learn(audience_of(audience), Place(place), path)

    def _counted_elsewhere(self, name: str) -> Rule | None:
        """The rule, where its requests are counted for several machines."""
        if self.service.shared.is_here_alone:
            return None
        rules = self.service.current.runtime.configuration.rules
        return next((rule for rule in rules if rule.name == name), None)

    # --- pages --------------------------------------------------------------------------------------------------------

    def _not_ready(self) -> str | None:
        does_one_answer = any(heartbeat.is_heard for heartbeat in self._heartbeats.values())
        return self.service.not_ready() or (None if does_one_answer else "no worker answers")

    async def _metrics(self) -> bytes:
        texts = [text.encode() for text in await self._ask_all("metrics")]
        return merged_metrics([self.service.metrics.render(), *texts])

    async def _status(self) -> dict[str, object]:
        answered = await self._ask_all("status")
        silent = sorted(set(range(1, self._count + 1)) - {status["worker"] for status in answered})
        return {**merged_status(self.service.status(), answered), "silentWorkers": silent}

    async def _ask_all(self, what: str) -> list[Any]:
        """The answers of those that answer in time: one that stands still hides none of the others."""
        asked = [asyncio.create_task(channel.ask(what), name=what) for channel in self._channels.values()]
        if not asked:
            return []
        done, late = await asyncio.wait(asked, timeout=_ANSWER)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        return [task.result() for task in asked if task in done and not isinstance(task.exception(), Gone)]
